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


@cython.locals(message_id=bytes, text=bytes, who=str, call_id=bytes, head=bytes)
cpdef bytes submission_key(Request request, str sender, str recipient)
cpdef bytes cpim_message_id(bytes content_type, bytes body)
cpdef bytes media_type(bytes value)
