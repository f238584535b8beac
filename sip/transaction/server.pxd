# Types for the compiled form of server.py; the interpreter never reads this file.

cimport cython

from ..flow cimport Flow
from ..message cimport Request, build_response
from ..timers cimport KeyLane, TimerQueue
from .layer cimport TransactionLayer

cdef list _IST_NEXT, _IST_ACTIONS, _NIST_NEXT, _NIST_ACTIONS
cdef int _N, _TRYING, _PROCEEDING, _TERMINATED
cdef int _REQUEST, _ACK, _TU_100, _TU_101_199, _TU_2XX, _TU_3XX_6XX, _TU_408
cdef int _SEND_RESPONSE, _SEND_TRYING, _RESEND_RESPONSE, _PASS_ACK, _RESTART_G_DOUBLED
cdef int _START_G, _START_H, _START_I, _START_J, _START_L, _INFORM_TIMEOUT, _DESTROY


cdef class ServerTransaction:
    cdef double _expires
    cdef double _interval
    cdef bytes _last
    cdef TransactionLayer _layer
    cdef public bytes charging
    cdef public double created
    cdef public int final_status
    cdef public Flow flow
    cdef public bint invite
    cdef public bytes key
    cdef public Request request
    cdef public int state
    cdef public object user

    cdef _begin(self, TransactionLayer layer, Request request, bytes key, Flow flow, double now)
    @cython.locals(actions=tuple, index=int, item=int)
    cpdef bint respond(self, bytes data, int status, double now) except -1
    cpdef bint receive(self, str method, double now) except -1
    cpdef on_timer(self, int kind, double now)
    @cython.locals(index=int)
    cdef bint _feed(self, int item, double now) except -1
    @cython.locals(action=int)
    cdef bint _run(self, tuple actions, double now) except -1
    cdef _act_invite(self, int action, double now)
    cdef _finish(self, double now)
