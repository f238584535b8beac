# Types for the compiled form of service.py; the interpreter never reads this file.

cimport cython

from sip.forward cimport Proxy
from sip.message cimport Request
from sip.proxy cimport Fork, fork_of
from sip.routing cimport Routed
from sip.timers cimport TimerQueue
from sip.transaction.server cimport ServerTransaction

from . cimport policy
from .identity cimport MessageIds
from .policy cimport Storable
from .shared cimport Shared
from .submission cimport Submission
from .values cimport LedgerEntry


cdef class Arrival:
    cdef str device
    cdef Pager pager
    cdef str recipient
    cdef Request request
    cdef Routed routed
    cdef str sender
    cdef ServerTransaction server_tx
    cdef double wall

    cpdef proceed(self, double now)


cdef class Pager(Shared):
    cdef Py_ssize_t _body_bytes
    cdef dict _boxes
    cdef public set bridged
    cdef bint _direct
    cdef public object examiner
    cdef MessageIds _ids
    cdef bint _patience_armed
    cdef double _patience_s
    cdef public Proxy proxy
    cdef TimerQueue _timers
    cdef public object waker

    @cython.locals(arrival=Arrival)
    cpdef take(
        self,
        ServerTransaction server_tx,
        Request request,
        Routed routed,
        str sender,
        str recipient,
        double now,
        double wall,
        str device=*,
    )
    @cython.locals(submission=Submission, fork=Fork, message_id=str)
    cpdef str submit(
        self,
        ServerTransaction server_tx,
        Request request,
        Routed routed,
        str sender,
        str recipient,
        double now,
        double wall,
        str device=*,
        object ways=*,
    )
    cdef _forward(self, Submission submission, Fork fork, object targets, double now)
    @cython.locals(recipient=str, devices=list, free=list, facts=Storable, expires_at=double)
    cdef _arrive(
        self, Submission submission, Routed routed, object targets, double now, bint first=*
    )
