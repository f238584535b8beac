# Types for the compiled form of fields.py; the interpreter never reads this file.

cimport cython

from .. cimport octets


cdef class Shape:
    cdef public list counts
    cdef public list places
    cdef public int present
    cdef public list texts
    cdef public list values

    @cython.locals(
        values=list, at=Py_ssize_t, size=Py_ssize_t, index=Py_ssize_t, known=bytes, end=Py_ssize_t,
        place=Py_ssize_t,
    )
    cpdef list read(self, bytes text)


cdef class FieldTable:
    cdef bytes _count
    cdef dict _names
    cdef list _shapes
    cdef str _where

    @cython.locals(shapes=list, shape=Shape, values=list, place=Py_ssize_t)
    cpdef tuple split(self, bytes text)


cpdef bytes unescape(bytes value)
cpdef bytes escape(bytes value)
cpdef bytes scheme_rest(bytes value)
