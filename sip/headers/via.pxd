# Types for the compiled form of via.py; the interpreter never reads this file.

cimport cython

from ..grammar cimport check_param_value, is_token, split_list

cdef dict _shapes


cdef class Via:
    cdef public bytes branch
    cdef public str host
    cdef public bytes maddr
    cdef public object port
    cdef public bytes raw
    cdef public bytes received
    cdef public bint rport
    cdef public bytes sent_by
    cdef public str transport

    cpdef bytes stamped(self, str host, int port)


@cython.locals(
    front=bytes, mark=bytes, rest=bytes, branch=bytes, semicolon=bytes, tail=bytes, shape=bytes,
    known=Via, via=Via, text=bytes,
)
cpdef Via parse_via(bytes value)
@cython.locals(via=Via)
cdef Via _read(bytes value)
cdef list _split(bytes value)
cdef bint _read_param(Via via, bytes piece, bint has_branch) except -1
