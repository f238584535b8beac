# Types for the compiled form of imdn_request.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from .mediatype cimport is_cpim

cdef dict _asked


cdef class Glance:
    cdef public int asked
    cdef public bytes author
    cdef public bint composing
    cdef public bytes message_id
    cdef public bint notification


@cython.locals(end=Py_ssize_t, mime_end=Py_ssize_t, seen=Glance)
cpdef Glance glance(bytes content_type, bytes body)
@cython.locals(
    lines=list,
    line=bytes,
    prefix=bytes,
    message_id=bytes,
    author=bytes,
    identity=bytes,
    request=bytes,
    asked=cython.int,
    usual=cython.bint,
    declared=Py_ssize_t,
)
cdef Glance _scan(bytes head, bytes mime_head)
@cython.locals(colon=Py_ssize_t)
cdef bint _is_usual(bytes line) except -1
cdef int _bits(bytes value) except -1
