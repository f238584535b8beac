# Types for the compiled form of presented.py; the interpreter never reads this file.

cimport cython

from sip.digest.algorithms cimport algorithm_name
from sip.digest.credentials cimport Credentials, parse_credentials
from sip.message cimport Request


cdef class Presented:
    cdef Credentials _last
    cdef bytes _last_value
    cdef frozenset _names
    cdef dict _realms

    @cython.locals(
        first=str, second=str, name=str, wanted=bytes, left=int, values=list, ours=Credentials
    )
    cpdef Credentials find(self, Request request, str realm, int status)
    @cython.locals(value=bytes, ours=Credentials, credentials=Credentials)
    cdef Credentials _choose(self, str name, list values, bytes wanted)
    cpdef tuple consumed(self, Request request)
    cdef Credentials _parse(self, bytes value)
    cdef bint _is_ours(self, bytes value) except -1
