# Types for the compiled form of client.py; the interpreter never reads this file.

cimport cython

from ..flow cimport Flow
from ..headers.via cimport Via
from ..message cimport Response
from ..timers cimport KeyLane, Lane, TimerQueue
from .layer cimport TransactionLayer

cdef list _ICT_NEXT, _ICT_ACTIONS, _NICT_NEXT, _NICT_ACTIONS
cdef int _N, _CALLING, _TRYING, _PROCEEDING
cdef int _RESPONSE_1XX, _RESPONSE_2XX, _RESPONSE_3XX_6XX
cdef int _DELIVER, _RETRANSMIT, _SEND_ACK, _SEND_CANCEL_IF_WANTED
cdef int _RESTART_A_DOUBLED, _RESTART_E_DOUBLED, _RESTART_E_T2
cdef int _START_D, _START_K, _START_M
cdef int _INFORM_TIMEOUT, _INFORM_TRANSPORT, _DESTROY


cdef class ClientTransaction:
    cdef bytes _ack
    cdef int _cancel
    cdef double _interval
    cdef TransactionLayer _layer
    cdef int _step
    cdef public object context
    cdef public double created
    cdef public bytes data
    cdef public Flow flow
    cdef public bint invite
    cdef public bytes key
    cdef public str method
    cdef public int state
    cdef public object user

    cdef _begin(
        self,
        TransactionLayer layer,
        bytes data,
        str method,
        bytes key,
        Flow flow,
        object user,
        double now,
        object context,
    )
    cpdef start(self, double now)
    cpdef receive(self, Response response, double now)
    cpdef on_timer(self, int kind, double now)
    cpdef bint owns(self, Via via) except -1
    @cython.locals(action=int, index=int, actions=tuple)
    cdef _feed(self, int item, Response response, double now)
    cdef _act_invite(self, int action, Response response, double now)
    cdef _finish(self, double now)
    cdef _arm_resend(self, double now)
    cdef _send_cancel(self, double now)
    cdef _destroy(self)
