# Types for the compiled form of node.py; the interpreter never reads this file.

cimport cython

from pager.service cimport Pager
from sip.endpoint cimport Endpoint
from sip.flow cimport Flow
from sip.forward cimport Proxy, Target
from sip.message cimport Request
from sip.proxy cimport Fork
from sip.routing cimport Refusal, Routed
from sip.transaction.server cimport ServerTransaction
from sip.uri cimport Uri, parse_uri

from .identity.accounts cimport Directory, LocalNames
from .identity.authenticator cimport Authenticator
from .identity.peers cimport Peer as _Peer
from .identity.peers cimport PeerTable
from .identity.principal cimport Principal
from .identity.rates cimport UserLimiter
from .location cimport Location
from .onward cimport Onward
from .registration cimport Registrar


cdef class Node:
    cdef public object agreement, aiming, first_hop
    cdef public Authenticator authenticator
    cdef public object clock
    cdef public Directory directory
    cdef public bint draining
    cdef set _waiting
    cdef public Endpoint endpoint
    cdef public object events
    cdef public object deferring, files, ims, gateway, sessions, talks
    cdef public object learn
    cdef public Location location
    cdef public LocalNames names
    cdef public object oversize
    cdef public Pager pager
    cdef public PeerTable peers
    cdef public object privacy
    cdef public object push
    cdef public Proxy proxy
    cdef public object recalls
    cdef public object reporting
    cdef public Registrar registrar
    cdef public object retry_after
    cdef public Onward onward
    cdef public dict services
    cdef public object stats
    cdef public UserLimiter users

    cpdef on_request(self, Request request, Flow flow, double now)
    cpdef go_on(
        self,
        Request request,
        Flow flow,
        Routed routed,
        Uri uri,
        bint local,
        Principal principal,
        double now,
        double wall,
    )
    cpdef refuse(self, Request request, Flow flow, Refusal refusal, double now)
    cdef bint _is_local(self, Uri uri) except -1
    cdef bint _is_party(self, Routed routed, Uri uri, Flow flow) except -1
    cdef bint _all_secure(self, str aor, double now) except -1
    @cython.locals(peer=_Peer)
    cdef _sanitise(self, Request request, Flow flow, Principal principal)
    cdef _serve(self, Request request, Flow flow, Principal principal, double now, double wall)
    cdef _register(self, Request request, Flow flow, Principal principal, double now, double wall)
    cpdef to_user(
        self,
        Request request,
        Request shown,
        Flow flow,
        Routed routed,
        Uri uri,
        Principal principal,
        double now,
        double wall,
    )
