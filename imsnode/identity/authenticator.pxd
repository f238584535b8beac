# Types for the compiled form of authenticator.py; the interpreter never reads this file.

cimport cython

from sip.digest.algorithms cimport algorithm_name, verify
from sip.digest.credentials cimport Credentials, nonce_count
from sip.digest.nonce cimport NonceCounter, NonceSource
from sip.flow cimport Flow
from sip.message cimport Request
from sip.routing cimport Refusal as _Refusal
from sip.uri cimport Uri, parse_uri

from .accounts cimport Account, Directory, LocalNames
from .offers cimport Offers
from .peers cimport Peer as _Peer
from .peers cimport PeerTable
from .presented cimport Presented
from .principal cimport Principal
from .rates cimport SourceLimiter
from .throttle cimport FailureThrottle


cdef class AuthStats:
    cdef public long long accepted, asserted, certified, challenged, dropped, failed, forbidden, malformed
    cdef public long long stale, throttled


cdef class Authenticator:
    cdef public object agreement, aka
    cdef public object associated
    cdef public Directory directory
    cdef public LocalNames names
    cdef public NonceSource nonces
    cdef public PeerTable peers
    cdef public frozenset admitted
    cdef public object settings
    cdef public SourceLimiter sources
    cdef public AuthStats stats
    cdef public FailureThrottle throttle
    cdef NonceCounter _counter
    cdef set _listeners
    cdef Account _nobody
    cdef Offers _offers
    cdef str _one_realm
    cdef Presented _presented
    cdef dict _realms
    cdef set _resends
    cdef double _resends_until

    @cython.locals(
        realm=str, status=int, credentials=Credentials, peer=_Peer, principal=Principal, method=str
    )
    cpdef check(self, Request request, Flow flow, double now, double wall, bint served_here=*)
    cpdef tuple consumed(self, Request request)
    @cython.locals(
        source=str,
        account=Account,
        judged=Account,
        throttle=FailureThrottle,
        wait=double,
        count=cython.longlong,
        nonce=bytes,
        problem=bytes,
        algorithm=str,
        secret=bytes,
        right=bint,
        found=int,
    )
    cdef _check_digest(
        self,
        Request request,
        Flow flow,
        double now,
        double wall,
        str realm,
        int status,
        Credentials credentials,
    )
    cdef bytes _problem(self, Request request, Credentials credentials, long long count)
    cdef _authorise(self, Request request, Account account)
    cdef _failed(self, Flow flow, str name, double now)
    @cython.locals(account=Account)
    cdef _unproven(
        self,
        Request request,
        Flow flow,
        double now,
        double wall,
        str realm,
        int status,
        bint stale,
    )
    @cython.locals(account=Account)
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
    cdef _Refusal _refuse(self, Flow flow, double now, _Refusal refusal)
    cdef bint _admit(self, Flow flow, double now) except -1
    cdef Account _claimed(self, Request request)
    cdef str _realm_of(self, Request request)
    cdef str _asserted_identity(self, Request request)


cpdef int challenge_status(str method, bint served_here) except -1
