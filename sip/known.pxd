# Types for the compiled form of known.py; the interpreter never reads this file.

cimport cython

from . cimport octets


@cython.final
cdef class Known:
    cdef list _keys
    cdef Py_ssize_t _mask
    cdef list _values

    @cython.locals(place=Py_ssize_t, key=bytes)
    cpdef object find(self, bytes text, Py_ssize_t start, Py_ssize_t stop)
    @cython.locals(place=Py_ssize_t)
    cpdef keep(self, bytes key, object value)
