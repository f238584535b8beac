# SPDX-License-Identifier: Apache-2.0
"""The gate: in which order a request is judged, and who serves it.

Everything up to the dispatch is stateless and answered without a transaction (threats.md G5). A
refusal names its reason; what outsiders may not learn is the same for known and unknown users
(threats.md A7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pager.service import Pager
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.message import Request
from sip.preferences import capable
from sip.proxy import PLAIN, Fork, ForkOwner
from sip.registrar import Binding
from sip.routing import Refusal, Routed
from sip.transaction.server import ServerTransaction
from sip.uri import Uri, parse_uri

from . import answers
from .aiming import Aiming
from .answers import EVENT_METHODS, IN_DIALOG
from .first_hop import FirstHop
from .held import Held
from .identity.accounts import Directory, LocalNames
from .identity.agreement import Agreement
from .identity.authenticator import Authenticator
from .identity.peers import ASSERTED, Peer, PeerTable
from .identity.principal import UNTRUSTED_HEADERS, Principal
from .identity.rates import UserLimiter
from .ims.roles import Roles
from .location import Location
from .message_gate import about_another
from .msrp.calls import SDP_METHODS, Calls
from .msrp.deferring import Deferring
from .msrp.exchange import Exchange
from .msrp.filegate import FileGate
from .msrp.taken import Standby
from .msrp.talk import Talk
from .msrp.talks import Talks
from .node_ports import Events, Gateway
from .node_stats import NodeStats
from .onward import Onward
from .oversize import Oversize
from .party import stranger
from .peers import Failover, Interconnect
from .peers.failover import Dial
from .privacy import Privacy, limit_identities
from .push.push import Push
from .recalls import Recalls
from .registration import Clock, Registrar
from .reporting import Reporting
from .services import Services
from .ways import Ways


class Node:
    """The transaction user of the endpoint (`sip.ports.RequestUser`).

    Args:
        interconnect, dial, ways, held: see `Onward`.
        aiming: finds the device behind a GRUU.
        retry_after: header lines for a 503.
        learn: told an address of ours that no listener named (it listens on all of them).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        proxy: Proxy,
        names: LocalNames,
        directory: Directory,
        authenticator: Authenticator,
        peers: PeerTable,
        users: UserLimiter,
        location: Location,
        registrar: Registrar,
        pager: Pager,
        services: Services,
        recalls: Recalls,
        reporting: Reporting,
        clock: Clock,
        interconnect: Interconnect,
        dial: Dial,
        ways: Ways,
        held: Held,
        aiming: Aiming,
        retry_after: Callable[[], tuple[bytes, ...]],
        learn: Callable[[tuple[str, int]], None],
    ) -> None:
        self.endpoint = endpoint
        self.proxy = proxy
        self.names = names
        self.directory = directory
        self.authenticator = authenticator
        self.peers = peers
        self.users = users
        self.location = location
        self.registrar = registrar
        self.pager = pager
        self.services = services.by_aor
        self.recalls = recalls
        self.reporting = reporting
        self.clock = clock
        self.aiming = aiming
        self.privacy = Privacy(endpoint, proxy, peers)
        self.onward = Onward(self, interconnect, dial, ways, held)
        self._waiting = held.keys
        self.retry_after = retry_after
        self.learn = learn
        # Set while some domain does not let large messages pass.
        self.oversize: Oversize | None = None
        # Without it, SUBSCRIBEs go to devices and nothing can be published.
        self.events: Events | None = None
        # Set while MSRP sessions are anchored.
        self.sessions: Calls | None = None
        # Set while the node itself takes part in MSRP sessions.
        self.talks: Talks | None = None
        # Set while message centres take messages to numbers.
        self.gateway: Gateway | None = None
        # Set while some files may not be transferred.
        self.files: FileGate | None = None
        # Set while it is part of an IMS.
        self.ims: Roles | None = None
        # Set while users of other registrars come in here.
        self.first_hop: FirstHop | None = None
        # Set while devices that sleep are woken.
        self.push: Push | None = None
        # Set while it takes sessions in the place of users.
        self.deferring: Deferring | None = None
        # Set while terminals that insist on sec-agree are heard.
        self.agreement: Agreement | None = None
        self.draining = False
        self.stats = NodeStats()

    # ------------------------------------------------------------ RequestUser

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        """Judge a new request, stage by stage; the first refusal ends it."""
        if request.method != "MESSAGE":
            self.endpoint.catch_up(now)
        routed = self.proxy.preprocess(request, flow, now)
        uri = request.ruri() if routed.uri is request.uri else parse_uri(routed.uri)
        if uri.params:
            uri = self.aiming.aim(request, routed, uri, now)
        if request.method == "ACK":
            self._acknowledge(request, flow, routed, now)
            return
        if request.to_tag and self.talks is not None:
            talk = self.talks.find(request)
            if talk is not None:
                self._talk(talk, request, flow, now)
                return
        if self._waiting and self.onward.held.has(request):
            return
        if self.draining and not routed.dialog_proven:
            self.stats.draining += 1
            self.refuse(request, flow, Refusal(503, b"Going down", self.retry_after()), now)
            return
        if routed.refusal is not None:
            self.refuse(request, flow, routed.refusal, now)
            return
        if flow.local not in self.endpoint.own:
            self.learn(flow.local)
        uri = self.names.routable(uri)
        local = not routed.routes and routed.flow is None and self._is_local(uri)
        served = local and (request.method == "REGISTER" or not uri.user)
        agreement = self.agreement if served or request.is_steered() else None
        if agreement is not None and not agreement.asked(request):
            agreement = None
        refusal = None if agreement is None else agreement.begin(request)
        if refusal is None:
            refusal = answers.refuse_extensions(request) if served else self.proxy.check(request)
        if uri.scheme == "sips" and not flow.secure:
            refusal = answers.INSECURE
        if refusal is not None:
            self.refuse(request, flow, refusal, now)
            return
        events = self.events if served and request.method == "NOTIFY" else None
        if events is not None and events.notified(request, flow, now):
            return  # of the node's own subscriptions: the dialog proves who sent it
        if self.first_hop is not None and self.first_hop.take(request, flow, routed, uri, now):
            return
        wall = self.clock.wall()
        verdict: Principal | Refusal | None = None
        # Our Route proves that the dialog was set up with our leave, not who speaks: it stands in
        # for credentials only where a dialog's peer is meant, never for a user of ours (A1).
        proven = (
            routed.dialog_proven
            and not local
            and bool(request.to_tag)
            and request.method in IN_DIALOG
            and self._is_party(routed, uri, flow)
        )
        if not proven:
            verdict = self.authenticator.check(request, flow, now, wall, served)
        if agreement is not None:
            verdict = agreement.conclude(request, flow, verdict)
        if isinstance(verdict, Refusal):
            if verdict.status:
                self.refuse(request, flow, verdict, now)
            return
        principal = verdict
        if principal is not None and not principal.peer:
            wait = self.users.allow(request.method, principal.aor, now)
            if wait > 0:
                self._slow_down(request, flow, wait, now)
                return
        if served:
            self._serve(request, flow, principal, now, wall)
            return
        if self.files is not None and request.method in SDP_METHODS:
            refusal = self.files.judge(request)
            if refusal is not None:
                self.refuse(request, flow, refusal, now)
                return
        self._sanitise(request, flow, principal)
        ims = self.ims
        if (
            ims is not None
            and (request.is_steered() or ims.has_criteria)
            and ims.request(request, flow, routed, uri, local, principal, now, wall)
        ):
            return
        self.go_on(request, flow, routed, uri, local, principal, now, wall)

    def go_on(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        local: bool,
        principal: Principal | None,
        now: float,
        wall: float,
    ) -> None:
        """Take a request that may pass to where it goes."""
        shown = request
        if request.has("privacy") or (principal is not None and principal.hidden):
            outcome = self.privacy.apply(request, principal)
            if isinstance(outcome, Refusal):
                self.refuse(request, flow, outcome, now)
                return
            shown = outcome
        gateway = self.gateway
        if gateway is not None and request.method == "MESSAGE" and principal is not None:
            mailbox = gateway.recipient_of(uri)
            if mailbox and self.onward.may_relay(principal):
                gateway.take(request, shown, flow, principal.aor, mailbox, now)
                return
        if local:
            self.to_user(request, shown, flow, routed, uri, principal, now, wall)
        else:
            self.onward.send(request, shown, flow, routed, uri, principal, now, wall)

    def send_on(
        self,
        transaction: ServerTransaction,
        request: Request,
        sender: str,
        aor: str,
        target: Target | None,
    ) -> None:
        """Send a MESSAGE as one of the node's own: to a user here, or to the next hop."""
        now, wall = self.clock.now(), self.clock.wall()
        if target is None:
            self.pager.submit(transaction, request, None, sender, aor, now, wall)
        else:
            self.privacy.relay(transaction, request, target, now)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        """End an INVITE, or pass the CANCEL on to its branches (RFC 3261 9.2, 16.10)."""
        user = server_tx.user
        if isinstance(user, Fork):
            user.cancel(now)
        elif isinstance(user, Talk):
            user.cancelled(now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        """Nothing is owed: the layer ended a transaction that nobody waits for any more."""

    # ----------------------------------------------------------------- stages

    def _talk(self, talk: Talk, request: Request, flow: Flow, now: float) -> None:
        """Serve a request in a dialog of the node's own, of whoever proves to be its party.

        A connection over which the party was heard before proves it, and so do credentials. Others
        than users of ours have none, and are known by their address.
        """
        if flow is not talk.flow or not flow.reliable:
            refusal = stranger(self, talk, request, flow, now)
            if refusal is not None:
                if refusal.status:
                    self.refuse(request, flow, refusal, now)
                return
        wait = self.users.allow(request.method, talk.remote, now)
        if wait > 0:
            self._slow_down(request, flow, wait, now)
            return
        talk.request(request, flow, now)

    def _slow_down(self, request: Request, flow: Flow, wait: float, now: float) -> None:
        """Refuse what a user sends faster than a user may."""
        self.stats.limited += 1
        later = (b"Retry-After: %d" % max(1, round(wait)),)
        self.refuse(request, flow, Refusal(503, b"Too many requests", later), now)

    def _is_local(self, uri: Uri) -> bool:
        if not uri.is_sip or not self.names.is_local(uri.host):
            return self.proxy.own.is_own(uri)
        # Another port at an address of ours is a client or server beside us on this machine.
        return uri.port is None or uri.host in self.names.domains or self.proxy.own.is_own(uri)

    def _is_party(self, routed: Routed, uri: Uri, flow: Flow) -> bool:
        """Tell whether a proven route leads to somebody we know, not to any host (R1)."""
        if routed.flow is not None or routed.routes or routed.waking:
            return True
        host = uri.host
        known = self.location.reaches(host) or self.peers.covers(host)
        return known or host == flow.remote[0]

    def _sanitise(self, request: Request, flow: Flow, principal: Principal | None) -> None:
        """Drop our credentials, and identity headers that an untrusted sender wrote (A3)."""
        consumed = self.authenticator.consumed(request)
        if consumed:
            request.remove_lines(consumed)
        peer: Peer | None = None
        if principal is None or principal.peer:
            peer = self.peers.match(flow)
        if peer is not None and peer.trust == ASSERTED:
            if request.has("p-asserted-identity"):
                limit_identities(request)
            return
        if not UNTRUSTED_HEADERS.isdisjoint(request.names):
            request.remove_headers(UNTRUSTED_HEADERS)

    def refuse(self, request: Request, flow: Flow, refusal: Refusal, now: float) -> None:
        self.stats.refused += 1
        if self.ims is not None and self.ims.settled(request, refusal, now):
            return
        lines = refusal.lines
        # Of several challenges the strongest alone is sent where all would be more than a short
        # datagram may bring about.
        must = 1 if refusal.status in (401, 407) else len(lines)
        if refusal.status in (401, 407, 494) and lines and lines[0].startswith(b"Security-Server"):
            must = 2  # the list of an agreement stands before the challenges
        self.endpoint.refuse(
            request, flow, refusal.status, now, refusal.reason, lines[:must], lines[must:]
        )

    def _acknowledge(self, request: Request, flow: Flow, routed: Routed, now: float) -> None:
        """Forward the ACK of a 2xx along a route that this node set; drop any other (S12)."""
        if self.talks is not None and self.talks.acknowledged(request):
            return
        if routed.refusal is None and routed.dialog_proven:
            target = self.proxy.predetermined(request, routed, now)
            if isinstance(target, Target):
                if self.agreement is not None and request.is_steered():
                    self.agreement.release(request)
                if self.sessions is not None:
                    self.sessions.acknowledged(request, now)
                self.proxy.forward_ack(request, routed, target, now)
                return
        self.stats.acks_dropped += 1

    # --------------------------------------------------------------- dispatch

    def _serve(
        self, request: Request, flow: Flow, principal: Principal | None, now: float, wall: float
    ) -> None:
        """Requests for the node itself: REGISTER, OPTIONS, nothing else; none of them goes on."""
        method = request.method
        if method == "REGISTER" and principal is not None:
            self._register(request, flow, principal, now, wall)
        elif method == "OPTIONS":
            lines = answers.OPTIONS_LINES if self.events is None else answers.EVENT_OPTIONS_LINES
            self.endpoint.reply(request, flow, 200, now, None, optional=lines)
        elif method == "SUBSCRIBE" and request.to_tag and self.events is not None:
            sender = principal.aor if principal is not None else ""
            self.events.in_dialog(request, flow, sender, now)
        elif request.to_tag or method == "CANCEL":
            self.refuse(request, flow, Refusal(481, None, ()), now)
        else:
            self.refuse(request, flow, Refusal(405, None, (b"Allow: REGISTER, OPTIONS",)), now)

    def _register(
        self, request: Request, flow: Flow, principal: Principal, now: float, wall: float
    ) -> None:
        if self.ims is not None and self.ims.register(request, flow, now):
            return
        aor = self.names.registrant(request.to_uri)
        account = self.directory.get(aor)
        if account is None or not account.enabled:
            self.refuse(request, flow, answers.NOT_FOUND, now)
            return
        self.registrar.register(request, flow, aor, bool(principal.peer), now, wall)

    def to_user(
        self,
        request: Request,
        shown: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        principal: Principal | None,
        now: float,
        wall: float,
    ) -> None:
        """Requests for a user of ours: MESSAGE to the pager, the rest to the user's devices.

        Args: shown: what the recipient gets to see; the request itself unless it is concealed.
        """
        aor = self.names.aor_of(uri)
        sender = principal.aor if principal is not None else ""
        service = self.services.get(aor)
        if service is not None:
            self.endpoint.catch_up(now)
            service.request(shown, flow, sender, aor, now)
            return
        events = self.events
        if (
            events is not None
            and request.method in EVENT_METHODS
            and not routed.device
            and events.request(
                request, flow, sender, aor, self.privacy.hides(request, principal), now
            )
        ):
            return
        account = self.directory.get(aor)
        here = account is not None and account.enabled
        if account is None and self.ims is not None:
            here = self.ims.serves(aor, now)
        if not here:
            if account is None and self.onward.leads_away(uri, principal):
                self.onward.send(request, shown, flow, routed, uri, principal, now, wall)
                return
            self.stats.not_found += 1
            self.refuse(request, flow, answers.NOT_FOUND, now)
            return
        if uri.scheme == "sips" and not self._all_secure(aor, now):
            warning = b'Warning: 380 %b "SIPS Not Allowed"' % self.names.first.encode()
            self.refuse(request, flow, Refusal(480, None, (warning,)), now)
            return
        device = routed.device
        targets: Sequence[Target] | None = None
        if device:
            targets = self.aiming.targets(aor, device, now)
        elif request.is_steered() and request.has("accept-contact"):
            targets = capable(request, self.location.targets(aor, now))
        if targets is not None and not targets and not self._can_wake(aor, device, now):
            gone = self.aiming.refusal(aor, device, now) if device else answers.UNAVAILABLE
            self.refuse(request, flow, gone, now)
            return
        if request.method == "MESSAGE":
            oversize = None if device else self.oversize
            if oversize is not None and oversize.take(request, shown, flow, sender, aor, None, now):
                return
            if not request.is_text and about_another(self, request, flow, sender, aor, now):
                return
            transaction = self.endpoint.accept(request, flow, now)
            if request.is_steered():
                transaction.charging = request.get("p-charging-vector")
            way = routed if shown is request else None
            if targets is None or device:
                self.pager.take(transaction, shown, way, sender, aor, now, wall, device)
            else:
                self.endpoint.catch_up(now)
                self.pager.submit(transaction, shown, way, sender, aor, now, wall, "", targets)
            return
        if request.method == "PUBLISH":
            # Event state is the node's to keep, not a device's, and it keeps none (RFC 3903 6).
            self.refuse(
                request, flow, Refusal(405, b"No event state is kept", (answers.ALLOW,)), now
            )
            return
        deferring = None
        if targets is None:
            targets = self.location.targets(aor, now)
            deferring = self.deferring if request.method == "INVITE" else None
        if deferring is not None and self.privacy.hides(request, principal):
            deferring = None  # its messages would be told to be the caller's
        if deferring is not None and deferring.wants(request, aor, targets):
            refusal = deferring.take(request, flow, sender, aor, bool(targets), now)
            if refusal is not None:
                self.refuse(request, flow, refusal, now)
            return
        if not targets and not self._can_wake(aor, device, now):
            self.refuse(request, flow, answers.UNAVAILABLE, now)
            return
        owner: ForkOwner = PLAIN
        if deferring is not None:
            owner = deferring.behind(request, flow, sender, aor) or PLAIN
        self.forward(request, flow, routed, targets, now, owner=owner, aor=aor)

    def _can_wake(self, aor: str, device: str, now: float) -> bool:
        """Say whether a user has devices that sleep and can be woken, or that one of them does."""
        return self.push is not None and bool(self.push.sleepers(aor, now, device))

    def _all_secure(self, aor: str, now: float) -> bool:
        """Tell whether a SIPS request can go to every device as one (RFC 5630 5.3)."""
        targets = self.location.targets(aor, now)
        return bool(targets) and all(
            target.flow.secure
            and isinstance(target.binding, Binding)
            and target.binding.contact[:5].lower() == b"sips:"
            for target in targets
        )

    def forward(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        targets: Sequence[Target],
        now: float,
        extra: tuple[bytes, ...] = (),
        owner: ForkOwner = PLAIN,
        aor: str = "",
    ) -> None:
        """Send a request on. Args: aor: whose sleeping devices are woken for it."""
        exchange: Exchange | None = None
        if self.sessions is not None:
            taken = self.sessions.take(request, flow, targets, now)
            if isinstance(taken, Refusal):
                self.refuse(request, flow, taken, now)
                return
            exchange = taken
        transaction = self.endpoint.accept(request, flow, now)
        from_peer = self.peers.match(flow) is not None
        if exchange is None:
            fork = Fork(
                self.proxy, transaction, request, owner, routed, extra=extra, from_peer=from_peer
            )
        else:
            fork = exchange.fork(self.proxy, transaction, request, routed, extra, from_peer, owner)
        if isinstance(owner, Failover):
            owner.sends(again=exchange is None)
        if aor and self.push is not None:
            refusal = self.push.start(fork, targets, aor, routed.device, now)
        else:
            refusal = fork.start(targets, now)
        if isinstance(owner, Standby):
            owner.watch(fork, now)
        if refusal is not None:
            if isinstance(owner, Failover):
                owner.refused()
            self.stats.refused += 1
            self.endpoint.respond(transaction, refusal.status, now, refusal.reason, refusal.lines)
