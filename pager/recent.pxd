# Types for the compiled form of recent.py; the interpreter never reads this file.

cdef class Recent:
    cdef Py_ssize_t _half
    cdef dict _new
    cdef dict _old

    cpdef add(self, bytes call_id, entry)
    cpdef get(self, bytes call_id)
    cpdef drop(self, bytes call_id, entry)
