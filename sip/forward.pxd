# Types for the compiled form of forward.py; the interpreter never reads this file.

from .endpoint cimport Endpoint
from .flow cimport Flow
from .message cimport Request, forward_request
from .routing cimport OwnNames, Refusal, Routed, check, loop_mark, preprocess
from .timers cimport Lane
from .uri cimport Uri, parse_uri


cdef class ProxyConfig:
    cdef public int max_branches, max_breadth, udp_octets


cdef class Target:
    cdef public object binding
    cdef public bint bound
    cdef public Flow flow
    cdef public Target instead
    cdef public int q
    cdef public object routes
    cdef public object spares
    cdef public bytes uri


cdef class Proxy:
    cdef object _bound
    cdef object _reasons
    cdef public tuple breadth_lines
    cdef public ProxyConfig config
    cdef public Endpoint endpoint
    cdef public object ids
    cdef public object may_send_to
    cdef public OwnNames own
    cdef public Lane timer_c
    cdef public object tokens
    cdef public object transport
    cdef public object trusts
    cdef public object vouch

    cpdef Routed preprocess(self, Request request, Flow flow, double now)
    cpdef Refusal check(self, Request request)
