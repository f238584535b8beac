# Types for the compiled form of authenticator.py; the interpreter never reads this file.

from sip.flow cimport Flow
from sip.message cimport Request
from sip.routing cimport Refusal as _Refusal
from sip.uri cimport Uri, parse_uri

from .accounts cimport Directory, LocalNames
from .peers cimport PeerTable
from .rates cimport SourceLimiter


cdef class Principal:
    cdef public str aor
    cdef public str how
    cdef public str peer


cdef class AuthStats:
    cdef public long long accepted, asserted, challenged, dropped, failed, forbidden, malformed
    cdef public long long stale, throttled


cdef class Authenticator:
    cdef public Directory directory
    cdef public LocalNames names
    cdef public object nonces
    cdef public PeerTable peers
    cdef public object settings
    cdef public SourceLimiter sources
    cdef public AuthStats stats
    cdef public object throttle
    cdef object _counter
    cdef dict _frames
    cdef tuple _last
    cdef set _listeners
    cdef object _nobody
    cdef str _one_realm
    cdef frozenset _realm_names
    cdef dict _realms
    cdef set _resends
    cdef double _resends_until

    cpdef check(self, Request request, Flow flow, double now, double wall, bint served_here=*)
    cpdef tuple consumed(self, Request request)
    cdef _check_digest(
        self,
        Request request,
        Flow flow,
        double now,
        double wall,
        str realm,
        int status,
        object credentials,
    )
    cdef bytes _problem(self, Request request, object credentials, long long count)
    cdef _authorise(self, Request request, object account)
    cdef _Refusal _challenge(
        self,
        Request request,
        Flow flow,
        double now,
        double wall,
        str realm,
        int status,
        bint stale,
    )
    cdef bint _admit(self, Flow flow, double now) except -1
    cdef tuple _offer(self, object account, str realm, Flow flow)
    cdef str _realm_of(self, Request request)
    cdef _find_credentials(self, Request request, str realm, int status)
    cdef _parse(self, bytes value)
    cdef str _asserted_identity(self, Request request)
