# Types for the compiled form of fields.py; the interpreter never reads this file.

cimport cython


cdef class FieldTable:
    cdef dict _names
    cdef dict _plans
    cdef object _size
    cdef str _where

    @cython.locals(pieces=list, gaps=tuple, plan=tuple, constants=list)
    cpdef tuple split(self, bytes text)


cpdef bytes unescape(bytes value)
cpdef bytes escape(bytes value)
cpdef bytes scheme_rest(bytes value)
