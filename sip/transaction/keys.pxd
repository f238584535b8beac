# Types for the compiled form of keys.py; the interpreter never reads this file.

from ..message cimport Request

cdef dict _SUFFIX


cpdef bytes client_key(bytes branch, str method)
cpdef bytes server_key(Request request)
