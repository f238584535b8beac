# Types for the compiled form of ids.py; the interpreter never reads this file.

cdef class SystemIds:
    cdef Py_ssize_t _at
    cdef bytes _digits

    cdef bytes _take(self, Py_ssize_t digits)
    cpdef bytes branch(self)
