# Types for the compiled form of delivery.py; the interpreter never reads this file.

cimport cython

from sip.dialog cimport Dialog, request_route
from sip.endpoint cimport Endpoint
from sip.flow cimport Flow
from sip.forward cimport Proxy as _Proxy
from sip.message cimport Response
from sip.transaction.client cimport ClientTransaction

from .notify cimport notify, state_value
from .subscription cimport Subscription


cdef class Delivery:
    cdef object _clock
    cdef Endpoint _endpoint
    cdef _Proxy _proxy
    cdef double _looked_at
    cdef dict _stranded
    cdef double _wall_then
    cdef object _way
    cdef public object notifier
    cdef public object settings
    cdef public object stats

    @cython.locals(at_once=bint)
    cpdef push(self, Subscription sub, double now)
    cpdef pace(self, Subscription sub, object event)
    cpdef part(self, Subscription sub, double now)
    cpdef on_rate(self, Subscription sub, double now)
    @cython.locals(at=double)
    cdef _arm(self, Subscription sub, double now)
    @cython.locals(longest=double)
    cdef double _overdue(self, Subscription sub) except -1
    cdef double _wall(self, double now) except? -1
    @cython.locals(etag=bytes)
    cdef bint _unchanged(self, Subscription sub, double now) except -1
    @cython.locals(dialog=Dialog, version="long long")
    cdef _send(self, Subscription sub, double now, bytes state, bint shown=*)
    @cython.locals(branch=bytes, data=bytes, flow=Flow, routes=tuple, uri=bytes)
    cdef _transmit(self, Subscription sub, object body, bytes state, double now)
    @cython.locals(flow=Flow)
    cdef bint _has_way(self, Subscription sub, double now) except -1
    cdef _strand(self, Subscription sub, double now)
    cdef Flow _find_flow(self, Subscription sub, double now)
    cpdef on_response(self, ClientTransaction tx, Response response, double now)
    cpdef on_failure(self, ClientTransaction tx, int kind, double now)
    cdef _answered(self, Subscription sub, int status, Response response, double now)
