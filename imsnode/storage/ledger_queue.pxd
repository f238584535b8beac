# Types for the compiled form of ledger_queue.py; the interpreter never reads this file.

cimport cython

from pager.values cimport LedgerEntry


cdef class LedgerQueue:
    cdef public Py_ssize_t limit
    cdef public object rouse
    cdef public object _stats
    cdef public list _queue

    @cython.locals(queue=list, waiting=Py_ssize_t)
    cpdef note(self, LedgerEntry entry)
    cpdef Py_ssize_t queued(self) except -1
    cpdef list take(self)
