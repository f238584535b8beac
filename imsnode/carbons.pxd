# Types for the compiled form of carbons.py; the interpreter never reads this file.

from pager.submission cimport Submission


cdef class Carbons:
    cdef object _bindings
    cdef object _proxy
    cdef object _registered
    cdef object _wanted
    cdef public long long sent

    cpdef answered(self, Submission submission, double now)
