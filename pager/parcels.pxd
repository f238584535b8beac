# Types for the compiled form of parcels.py; the interpreter never reads this file.

cimport cython

from sip.flow cimport Flow
from sip.forward cimport Proxy, Target
from sip.message cimport Response
from sip.timers cimport TimerQueue
from sip.transaction.client cimport ClientTransaction

from .identity cimport delivery_call_id
from .keeper cimport Keeper
from .shared cimport Shared
from .values cimport LedgerEntry, Notice, StoredMessage, StoreResult


cdef class Carried:
    cdef public Parcel parcel
    cdef public StoredMessage copy
    cdef public Target target
    cdef public int status
    cdef public object item

    cpdef on_response(self, ClientTransaction tx, Response response, double now)
    cpdef on_failure(self, ClientTransaction tx, int kind, double now)


cdef class Parcel:
    cdef public double ahead
    cdef public double at
    cdef public list carried
    cdef public int delivered
    cdef public bint failed
    cdef public long long id
    cdef public list late
    cdef public Notice notice
    cdef public Py_ssize_t open
    cdef public Parcels parcels
    cdef public int phase
    cdef public Py_ssize_t size
    cdef public list steps
    cdef public list unsent

    @cython.locals(body=bytes, tail=bytes, copy=StoredMessage, target=Target, one=Carried, pager=Shared)
    cpdef send(self, object copies, object targets, double now)
    @cython.locals(target=Target, proxy=Proxy, copy=StoredMessage, flow=Flow, branch=bytes, routes=bytes, data=bytes)
    cdef _send(self, Carried one, bytes tail, double now)
    cpdef ended(self, Carried one, int status, double now)
    @cython.locals(pager=Shared, copy=StoredMessage, entry=LedgerEntry)
    cdef _delivered(self, Carried one, double now)
    cpdef on_timer(self, int kind, double now)
    cpdef settle(self, double now)
    cdef list _left(self)
    cdef _ask(self)
    cpdef _settled(self, object results)
    cdef _hand_over(self, Carried one, object item, double now)


cdef class Parcels:
    cdef public Shared pager
    cdef public Proxy proxy
    cdef public object store
    cdef public TimerQueue timers
    cdef public object device_of
    cdef public dict open
    cdef Py_ssize_t _udp_octets

    @cython.locals(frame=Py_ssize_t)
    cpdef bint fits(self, Py_ssize_t octets, str recipient, Target target) except -1
    cpdef begin(self, long long parcel_id, object copies, object targets, list steps, Notice notice, double now)
