# Types for the compiled form of history_observer.py; the interpreter never reads this file.

cimport cython

from pager.submission cimport Submission
from pager.values cimport Notice
from sip cimport collector
from sip.message cimport Request


cdef class HistoryObserver:
    cdef object _note
    cdef object _displayed

    @cython.locals(status=int, notice=Notice, request=Request, kind=bytes, identity=bytes, sender=str, noted=tuple)
    cpdef answered(self, Submission submission, double now)
