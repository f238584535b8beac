# Types for the compiled form of chunk.py; the interpreter never reads this file.

cimport cython

from sip cimport octets


cdef bytes _FIRST
cdef bytes _NAME


cdef class Chunk:
    cdef dict _fields
    cdef public Py_ssize_t body_at
    cdef public bytes flag
    cdef public bytes from_path
    cdef public Py_ssize_t head_end
    cdef public bytes method
    cdef public Py_ssize_t offset
    cdef public object piece
    cdef public bytes raw
    cdef public Py_ssize_t rest
    cdef public Py_ssize_t size
    cdef public int status
    cdef public bytes tid
    cdef public bytes to_path

    @cython.locals(text=bytes, lines=list, line=bytes, colon=Py_ssize_t)
    cpdef list lines(self)
    cpdef Chunk head(self)
