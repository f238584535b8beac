# Types for the compiled form of identity.py; the interpreter never reads this file.

import cython

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
cpdef bytes cpim_message_id(bytes content_type, bytes body)
cpdef bytes media_type(bytes value)
