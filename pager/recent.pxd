# Types for the compiled form of recent.py; the interpreter never reads this file.

cdef class Answered:
    cdef public bytes call_id
    cdef public long long cseq
    cdef public bytes from_tag
    cdef public str id
    cdef public str recipient
    cdef public str sender
    cdef public int status


cdef class Recent:
    cdef dict _gone
    cdef Py_ssize_t _half
    cdef dict _new
    cdef dict _old

    cpdef add(self, bytes call_id, entry)
    cpdef get(self, bytes call_id)
    cpdef replace(self, bytes call_id, entry, by)
    cpdef drop(self, bytes call_id, entry)
