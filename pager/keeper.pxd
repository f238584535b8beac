# Types for the compiled form of keeper.py; the interpreter never reads this file.

cimport cython

from sip.timers cimport TimerQueue

from .stats cimport PagerStats
from .values cimport DeliveryMark, StoredMessage


cdef class _Marking:
    cdef public object box
    cdef public object item
    cdef public Keeper keeper
    cdef public DeliveryMark mark

    cpdef done(self, bint committed)


cdef class Keeper:
    cdef public object counted
    cdef public tuple observers
    cdef public object settings
    cdef public object store_port
    cdef public object user
    cdef object _clock
    cdef dict _copies
    cdef list _failed
    cdef object _ledger
    cdef list _near
    cdef dict _open
    cdef PagerStats _stats
    cdef double _sweep_at
    cdef bint _sweeping
    cdef TimerQueue _timers

    cpdef bint waits(self, str recipient) except -1
    cpdef bint full(self, str recipient, bint accepted) except -1
    cdef _count(self, str recipient, Py_ssize_t change)
    cpdef store(self, StoredMessage message, done)
    cpdef uncount(self, str recipient, bint accepted)
    cpdef marked(self, _Marking marking, bint committed)
    cpdef on_timer(self, int kind, double now)


@cython.locals(count=Py_ssize_t)
cdef _add(dict counts, str recipient, Py_ssize_t change)
