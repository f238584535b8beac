# Types for the compiled form of via.py; the interpreter never reads this file.

cdef dict _hops


cdef class Via:
    cdef public bytes branch
    cdef public str host
    cdef public bytes maddr
    cdef public list params
    cdef public object port
    cdef public bytes raw
    cdef public bytes received
    cdef public bint rport
    cdef public bytes sent_by
    cdef public str transport

    cpdef bytes stamped(self, str host, int port)


cpdef Via parse_via(bytes value)
cdef bint _read_param(Via via, bytes piece, bint has_branch) except -1
