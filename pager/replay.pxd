# Types for the compiled form of replay.py; the interpreter never reads this file.

cimport cython

from sip cimport octets
from sip.bodies.mediatype cimport media_type
from sip.message cimport Request, trim


cdef dict _kept


cpdef bint is_composing(Request request) except -1
@cython.locals(latest=double, value=bytes, date=bytes)
cpdef double deadline(Request request, double received_wall, double lifetime_s) except -1.0
@cython.locals(lines=list, names=tuple, places=tuple, at=Py_ssize_t, head=bytes)
cpdef bytes stored_head(Request request, double received_wall)
