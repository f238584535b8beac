# Types for the compiled form of clock.py; the interpreter never reads this file.

cdef class SystemClock:
    cdef double _offset
    cdef object _running

    cpdef double wall(self) except? -1.0
