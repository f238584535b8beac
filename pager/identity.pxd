# Types for the compiled form of identity.py; the interpreter never reads this file.

import cython

from sip cimport octets
from sip.bodies.mediatype cimport is_cpim
from sip.message cimport Request


cdef class MessageIds:
    cdef double _until
    cdef str _prefix
    cdef long long _count
    cdef str _head
    cdef list _tails

    @cython.locals(count=cython.longlong, low=Py_ssize_t)
    cpdef str next(self, double wall)


cpdef bytes submission_key(Request request, str sender, str recipient)
@cython.locals(message_id=bytes, call_id=bytes, head=bytes)
cpdef bytes request_identity(Request request)
@cython.locals(who=str)
cpdef bytes copy_key(bytes identity, str sender, str recipient)
@cython.locals(name=bytes, prefix=bytes, at=Py_ssize_t, end=Py_ssize_t, stop=Py_ssize_t, bracket=Py_ssize_t)
cpdef bytes cpim_message_id(bytes content_type, bytes body)
cpdef bytes delivery_call_id(str message_id, str device)
