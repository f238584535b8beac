# Types for the compiled form of ledger_queue.py; the interpreter never reads this file.

cimport cython

from pager.values cimport LedgerEntry

from .ledger_text cimport BlockText


cdef class LedgerQueue:
    cdef public Py_ssize_t limit
    cdef public object rouse
    cdef public object _stats
    cdef object _lock
    cdef BlockText _open
    cdef object _full

    @cython.locals(block=BlockText)
    cpdef note(self, LedgerEntry entry)
    cpdef Py_ssize_t queued(self) except -1
    @cython.locals(block=BlockText)
    cpdef BlockText take(self)
