# Types for the compiled form of flow.py; the interpreter never reads this file.

cdef class Flow:
    cdef object __weakref__
    cdef bytes _via_prefix
    cdef public bint broken
    cdef public bint closed
    cdef public str key
    cdef public tuple local
    cdef public frozenset names
    cdef public dict pending
    cdef public bint reliable
    cdef public tuple remote
    cdef public bint secure
    cdef public bytes sent_by
    cdef public str transport
    cdef public Py_ssize_t vetted

    cpdef bytes via_line(self, bytes branch)
