# Types for the compiled form of rounds.py; the interpreter never reads this file.

cimport cython

from .delivery cimport Delivery
from .subscription cimport Subscription


cdef class Rounds:
    cdef object _clock
    cdef Delivery _delivery
    cdef object _timers

    @cython.locals(sub=Subscription)
    cpdef run(self, object subs, int due, double now, int paced=*)
    @cython.locals(begun=double)
    cpdef Py_ssize_t serve(
        self, object subs, Py_ssize_t start, Py_ssize_t end, double now
    ) except -1
