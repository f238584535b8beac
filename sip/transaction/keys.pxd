# Types for the compiled form of keys.py; the interpreter never reads this file.

cimport cython

from .. cimport octets
from ..message cimport Request

cdef bytes MAGIC_COOKIE
cdef dict _SUFFIX


cpdef bytes client_key(bytes branch, str method)
@cython.locals(branch=bytes, suffix=bytes)
cpdef bytes server_key(Request request)
