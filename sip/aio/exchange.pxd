# Types for the compiled form of exchange.py; the interpreter never reads this file.

cimport cython

from ..flow cimport Flow
from .udp cimport UdpFlow, UdpSocket


cdef class Exchange:
    cdef public object endpoint
    cdef public object stats
    cdef public object border
    cdef public object tap
    cdef public object _bans
    cdef public bint _in_batch
    cdef public bint _woken

    @cython.locals(datagrams=UdpSocket)
    cpdef send(self, Flow flow, bytes data)
    @cython.locals(at=Py_ssize_t, heard=list)
    cpdef deliver_datagrams(self, list payloads, list senders, double now)
    cdef bint _passes(self, bytes payload, UdpFlow flow, double now) except -1
