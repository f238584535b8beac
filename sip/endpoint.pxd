# Types for the compiled form of endpoint.py; the interpreter never reads this file.

cimport cython

from . cimport octets
from .flow cimport Flow
from .message cimport Request, Response, build_response
from .parser cimport parse_message
from .stats cimport Stats
from .timers cimport TimerQueue
from .transaction.client cimport ClientTransaction
from .transaction.layer cimport TransactionLayer
from .transaction.server cimport ServerTransaction

cdef long long _LOW_HALF


cdef class Endpoint:
    cdef public object admit, ids, limits, on_fault, transport
    cdef public list on_flow_failed
    cdef public set own
    cdef public Stats stats
    cdef public TimerQueue timers
    cdef public TransactionLayer layer
    cdef object _trace
    cdef bytes _tag_key
    cdef object _user
    cdef list _waiting

    @cython.locals(remote=tuple)
    cdef bint _is_refused(self, Flow flow) except -1
    @cython.locals(total=Py_ssize_t, begin=Py_ssize_t, end=Py_ssize_t, at=Py_ssize_t, received=list)
    cpdef receive_datagrams(self, list payloads, list flows, double now)
    @cython.locals(waiting=list, server_tx=ServerTransaction)
    cpdef catch_up(self, double now)
    cpdef bint put_off(self, object work, ServerTransaction server_tx) except -1
    cpdef receive_datagram(self, bytes data, Flow flow, double now)
    cdef object _read_datagram(self, bytes data, Flow flow, double now)
    cpdef receive_message(self, bytes data, Flow flow, double now)
    cpdef handle_timeouts(self, double now)
    cpdef ServerTransaction accept(self, Request request, Flow flow, double now)
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
    cpdef send(self, Flow flow, bytes data, double now)
    @cython.locals(number=bytes, parts=list)
    cpdef bytes to_tag(self, Request request)
    @cython.locals(request=Request, tag=bytes, data=bytes)
    cpdef bint answer(
        self,
        ServerTransaction server_tx,
        int status,
        double now,
        bytes reason,
        object extra,
        bytes body=*,
        bytes content_type=*,
    ) except -1
    cpdef bint refuse(
        self,
        Request request,
        Flow flow,
        int status,
        double now,
        bytes reason,
        object extra,
        object optional,
    ) except -1
    @cython.locals(method=str, tag=bytes, room=Py_ssize_t, data=bytes, lines=list)
    cdef bint _reply(
        self,
        Request request,
        Flow flow,
        int status,
        double now,
        bytes reason,
        object extra,
        object optional,
        bytes body,
        bytes content_type,
        bint trusted,
    ) except -1
    @cython.locals(mark=Py_ssize_t, high=bytes, low=bytes)
    cdef bytes _tag(self, bytes text)
    cdef object _read(self, bytes data, Flow flow, double now, bint stream)
    @cython.locals(remote=tuple, request=Request)
    cdef _act(self, object message, Py_ssize_t size, Flow flow, double now)
    @cython.locals(method=str, stats=Stats)
    cdef _on_request(self, Request request, Flow flow, double now)
