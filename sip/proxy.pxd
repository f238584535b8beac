# Types for the compiled form of proxy.py; the interpreter never reads this file.
# What proxy.py passes on to its importers goes by another name here: a name that is
# cimported is no attribute of the compiled module.

cimport cython

from .endpoint cimport Endpoint
from .flow cimport Flow
from .forward cimport Proxy as _Proxy
from .forward cimport ProxyConfig as _ProxyConfig
from .forward cimport Target as _Target
from .message cimport Request, Response, forward_request, forward_response
from .routing cimport Routed as _Routed
from .routing cimport loop_mark
from .transaction.client cimport ClientTransaction
from .transaction.server cimport ServerTransaction


cdef class Branch:
    cdef public Flow fallback
    cdef public Fork fork
    cdef public bytes id
    cdef public double limit
    cdef public double patient
    cdef public bint provisional
    cdef public Response response
    cdef public int share
    cdef public int status
    cdef public _Target target
    cdef public ClientTransaction tx

    cdef _begin(self, _Target target, int share)
    cpdef on_timer(self, int kind, double now)


cdef class Fork:
    cdef frozenset _drop
    cdef object _extra
    cdef bint _final
    cdef frozenset _hidden
    cdef bytes _mark
    cdef str _method
    cdef bint _peer
    cdef Request _received
    cdef _Routed _routed
    cdef public bint answered
    cdef public list branches
    cdef public bint cancelled
    cdef public int expected
    cdef public bint invite
    cdef public object owner
    cdef public int pending
    cdef public _Proxy proxy
    cdef public object request
    cdef public ServerTransaction server_tx
    cdef public object user

    cdef _begin(
        self,
        _Proxy proxy,
        ServerTransaction server_tx,
        object request,
        object owner,
        _Routed routed,
        frozenset drop,
        object extra,
        bint from_peer,
    )
    @cython.locals(
        branch=Branch, config=_ProxyConfig, count=Py_ssize_t, index=Py_ssize_t, proxy=_Proxy,
        request=Request, share=int, steered=bint, target=_Target,
    )
    cpdef start(self, object targets, double now)
    @cython.locals(branch=Branch)
    cpdef proceed(self, double now)
    cdef bint _may_tell(self, Response response) except -1
    @cython.locals(data=bytes, server_tx=ServerTransaction, status=int)
    cpdef relay(self, Response response, double now)
    @cython.locals(branch=Branch, status=int, whole=bint)
    cpdef on_response(self, ClientTransaction tx, Response response, double now)
    @cython.locals(data=bytes, proxy=_Proxy, stream=Flow)
    cdef _send(self, Branch branch, Flow flow, double now)
    cdef bint _counts(self, Branch branch, ClientTransaction tx, int status, double now) except -1
    cdef bint _next(self, Branch branch, double now) except -1
    cdef _transact(self, Branch branch, bytes data, Flow flow, double now)
    @cython.locals(proxy=_Proxy, request=Request, target=_Target)
    cdef bytes _build(self, Branch branch, Flow flow)
    cdef bint _take_instead(self, Branch branch, int status, double now) except -1
    cdef _ended(self, Branch branch, int status, double now)
    @cython.locals(server_tx=ServerTransaction)
    cdef _let_go(self)


@cython.locals(fork=Fork)
cpdef Fork fork_of(
    _Proxy proxy, ServerTransaction server_tx, Request request, object owner, _Routed routed
)
