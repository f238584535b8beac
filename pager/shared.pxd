# Types for the compiled form of shared.py; the interpreter never reads this file.

from sip.endpoint cimport Endpoint
from sip.message cimport Request, build_response
from sip.transaction.server cimport ServerTransaction

from .keeper cimport Keeper
from .recent cimport Recent
from .stats cimport PagerStats


cdef class Shared:
    cdef public object bindings
    cdef public double carried_until
    cdef public frozenset carried_users
    cdef public object clock
    cdef public Endpoint endpoint
    cdef public Keeper keeper
    cdef public object ledger
    cdef public tuple observers
    cdef public dict on_their_way
    cdef public tuple plain_observers
    cdef public object offline
    cdef public Recent recent
    cdef public dict running
    cdef public object screen
    cdef public dict screened
    cdef public bint screens_all
    cdef public object settings
    cdef public PagerStats stats

    cpdef bint carried(self, str recipient) except -1
    cpdef answer(self, object answering, int status, double now, bytes reason=*, object extra=*)
