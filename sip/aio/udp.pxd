# Types for the compiled form of udp.py; the interpreter never reads this file.

from ..flow cimport Flow


cdef class UdpFlow(Flow):
    cdef public UdpSocket channel
    cdef public object peer


cdef class UdpSocket:
    cdef object _batch
    cdef bint _blocked
    cdef object _driver
    cdef int _fd
    cdef Py_ssize_t _half
    cdef dict _local
    cdef bint _marked
    cdef public dict _old
    cdef object _options
    cdef list _out
    cdef list _peers
    cdef object _poller
    cdef object _scratch
    cdef bytes _sent_by
    cdef public object _socket
    cdef public dict _young
    cdef public object bound

    cpdef transmit(self, UdpFlow flow, bytes data)
    cpdef flush(self)
