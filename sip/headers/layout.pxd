# Types for the compiled form of layout.py; the interpreter never reads this file.

cimport cython

from .. cimport octets


cdef class Layout:
    cdef public dict at
    cdef public Py_ssize_t call_id
    cdef public tuple checked
    cdef public Py_ssize_t contact
    cdef public Py_ssize_t content_length
    cdef public Py_ssize_t content_type
    cdef public Py_ssize_t cseq
    cdef public tuple cuts
    cdef public Py_ssize_t max_forwards
    cdef public tuple more_vias
    cdef public tuple names
    cdef public frozenset repeated
    cdef public Py_ssize_t sender
    cdef public tuple starts
    cdef public bint steered
    cdef public bint inner
    cdef public Py_ssize_t target
    cdef public Py_ssize_t via

@cython.locals(known=dict, candidates=list, layout=Layout, place=Py_ssize_t)
cpdef Layout find_layout(list lines)
cpdef list layouts_of(Py_ssize_t count)
