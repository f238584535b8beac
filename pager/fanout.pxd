# Types for the compiled form of fanout.py; the interpreter never reads this file.

cimport cython

from .identity cimport MessageIds
from .keeper cimport Keeper
from .parcels cimport Parcels
from .stats cimport PagerStats
from .values cimport LedgerEntry, StoredMessage, StoreResult


cdef class _Sending


cdef class Fanout:
    cdef public object pager
    cdef public object store
    cdef public object known
    cdef public object ids
    cdef public object unreached
    cdef public Parcels parcels
    cdef MessageIds _ids

    @cython.locals(
        wall=double, storing=bint, by_domain=bint, screened=bint, recipient=str, left_out=list,
        keeper=Keeper, sending=_Sending
    )
    cpdef send(
        self, object original, object recipients, double now, object done, object advance=*
    )
    cdef bint _reaches(self, str recipient, object targets, Py_ssize_t octets) except -1
    cdef object _unwanted(self, object original, object kind, str recipient, double now, double wall)
    cdef StoredMessage _copy(self, object original, str recipient, tuple devices, double wall)
    @cython.locals(
        keeper=Keeper, stats=PagerStats, now=double, wall=double, at=double, size=Py_ssize_t,
        steps=list, kept=list, carried=list, reachable=list, copy=StoredMessage, result=StoreResult
    )
    cpdef kept(self, object original, object copies, object results, long long parcel=*, object aims=*)
    cpdef leave_out(self, object original, str recipient, str rule, bint told=*)
    cpdef send_unstored(self, object original, str recipient, double now)


cdef class _Sending:
    cdef Fanout fanout
    cdef object original
    cdef bint carrying
    cdef Py_ssize_t octets
    cdef list copies
    cdef list carried
    cdef list aims
    cdef list direct
    cdef list left_out
    cdef object done

    @cython.locals(fanout=Fanout, devices=tuple, at_once=bint, copy=StoredMessage, keeper=Keeper)
    cdef take(self, str recipient, double now, double wall)
    cpdef committed(self, object result)


cdef class Unheard:
    cdef Fanout fanout
    cdef object original
    cdef str recipient
    cdef public object request

    cpdef bint respond(self, bytes data, int status, double now)
