# Types for the compiled form of identity.py; the interpreter never reads this file.

cdef class MessageIds:
    cdef str _run
    cdef long long _second
    cdef str _prefix
    cdef long long _count

    cpdef str next(self, double wall)
