# Types for the compiled form of service.py; the interpreter never reads this file.

from sip.endpoint cimport Endpoint
from sip.forward cimport Proxy
from sip.message cimport Request, build_response
from sip.proxy cimport Fork
from sip.routing cimport Routed
from sip.timers cimport TimerQueue
from sip.transaction.server cimport ServerTransaction

from .identity cimport MessageIds
from .submission cimport Submission


cdef class Pager:
    cdef public object bindings
    cdef public object clock
    cdef public object keeper
    cdef public object ledger
    cdef public object offline
    cdef public object recent
    cdef public dict running
    cdef public object settings
    cdef public object stats
    cdef frozenset _carried
    cdef double _carried_until
    cdef bint _direct
    cdef Endpoint _endpoint
    cdef MessageIds _ids
    cdef bint _patience_armed
    cdef Proxy _proxy
    cdef TimerQueue _timers

    cpdef str submit(
        self,
        ServerTransaction server_tx,
        Request request,
        Routed routed,
        str sender,
        str recipient,
        double now,
        double wall,
    )
    cdef _forward(self, Submission submission, Fork fork, object targets, double now)
