# Types for the compiled form of layer.py; the interpreter never reads this file.

cdef class TransactionLayer:
    cdef public object transport, timers, config, stats, trace, user
    cdef public long long max_transactions, max_completed
    cdef public dict clients, servers, completed
    cdef public double transaction_s
    cdef public list resend_lanes
    cdef public int resend_steps
    cdef public object resend_first, resend_last, timer_k, timer_j
    cdef object _trying, _expires, _seen
    cdef bytes _seen_key

    cpdef send(self, object flow, bytes data, double now)
    cpdef resend(self, object flow, bytes data, double now)
    cpdef bint absorb(self, object request, object flow, double now) except -1
    cpdef on_keys(self, int kind, list keys, double now)
    cpdef receive_response(self, object response, object flow, double now)
