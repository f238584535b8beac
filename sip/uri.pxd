# Types for the compiled form of uri.py; the interpreter never reads this file.

cimport cython

from .grammar cimport is_token
from .known cimport Known


cdef Known _seen


cdef class Uri:
    cdef str _aor
    cdef public bytes headers
    cdef public str host
    cdef public bint is_sip
    cdef public dict params
    cdef public bytes password
    cdef public object port
    cdef public bytes raw
    cdef public str scheme
    cdef public bytes user

@cython.locals(known=dict, uri=Uri)
cpdef Uri parse_uri(bytes raw)
cpdef bint is_usual(Uri uri) except -1
@cython.locals(uri=Uri)
cpdef Uri recognise_uri(bytes text, Py_ssize_t start, Py_ssize_t stop)
@cython.locals(name=bytes, colon=bytes, rest=bytes, uri=Uri)
cdef Uri _parse(bytes raw)
@cython.locals(known=dict, host=str)
cpdef str parse_host(bytes text, object where)
