# Types for the compiled form of identity.py; the interpreter never reads this file.

import cython


cdef class MessageIds:
    cdef double _until
    cdef str _prefix
    cdef long long _count
    cdef str _head
    cdef list _tails

    @cython.locals(count=cython.longlong, low=Py_ssize_t)
    cpdef str next(self, double wall)
