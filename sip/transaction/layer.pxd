# Types for the compiled form of layer.py; the interpreter never reads this file.

cimport cython

from ..flow cimport Flow
from ..message cimport Request, Response
from ..stats cimport Stats
from ..timers cimport KeyLane, Lane, TimerQueue
from .client cimport ClientTransaction
from .keys cimport client_key, server_key
from .server cimport ServerTransaction


cdef int _TRANSPORT_ERROR, _TIMER_E, _TIMER_J, _TIMER_K, _TIMER_TRYING, _TIMER_EXPIRES


cdef class TransactionLayer:
    cdef public object config, trace, transport, user
    cdef public Stats stats
    cdef public TimerQueue timers
    cdef public long long max_transactions, max_completed
    cdef public dict absorbing, clients, completed, servers
    cdef public double transaction_s
    cdef public list resend_lanes
    cdef public int resend_steps
    cdef public Lane resend_last
    cdef public KeyLane resend_first, timer_j, timer_k
    cdef KeyLane _trying, _expires
    cdef Request _new
    cdef bytes _new_key

    cpdef bint is_full(self) except -1
    cpdef send(self, Flow flow, bytes data, double now)
    cpdef resend(self, Flow flow, bytes data, double now)
    @cython.locals(done=tuple, home=Flow, server_tx=ServerTransaction)
    cpdef bint absorb(self, Request request, Flow flow, double now) except -1
    @cython.locals(key=bytes, server_tx=ServerTransaction)
    cpdef ServerTransaction accept(self, Request request, Flow flow, double now)
    cpdef inform_expired(self, ServerTransaction server_tx, double now)
    @cython.locals(completed=dict, absorbing=dict, key=bytes)
    cpdef on_keys(self, int kind, list keys, double now)
    @cython.locals(clients=dict, key=bytes, tx=ClientTransaction)
    cdef _on_client_keys(self, int kind, list keys, double now)
    @cython.locals(servers=dict, key=bytes, server_tx=ServerTransaction)
    cdef _on_server_keys(self, int kind, list keys, double now)
    @cython.locals(key=bytes, tx=ClientTransaction)
    cpdef ClientTransaction create_client(
        self,
        bytes data,
        str method,
        bytes branch,
        Flow flow,
        object user,
        double now,
        object context=*,
    )
    @cython.locals(method=str, branch=bytes, key=bytes, tx=ClientTransaction)
    cpdef receive_response(self, Response response, Flow flow, double now)
