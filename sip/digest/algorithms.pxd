# Types for the compiled form of algorithms.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from .credentials cimport Credentials


cdef dict _HEXERS
cdef dict _NAMES
cdef dict _TARGETS


cpdef str algorithm_name(bytes token)
@cython.locals(a2=bytes)
cpdef bytes response_hex(
    str algorithm, bytes secret, bytes method, Credentials credentials, bytes body=*
)
@cython.locals(known=dict, digest=bytes)
cdef bytes _target_hash(str algorithm, object hexer, bytes a2)
@cython.locals(algorithm=str, want=bytes)
cpdef bint verify(
    Credentials credentials, bytes method, bytes secret, bytes body=*
) except -1
cdef _hexer(str algorithm)
