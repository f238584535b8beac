# Types for the compiled form of credentials.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from .fields cimport FieldTable, scheme_rest, unescape


cdef FieldTable _TABLE


cdef class Credentials:
    cdef public bytes algorithm
    cdef public bytes auts
    cdef public bytes cnonce
    cdef public bytes nc
    cdef public bytes nonce
    cdef public bytes opaque
    cdef public bytes qop
    cdef public bytes realm
    cdef public bytes response
    cdef public bytes uri
    cdef public bytes username


@cython.locals(rest=bytes, values=list, seen=int, credentials=Credentials)
cpdef Credentials parse_credentials(bytes value)
cpdef long long nonce_count(bytes value) except -1
