# Types for the compiled form of ids.py; the interpreter never reads this file.

cimport cython

cdef Py_ssize_t _BRANCH_LENGTH


cdef class SystemIds:
    cdef Py_ssize_t _at
    cdef Py_ssize_t _branch_at
    cdef bytes _branches
    cdef bytes _digits

    # Octets are cut out of a block fastest by address.
    @cython.locals(block="const char *", start=Py_ssize_t)
    cdef bytes _take(self, Py_ssize_t digits)
    @cython.locals(block="const char *", start=Py_ssize_t)
    cpdef bytes branch(self)
