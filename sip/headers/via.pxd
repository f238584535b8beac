# Types for the compiled form of via.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from ..grammar cimport check_param_value, is_token, split_list
from ..known cimport Known

cdef bytes _ONLY_TOKEN
cdef Known _fronts
cdef dict _shapes, _sources


cdef class Via:
    cdef public bytes branch
    cdef public Py_ssize_t front
    cdef public str host
    cdef public bytes maddr
    cdef public object port
    cdef public bytes raw
    cdef public bytes received
    cdef public bint rport
    cdef public bytes sent_by
    cdef public bytes tail
    cdef public str transport

    @cython.locals(raw=bytes, end=Py_ssize_t)
    cpdef bytes stamped(self, str host, int port)


@cython.locals(key=tuple, text=bytes)
cpdef bytes source_text(str host, int port)
@cython.locals(
    at=Py_ssize_t, end=Py_ssize_t, text="const char*", front=bytes, shape=bytes, branch=bytes,
    trimmed=bytes, known=Via, via=Via,
)
cpdef Via parse_via(bytes value)
@cython.locals(at=Py_ssize_t, end=Py_ssize_t, via=Via)
cpdef Via recognise_via(bytes text, Py_ssize_t start, Py_ssize_t stop)
@cython.locals(via=Via)
cpdef Via copy_via(Via known, bytes raw, bytes branch)
@cython.locals(via=Via)
cdef Via _read(bytes value)
cdef list _split(bytes value)
cdef bint _read_param(Via via, bytes piece, bint has_branch) except -1
