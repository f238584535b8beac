# SPDX-License-Identifier: Apache-2.0
"""Who sent a request: decided once, at the edge (RFC 3261 sections 22 and 26, RFC 3325)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from sip.aka import AKA_ALGORITHMS, is_one_time
from sip.digest.algorithms import algorithm_name, verify
from sip.digest.credentials import Credentials, nonce_count
from sip.digest.nonce import FOREIGN, FRESH, STALE, NonceCounter, NonceSource
from sip.errors import BadMessage
from sip.flow import Flow
from sip.headers.address import parse_address
from sip.message import Request
from sip.privacy import ANONYMOUS_HOST
from sip.routing import Refusal
from sip.uri import Uri, parse_uri

from .accounts import Account, Directory, LocalNames
from .agreement import Agreement
from .aka import AkaDigest, Asked, uses_aka
from .offers import AuthSettings, Offers
from .peers import ASSERTED, PeerTable
from .preference import preferred
from .presented import Presented
from .principal import Principal
from .rates import SourceLimiter
from .throttle import FailureThrottle

__all__ = ["DROP", "AuthStats", "Authenticator", "challenge_status"]

DROP = Refusal(0)
"""No answer now: the source asks too often, or a challenge is being made and sent."""

RESENDS = 1 << 16  # requests of the run before this one that are accepted
_ONCE = 0xFFFFFFFF


class AuthStats:
    """Counters since the start."""

    __slots__ = ("accepted", "asserted", "certified", "challenged", "dropped", "failed",
                 "forbidden", "malformed", "stale", "throttled")  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.asserted = 0
        self.certified = 0
        self.challenged = 0
        self.dropped = 0
        self.failed = 0
        self.forbidden = 0
        self.malformed = 0
        self.stale = 0
        self.throttled = 0


class Authenticator:
    """Authenticates requests by peer or by digest.

    secret: 16 or more random octets, the same in every run. nonce_start: 64 random bits, fresh in
    every run. resends_until: monotonic seconds until which a MESSAGE may carry a nonce of the run
    before this one.
    listeners: our own (host, port); a set is looked at on every call. admitted: domains whose
    certificate stands for the digest of their users, "*" for all.
    """

    def __init__(
        self,
        directory: Directory,
        peers: PeerTable,
        names: LocalNames,
        secret: bytes,
        nonce_start: int,
        *,
        settings: AuthSettings | None = None,
        throttle: FailureThrottle | None = None,
        sources: SourceLimiter | None = None,
        listeners: Iterable[tuple[str, int]] = (),
        resends_until: float = 0.0,
    ) -> None:
        self.directory = directory
        self.peers = peers
        self.names = names
        self.settings = settings or AuthSettings()
        self.throttle = throttle
        self.sources = sources
        self.stats = AuthStats()
        self.nonces = NonceSource(secret, nonce_start, self.settings.nonce_lifetime_s)
        self._counter = NonceCounter(self.settings.nonce_memory)
        self._listeners = listeners if isinstance(listeners, set) else set(listeners)
        self._realms: dict[str, bytes] = {name: name.encode() for name in names.domains}
        self._one_realm = names.first if len(names.domains) == 1 else ""
        self._offers = Offers(self.settings, directory, names, self._realms, self.nonces)
        self._presented = Presented(self._realms)
        self._nobody = _dummy_account(secret)
        self.admitted: frozenset[str] = frozenset()
        self._resends_until = resends_until
        self._resends: set[tuple[bytes, int]] = set()
        # Set while terminals may agree on how they are protected.
        self.agreement: Agreement | None = None
        # Set where users may have SIM cards.
        self.aka: AkaDigest | None = None
        # Says whether a request came over the connection that a user registered over.
        self.associated: Callable[[Request, Flow, str, float], bool] | None = None

    def configure(self, settings: AuthSettings) -> None:
        """Take new settings; nonces made before stay good. ``nonce_memory`` is not changed."""
        self.settings = settings
        self.nonces.lifetime_s = settings.nonce_lifetime_s
        self._offers.configure(settings)

    def check(
        self, request: Request, flow: Flow, now: float, wall: float, served_here: bool = False
    ) -> Principal | Refusal | None:
        """Say who sent ``request``, or how to refuse it.

        Args:    served_here: the node answers the request itself, it will not be passed on.
        Returns: None when there is nobody to ask: ACK, CANCEL, and OPTIONS served here. A Refusal
                 with status 0 is to be dropped without an answer.
        Spec:    RFC 3261 sections 22.1 to 22.4, RFC 8760 section 2.3, RFC 3325 section 5.
        """
        method = request.method
        if method == "ACK" or method == "CANCEL":
            return None  # RFC 3261 22.1: neither can be sent again with credentials
        peer = self.peers.match(flow)
        if peer is not None and peer.trust == ASSERTED:
            self.stats.asserted += 1
            principal = Principal.__new__(Principal)
            principal.aor = principal.identity = self._asserted_identity(request)
            principal.hidden = False
            principal.how = "asserted"
            principal.peer = peer.name
            return principal
        if flow.names and not served_here:
            proven = self._proven_identity(request, flow)
            if proven:
                self.stats.certified += 1
                return Principal(proven, "certified")
        if method == "OPTIONS" and served_here:
            return None if self._admit(flow, now) else DROP
        status = challenge_status(method, served_here)
        realm = self._realm_of(request)
        try:
            credentials = self._presented.find(request, realm, status)
        except BadMessage as error:
            self.stats.malformed += 1
            return self._refuse(flow, now, Refusal(400, error.phrase))
        if credentials is None or not credentials.nonce or not credentials.response:
            return self._unproven(request, flow, now, wall, realm, status, False)
        return self._check_digest(request, flow, now, wall, realm, status, credentials)

    def consumed(self, request: Request) -> tuple[int, ...]:
        """Places of the header lines with credentials for our realms; not to be passed on.

        Spec: RFC 3261 section 22.3 (credentials for other realms must be).
        """
        if not (request.has("authorization") or request.has("proxy-authorization")):
            return ()
        return self._presented.consumed(request)

    # ------------------------------------------------------------- decisions

    def _check_digest(
        self,
        request: Request,
        flow: Flow,
        now: float,
        wall: float,
        realm: str,
        status: int,
        credentials: Credentials,
    ) -> Principal | Refusal:
        source = flow.remote[0]
        account = self.directory.login(realm, credentials.username)
        # Unknown users cost the same work and get the same answers as known ones (threat A7).
        judged = account if account is not None else self._nobody
        throttle = self.throttle
        if throttle is not None and not throttle.idle:
            wait = throttle.delay(source, _login(account, credentials, realm), now)
            if wait > 0.0:
                self.stats.throttled += 1
                later = (b"Retry-After: %d" % (int(wait) + 1),)
                return self._refuse(flow, now, Refusal(503, b"Too many failures", later))
        if credentials.qop and not (credentials.nc or credentials.cnonce):
            # Clients of RFC 2069 that copy every parameter of the challenge into their answer.
            credentials.qop = b""
        count = _ONCE if not credentials.qop else nonce_count(credentials.nc)
        problem = self._problem(request, credentials, count)
        if problem:
            self.stats.malformed += 1
            return self._refuse(flow, now, Refusal(400, problem))
        algorithm = algorithm_name(credentials.algorithm)
        nonce = credentials.nonce
        if judged.aka is not None and self.aka is not None and algorithm in AKA_ALGORITHMS:
            asked = self.aka.asked(judged, nonce, self._realms[realm])
            if asked is None:  # of another registrar: says nothing about who sends it
                return self._unproven(request, flow, now, wall, realm, status, True)
            if credentials.auts:
                return self._resynchronise(
                    request, flow, now, wall, realm, status, judged, asked, credentials.auts
                )
            secret = self.aka.auc.secret(judged, algorithm, self._realms[realm], asked.rand)
            nonce = asked.nonce
            if is_one_time(algorithm):
                count = _ONCE
        else:
            secret = judged.ha1(algorithm)
        right = (
            verify(credentials, request.method.encode(), secret)
            and account is not None
            and bool(secret)  # without a secret of that kind anybody could have computed it
            and (bool(credentials.qop) or account.rfc2069)
            and algorithm in self._offers.algorithms(account, realm, flow)
        )
        if not right or account is None:
            self._failed(flow, _login(account, credentials, realm), now)
            return self._challenge(request, flow, now, wall, realm, status, False)
        found = self.nonces.check(nonce, self._realms[realm], wall, source)
        if not (
            self._counter.claim(self.nonces.sequence(nonce), count)
            if found == FRESH
            else found == STALE and self._resent(request, nonce, count, now, wall)
        ):
            # RFC 7616 3.3: stale says that only the nonce was wrong. A count that was used before
            # comes from another transaction: repeats of this one never get here.
            self.stats.stale += 1
            return self._unproven(request, flow, now, wall, realm, status, True)
        if throttle is not None:
            throttle.succeeded(source, account.aor)
        if self.agreement is not None and request.has("security-verify"):
            refusal = self.agreement.unproven(request, flow, credentials, secret)
            if refusal is not None:
                return refusal
        return self._authorise(request, account)

    def _resynchronise(
        self,
        request: Request,
        flow: Flow,
        now: float,
        wall: float,
        realm: str,
        status: int,
        account: Account,
        asked: Asked,
        auts: bytes,
    ) -> Principal | Refusal:
        """Challenge a SIM card again from where it is (RFC 3310 3.4, TS 33.102 6.3.5)."""
        found = self.nonces.check(asked.nonce, self._realms[realm], wall, flow.remote[0])
        if found == FOREIGN or self.aka is None or not self.aka.resynchronise(account, asked, auts):
            self._failed(flow, account.aor, now)
        return self._challenge(request, flow, now, wall, realm, status, False)

    def _failed(self, flow: Flow, name: str, now: float) -> None:
        self.stats.failed += 1
        if self.throttle is not None:
            self.throttle.failed(flow.remote[0], name, now)

    def _resent(self, request: Request, nonce: bytes, count: int, now: float, wall: float) -> bool:
        """Accept a MESSAGE that was sent to the run of the node before this one, once.

        Its sender repeats it because the answer was lost with that run. Challenged, it would come
        back with another CSeq, and a device that has it already would show it twice (ADR 0009).
        """
        if request.method != "MESSAGE" or now >= self._resends_until:
            return False
        used = (nonce, count)
        if used in self._resends or len(self._resends) >= RESENDS:
            return False
        if not self.nonces.of_another_run(nonce, wall):
            return False
        self._resends.add(used)
        return True

    def _problem(self, request: Request, credentials: Credentials, count: int) -> bytes:
        """What makes the credentials unusable whoever sent them; b"" when nothing does."""
        if not credentials.username or not credentials.uri:
            return b"Bad Request: Digest parameter missing"
        if credentials.qop and (not count or not credentials.cnonce or credentials.qop != b"auth"):
            return b"Bad Request: Digest qop, nc or cnonce not as offered"
        if credentials.uri != request.uri and not self._same_target(request, credentials.uri):
            return b"Bad Request: Digest uri is not the Request-URI"
        return b""

    def _authorise(self, request: Request, account: Account) -> Principal | Refusal:
        """The sender may act for itself only (threat A2), or as nobody (RFC 3323 4.1.1.3)."""
        if not account.enabled:
            self.stats.forbidden += 1
            return Refusal(403, b"Account disabled")
        registers = request.method == "REGISTER"
        claimed = request.to_uri if registers else request.from_uri
        hidden = False
        names = self.names
        if (names.registrant(claimed) if registers else names.aor_of(claimed)) != account.aor:
            hidden = claimed.host == ANONYMOUS_HOST and not registers
            if not hidden:
                self.stats.forbidden += 1
                return Refusal(403, b"Not your address")
        self.stats.accepted += 1
        identity = preferred(request, account) if account.identities and not registers else ""
        return Principal(account.aor, "digest", "", hidden, identity)

    def _unproven(
        self,
        request: Request,
        flow: Flow,
        now: float,
        wall: float,
        realm: str,
        status: int,
        stale: bool,
    ) -> Principal | Refusal:
        """Ask for credentials, unless a SIM card has vouched for the connection (TS 33.203)."""
        if self.associated is not None and self.directory.cards and request.method != "REGISTER":
            account = self._claimed(request)
            if (
                account is not None
                and account.aka is not None
                and self.associated(request, flow, account.aor, now)
            ):
                return self._authorise(request, account)
        return self._challenge(request, flow, now, wall, realm, status, stale)

    def _challenge(
        self,
        request: Request,
        flow: Flow,
        now: float,
        wall: float,
        realm: str,
        status: int,
        stale: bool,
    ) -> Refusal:
        """Ask for credentials, unless the source asks too often."""
        if not self._admit(flow, now):
            return DROP
        self.stats.challenged += 1
        if self.aka is not None and self.directory.cards:
            account = self._claimed(request)
            if account is not None and account.aka is not None:
                offer = self._offers.algorithms(account, realm, flow)
                if uses_aka(offer):
                    self.aka.challenge(request, flow, account, realm, status, stale, offer, wall)
                    return DROP
        return Refusal(
            status,
            None,
            self._offers.challenges(request, flow, wall, realm, status, stale),
        )

    def _refuse(self, flow: Flow, now: float, refusal: Refusal) -> Refusal:
        return refusal if self._admit(flow, now) else DROP

    def _admit(self, flow: Flow, now: float) -> bool:
        if self.sources is None or self.sources.allow(flow.remote[0], now):
            return True
        self.stats.dropped += 1
        return False

    # ----------------------------------------------------------------- facts

    def _realm_of(self, request: Request) -> str:
        """The domain whose user the sender claims to be, else the one that is addressed."""
        if self._one_realm:
            return self._one_realm
        names = self.names
        claimed = request.to_uri if request.method == "REGISTER" else request.from_uri
        return names.domain_of(claimed.host) or names.domain_of(request.ruri().host) or names.first

    def _claimed(self, request: Request) -> Account | None:
        """The account the sender claims to be."""
        if request.method == "REGISTER":
            return self.directory.get(self.names.registrant(request.to_uri))
        return self.directory.get(self.names.aor_of(request.from_uri))

    def _same_target(self, request: Request, text: bytes) -> bool:
        """Say whether a digest uri that differs in its octets still means the Request-URI."""
        try:
            uri = parse_uri(text)
        except BadMessage:
            return self.settings.listener_uri and self._names_listener_bare(text)
        if uri.equals(request.ruri()):
            return True
        return self.settings.listener_uri and self._names_listener(uri)

    def _names_listener(self, uri: Uri) -> bool:
        return (
            uri.is_sip
            and uri.user is None
            and uri.port is not None
            and (uri.host, uri.port) in self._listeners
        )

    def _names_listener_bare(self, text: bytes) -> bool:
        """The same for an IPv6 address without its brackets; SIPp writes that too."""
        host, _, port = text.removeprefix(b"sip:").rpartition(b":")
        if not port.isdigit() or len(port) > 5 or b":" not in host:
            return False
        return (host.decode("ascii", "replace"), int(port)) in self._listeners

    def _proven_identity(self, request: Request, flow: Flow) -> str:
        """Return who sent a request of a server that proves to be its domain's (RFC 5922 7.4).

        "" when it speaks for anybody else, for users of ours, or for a domain that is not admitted.
        """
        uri = request.from_uri
        host = uri.host
        if not uri.is_sip or not uri.user or host not in flow.names or self.names.is_local(host):
            return ""
        if host not in self.admitted and "*" not in self.admitted:
            return ""
        return self.names.aor_of(uri)

    def _asserted_identity(self, request: Request) -> str:
        """The sender as a trusted peer states it: P-Asserted-Identity, else From (RFC 3325 5).

        A REGISTER that a peer hands in speaks for the user in To.
        """
        if request.method == "REGISTER":
            return self.names.aor_of(request.to_uri)
        if request.has("p-asserted-identity"):
            try:
                for item in request.items("p-asserted-identity"):
                    uri = parse_address(item, "P-Asserted-Identity").uri
                    if uri.is_sip and uri.user:
                        return self.names.aor_of(uri)
            except BadMessage:
                return self.names.aor_of(request.from_uri)
        return self.names.aor_of(request.from_uri)


def challenge_status(method: str, served_here: bool) -> int:
    """401 where the node is registrar or user agent server, 407 where it is a proxy.

    MESSAGE is always answered as a proxy does, because the sender cannot know whether a device, the
    store or a service of the node will take it. Spec: RFC 3261 sections 22.2 and 22.3.
    """
    if method == "REGISTER":
        return 401
    return 401 if served_here and method != "MESSAGE" else 407


def _login(account: Account | None, credentials: Credentials, realm: str) -> str:
    """The name under which failures are counted, whether or not there is such a user."""
    if account is not None:
        return account.aor
    return f"sip:{credentials.username.decode('utf-8', 'replace')}@{realm}"


def _dummy_account(secret: bytes) -> Account:
    """An account nobody can prove to be, for the work that an unknown user costs."""
    noise = hashlib.sha512(b"nobody" + secret).hexdigest()
    return Account("", "", "", noise[:32], noise[:64], noise[64:])
