# Types for the compiled form of framer.py; the interpreter never reads this file.

cimport cython

from sip cimport octets

from .chunk cimport Chunk


cdef bytes _IDENT_OCTETS
cdef bytes _VISIBLE


cdef class Framer:
    cdef Py_ssize_t _at
    cdef Py_ssize_t _chunk_bytes
    cdef bytes _data
    cdef Chunk _head
    cdef Py_ssize_t _head_bytes
    cdef bytes _marker
    cdef bytes _more
    cdef Py_ssize_t _more_at
    cdef Py_ssize_t _offset
    cdef Py_ssize_t _piece_bytes
    cdef Py_ssize_t _searched
    cdef bytearray _tail
    cdef public bint closed

    @cython.locals(end=Py_ssize_t, stop=Py_ssize_t)
    cpdef feed(self, bytes data)
    @cython.locals(chunk=Chunk)
    cpdef Chunk next(self)
    cdef _keep(self)
    cdef _keep_more(self)
    @cython.locals(tail=bytearray, enough=Py_ssize_t)
    cdef bint _worth_a_look(self) except -1
    @cython.locals(
        data=bytes, at=Py_ssize_t, tid=bytes, method=bytes, status=int, marker=bytes,
        after=Py_ssize_t, end=Py_ssize_t, empty=Py_ssize_t, head_end=Py_ssize_t, body_at=Py_ssize_t,
        body_end=Py_ssize_t, stop=Py_ssize_t, flag=bytes, size=Py_ssize_t, rest=Py_ssize_t,
        to_path=bytes, from_path=bytes, sliced=bint, chunk=Chunk,
    )
    cdef Chunk _first(self)
    @cython.locals(end=Py_ssize_t, space=Py_ssize_t, size=Py_ssize_t, tid=bytes)
    cdef tuple _start(self, bytes data, Py_ssize_t at)
    @cython.locals(line=Py_ssize_t, behind=Py_ssize_t, to_path=bytes)
    cdef tuple _paths(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(
        data=bytes, at=Py_ssize_t, marker=bytes, end=Py_ssize_t, stop=Py_ssize_t,
        after=Py_ssize_t, flag=bytes, chunk=Chunk,
    )
    cdef Chunk _further(self, Chunk head)
    @cython.locals(size=Py_ssize_t, after=Py_ssize_t)
    cdef Py_ssize_t _find_end(self, bytes data, bytes marker, Py_ssize_t at) except -2
    @cython.locals(size=Py_ssize_t, begin=Py_ssize_t)
    cdef Py_ssize_t _safe_end(self, bytes data, bytes marker, Py_ssize_t at) except -2
    cdef _check_start(self, bytes data, Py_ssize_t at)


cdef object _part(bytes data, Py_ssize_t start, Py_ssize_t stop)
