# SPDX-License-Identifier: Apache-2.0
"""The response context of a forwarded request: RFC 3261 16.6 to 16.10.

A `Fork` sends one request to up to ten targets at once and gathers what comes back. It knows which
response is best and keeps the branches in order (CANCEL, timer C, TCP for large requests); what
goes upstream, and when, is its owner's decision. `PLAIN` is the owner of an ordinary proxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from .flow import Flow
from .forward import (
    DROP_BREADTH,
    NO_DROP,
    NO_RECORD_ROUTE,
    Draft,
    Proxy,
    ProxyConfig,
    Target,
    as_sips,
    share_breadth,
)
from .message import Request, Response, forward_request, forward_response
from .privacy import ASSERTED, BORDER, asks_id
from .routing import OwnNames, Refusal, Routed, loop_mark
from .transaction.client import TIMEOUT, ClientTransaction
from .transaction.server import ServerTransaction

__all__ = [
    "PLAIN",
    "Branch",
    "Draft",
    "Fork",
    "ForkOwner",
    "GenericOwner",
    "OwnNames",
    "Proxy",
    "ProxyConfig",
    "Refusal",
    "Routed",
    "Target",
]

_TIMER_C: Final = 1
_PATIENCE: Final = 2

# 16.7 item 6: preferred within its class, because it tells the client how to try again.
_HELPFUL: Final = {401: 0, 407: 0, 415: 1, 420: 1, 484: 1, 488: 2, 413: 2, 416: 2, 421: 2, 423: 2}
_ORDINARY: Final = 50
_LAST: Final = 99


class Branch:
    """One target of a fork and what became of it.

    status: the final status, 0 while there is none; response is None where it is our own: 408
    (silence), 487 (given up), 500 (unusable response), 503 (could not be sent). provisional: some
    1xx came. id: the branch of our Via in what was built last. limit, patient: until when an INVITE
    may ring, and a server of several may say nothing.
    """

    __slots__ = ("fallback", "fork", "id", "limit", "patient", "provisional", "response", "share",
                 "status", "target", "tx")  # fmt: skip

    def __init__(self, target: Target, share: int) -> None:
        self._begin(target, share)

    def _begin(self, target: Target, share: int) -> None:
        self.fork: Fork | None = None  # while one of our timers runs
        self.target = target
        self.share = share
        self.id = b""
        self.status = 0
        self.response: Response | None = None
        self.provisional = False
        self.tx: ClientTransaction | None = None
        self.fallback: Flow | None = None
        self.limit = 0.0
        self.patient = 0.0

    def on_timer(self, kind: int, now: float) -> None:
        """Give up on an INVITE that rings for too long (RFC 3261 16.8), or on a silent server."""
        fork = self.fork
        if fork is None:
            return
        if kind == _TIMER_C:
            fork.on_timer_c(self, now)
        else:
            fork.on_patience(self, now)


class ForkOwner(Protocol):
    """Who decides what a fork's results mean."""

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """A branch has its final outcome; once per branch, also after an answer went upstream."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """The first 2xx came, or every branch has ended and this is the best of them.

        Once per fork. Without `response` the status is our own (see Branch). Nothing was sent
        upstream, except for a 2xx to INVITE, which is relayed before (`fork.answered` tells).
        """


class Fork:
    """The response context. Attributes are for reading, `user` is the owner's own.

    branches: one per target. pending: branches without an outcome. expected: devices that are being
    woken, each counted among the pending ones until `join`. answered: a final response went
    upstream through this fork. Without a server transaction there is no upstream and `request` is
    a Draft.
    """

    __slots__ = ("_drop", "_extra", "_final", "_hidden", "_mark", "_method", "_peer", "_received",
                 "_routed",
                 "answered", "branches", "cancelled", "expected", "invite", "owner", "pending",
                 "proxy", "request", "server_tx", "user")  # fmt: skip

    def __init__(
        self,
        proxy: Proxy,
        server_tx: ServerTransaction | None,
        request: Request | Draft,
        owner: ForkOwner,
        routed: Routed | None = None,
        drop: frozenset[str] = NO_DROP,
        extra: Sequence[bytes] = (),
        from_peer: bool = False,
    ) -> None:
        """Prepare a fork of `request`.

        drop: canonical names of headers that are not forwarded; extra: header lines to add;
        from_peer: it came from another server, which is dialled rather than reached by its flow.
        """
        self._begin(proxy, server_tx, request, owner, routed, drop, extra, from_peer)

    def _begin(
        self,
        proxy: Proxy,
        server_tx: ServerTransaction | None,
        request: Request | Draft,
        owner: ForkOwner,
        routed: Routed | None,
        drop: frozenset[str],
        extra: Sequence[bytes],
        from_peer: bool,
    ) -> None:
        self.proxy = proxy
        self.server_tx = server_tx
        self.request = request
        self.owner = owner
        self.user: object | None = None
        self._method = request.method
        self._received = request if isinstance(request, Request) else None
        self.invite = self._method == "INVITE"
        self.branches: list[Branch] = []
        self.pending = 0
        self.expected = 0
        self.answered = False
        self.cancelled = False
        self._routed = routed
        self._drop = drop
        self._extra = extra
        self._peer = from_peer
        self._hidden = NO_DROP  # from those who are not trusted
        self._final = False
        self._mark = b""

    def start(self, targets: Sequence[Target], now: float) -> Refusal | None:
        """Send to all `targets` in parallel, the preferred ones when there are more than allowed.

        Returns: None, or why nothing was sent: 480 no target, 440 Max-Breadth does not suffice.
        Spec: RFC 3261 16.6; RFC 5393 5.3.3.
        """
        if not targets and not self.expected:
            return Refusal(480)
        proxy = self.proxy
        config = proxy.config
        if len(targets) > 1:
            targets = _distinct(targets, config.max_branches)
        count = len(targets) + self.expected
        shares: Sequence[int] | None = None
        request = self._received
        if request is not None:
            self._mark = loop_mark(request)
            steered = request.is_steered()
            if request.is_inner():
                self._hidden = BORDER
            if steered and request.has("privacy") and asks_id(request):
                self._hidden = self._hidden | ASSERTED
            if count > 1 or (steered and request.has("max-breadth")):
                shares = share_breadth(request, count, config.max_breadth)
                if shares is None:
                    return Refusal(440)
                self._drop = self._drop | DROP_BREADTH
        self.pending = count
        if self.invite and self.server_tx is not None:
            self.server_tx.user = self
            proxy.endpoint.respond(self.server_tx, 100, now)
        for index, target in enumerate(targets):
            share = config.max_breadth if shares is None else shares[index]
            branch = Branch.__new__(Branch)
            branch._begin(target, share)
            self.branches.append(branch)
        if self.server_tx is None or not proxy.endpoint.put_off(self, self.server_tx):
            self.proceed(now)
        return None

    def proceed(self, now: float) -> None:
        """Send the branches that `start` has made."""
        for branch in self.branches:
            self._send(branch, branch.target.flow, now)

    def cancel(self, now: float) -> None:
        """End an INVITE: CANCEL every branch as soon as it rang. Others are left alone (9.1)."""
        self.cancelled = True
        self._cancel_pending(now)
        if self.expected:
            self.join(self.expected, (), now)

    def join(self, devices: int, targets: Sequence[Target], now: float) -> None:
        """Send to devices that were expected and are there now; without targets, expect no more.

        Args: devices: how many of those expected this settles. targets: at most as many.
        Spec: RFC 8599 5.6.2.
        """
        devices = min(devices, self.expected)
        self.expected -= devices
        self.pending -= devices
        if self._final:
            return
        if not self.cancelled:
            for target in targets[:devices]:
                self.pending += 1
                branch = Branch(target, self._late_share(devices))
                self.branches.append(branch)
                self._send(branch, target.flow, now)
        if self.pending == 0:
            self._conclude(now)
            self._let_go()

    def relay(self, response: Response, now: float) -> None:
        """Send `response` upstream as 16.7 items 6 to 9 ask.

        A 503 becomes 500, a 401 or 407 takes the challenges of all branches along. A second final
        response is absorbed, other than a 2xx to INVITE.
        """
        status = response.status
        if status == 503:
            self.reply(500, now)
            return
        server_tx = self.server_tx
        if server_tx is None:
            return
        if response.has("p-asserted-identity") and not self._may_tell(response):
            response.remove_headers(ASSERTED)
        if response.is_inner() and not self.proxy.trusts(server_tx.flow):
            response.remove_headers(BORDER)
        data = forward_response(response)
        if (status == 401 or status == 407) and len(self.branches) > 1:
            data = _with_lines(data, self._other_challenges(response))
        if status >= 200:
            self.answered = True
        server_tx.respond(data, status, now)

    def _may_tell(self, response: Response) -> bool:
        """Say whether what a response asserts of its sender goes upstream (RFC 3325 5)."""
        trusts = self.proxy.trusts
        if not all(trusts(branch.target.flow) for branch in self.branches):
            return False
        server_tx = self.server_tx
        assert server_tx is not None
        return trusts(server_tx.flow) or not asks_id(response)

    def reply(
        self,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
    ) -> None:
        """Answer upstream on our own. 408 to a non-INVITE is not sent (RFC 4320 4.2)."""
        if self.server_tx is None:
            return
        if status >= 200:
            self.answered = True
        self.proxy.endpoint.respond(self.server_tx, status, now, reason, extra)

    def best(self) -> Branch | None:
        """Return the branch with the best failure so far, None when no branch has failed.

        Spec: RFC 3261 16.7 item 6.
        """
        best: Branch | None = None
        lowest = 0
        for branch in self.branches:
            if branch.status < 300:
                continue
            rank = _rank(branch, self.invite)
            if best is None or rank < lowest:
                best = branch
                lowest = rank
        return best

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Take a response to one of the branches (16.7)."""
        branch = tx.context
        assert isinstance(branch, Branch)
        status = response.status
        whole = response.via_count > 1 or self.server_tx is None
        if status < 200:
            if whole and tx is branch.tx:
                self._on_provisional(branch, response, now)
        elif branch.status == 0:
            if branch.target.spares is not None and not self._counts(branch, tx, status, now):
                return
            if not self.invite or status >= 300:
                tx.context = None  # it absorbs repetitions by itself and lives longer than we do
            if whole:
                branch.response = response
            else:
                # Nothing would be left to find the way upstream by (16.7 item 3).
                status = 500
            self._ended(branch, status, now)
        elif self.invite and status < 300 and whole:
            self.relay(response, now)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Take silence as 408 and a flow that failed as 503 (16.7 item 6, 16.9)."""
        branch = tx.context
        assert isinstance(branch, Branch)
        fallback = branch.fallback
        if branch.target.spares is not None and (branch.status or tx is not branch.tx):
            return  # a server that was given up before
        if kind == TIMEOUT:
            self._ended(branch, 408, now)
        elif fallback is None or branch.provisional or not self.proxy.has_no_tcp(tx.flow):
            if not self._next(branch, now):
                self._ended(branch, 503, now)
        elif self.invite and (self.cancelled or self._final):
            self._ended(branch, 487, now)
        else:
            # The peer has no TCP: large or not, UDP is all there is (18.1.1).
            branch.fallback = None
            self._transact(branch, self._build(branch, fallback), fallback, now)

    def on_timer_c(self, branch: Branch, now: float) -> None:
        """Timer C of `branch`, which may have been put off meanwhile (16.7 item 2, 16.8)."""
        if now < branch.limit:
            self.proxy.endpoint.timers.schedule(branch.limit, branch, _TIMER_C)
        elif branch.tx is not None:
            branch.tx.cancel(now)

    def on_patience(self, branch: Branch, now: float) -> None:
        """Try another server than the one of `branch` that has said nothing so far."""
        if now >= branch.patient and not branch.provisional:
            self._next(branch, now)

    def _counts(self, branch: Branch, tx: ClientTransaction, status: int, now: float) -> bool:
        """Tell whether a final response decides about a branch that has several servers.

        A 503 does not while there is another one to try (RFC 3263 4.3). Of a server that was given
        up only a 2xx counts: what it did is done.
        """
        if tx is branch.tx:
            return status != 503 or not self._next(branch, now)
        if status >= 300:
            return False
        if branch.tx is not None:
            branch.tx.cancel(now)
        return True

    def _next(self, branch: Branch, now: float) -> bool:
        """Send to the next server of `branch`, in a transaction of its own; False without any."""
        spares = branch.target.spares
        if spares is None or branch.status or self.cancelled or self._final:
            return False
        flow = spares.next(now)
        if flow is None:
            return False
        if branch.tx is not None:
            branch.tx.cancel(now)  # an INVITE that is still answered must not ring twice
        branch.fallback = None
        branch.provisional = False  # said by the server before
        if self._extra and not self.proxy.trusts(flow):
            self._extra = ()  # said to whom we trust, and to nobody else
        self._send(branch, flow, now)
        return True

    def _send(self, branch: Branch, flow: Flow, now: float) -> None:
        """Start a branch on `flow`, or by TCP when it is too large for UDP (18.1.1)."""
        data = self._build(branch, flow)
        proxy = self.proxy
        if len(data) > proxy.config.udp_octets and not flow.reliable and not branch.target.bound:
            host, port = flow.remote
            stream = proxy.transport.flow_to("TCP", host, port, now)
            if stream is not None:
                branch.fallback = flow
                flow = stream
                data = self._build(branch, flow)
        self._transact(branch, data, flow, now)

    def _transact(self, branch: Branch, data: bytes, flow: Flow, now: float) -> None:
        if self.invite:
            timer_c = self.proxy.timer_c
            branch.fork = self
            branch.limit = now + timer_c.delay
            timer_c.push(now, branch, _TIMER_C)
        spares = branch.target.spares
        if spares is not None:
            branch.fork = self
            branch.patient = now + spares.patience
            self.proxy.endpoint.timers.schedule(branch.patient, branch, _PATIENCE)
        tx = self.proxy.endpoint.create_client(
            data, self._method, branch.id, flow, self, now, branch
        )
        if branch.status == 0:
            branch.tx = tx

    def _build(self, branch: Branch, flow: Flow) -> bytes:
        proxy = self.proxy
        target = branch.target
        branch.id = proxy.ids.branch() + self._mark
        request = self._received
        if request is None:
            assert isinstance(self.request, Draft)
            return proxy.build_draft(self.request, target, flow, branch.id)
        record_route = None
        if self.server_tx is not None and self._method not in NO_RECORD_ROUTE:
            came = self.server_tx.flow
            record_route = proxy.record_route(request, came, target, flow, not self._peer)
        drop = self._drop
        if self._hidden and not proxy.trusts(flow):
            drop = drop | self._hidden
        routes = target.routes
        if routes is None and self._routed is not None:
            routes = self._routed.routes
        line = proxy.breadth_lines[branch.share]
        return forward_request(
            request,
            uri=target.uri if request.uri[3:4] == b":" else as_sips(request.uri, target.uri),
            via_line=flow.via_line(branch.id),
            max_forwards=request.max_forwards - 1,
            routes=routes,
            drop=drop,
            record_route=record_route,
            extra=(*self._extra, *line) if self._extra else line,
        )

    def _on_provisional(self, branch: Branch, response: Response, now: float) -> None:
        branch.provisional = True
        # No provisional but 100 exists for other methods, and 100 is hop by hop (RFC 4320 4.1).
        if not self.invite or response.status == 100 or branch.status:
            return
        branch.limit = now + self.proxy.timer_c.delay
        if not self.answered:
            self.relay(response, now)

    def _late_share(self, devices: int) -> int:
        """Return the Max-Breadth of a branch that joins late: what would have been kept for it."""
        most = self.proxy.config.max_breadth
        request = self._received
        count = len(self.branches) + devices
        shares = None if request is None else share_breadth(request, count, most)
        return 1 if shares is None else shares[-1]

    def _take_instead(self, branch: Branch, status: int, now: float) -> bool:
        """Try the next flow to the device whose flow has failed; False when that is no remedy.

        Any other answer is the device's own, and final (RFC 5626 7).
        """
        target = branch.target.instead
        if target is None or self._final or self.cancelled:
            return False
        if status not in (408, 430) and not (status == 503 and branch.response is None):
            return False
        branch.target = target
        branch.response = None
        branch.provisional = False
        branch.fallback = None
        self._send(branch, target.flow, now)
        return True

    def _ended(self, branch: Branch, status: int, now: float) -> None:
        """Note the outcome of `branch` and draw the conclusions."""
        if branch.target.instead is not None and self._take_instead(branch, status, now):
            return
        branch.status = status
        # Nothing points in a circle any more, so what is done is freed at once.
        branch.tx = None
        branch.fork = None
        self.pending -= 1
        if self.invite:
            if status < 300:
                # Every 2xx to INVITE goes upstream, it may be a dialog of its own (16.7 item 5).
                assert branch.response is not None
                self.relay(branch.response, now)
            if (status < 300 or status >= 600) and self.pending:
                self._cancel_pending(now)
                self.pending -= self.expected
                self.expected = 0
        self.owner.on_branch(self, branch, now)
        if not self._final:
            if status < 300:
                self._final = True
                self.owner.on_final(self, branch.response, status, now)
            elif self.pending == 0:
                self._conclude(now)
        if self.pending == 0:
            self._let_go()

    def _let_go(self) -> None:
        server_tx = self.server_tx
        if server_tx is not None and server_tx.user is self:
            server_tx.user = None

    def _conclude(self, now: float) -> None:
        """Hand the owner the best of what failed."""
        self._final = True
        best = self.best()
        if best is None:  # nobody who was expected has come
            self.owner.on_final(self, None, 487 if self.cancelled else 480, now)
            return
        status = best.status
        if self.cancelled and best.response is None:
            status = 487
        self.owner.on_final(self, best.response, status, now)

    def _cancel_pending(self, now: float) -> None:
        if not self.invite:
            return
        for branch in self.branches:
            if branch.status == 0 and branch.tx is not None:
                branch.tx.cancel(now)

    def _other_challenges(self, chosen: Response) -> list[bytes]:
        """Return the challenge lines of all other branches (16.7 item 7)."""
        lines: list[bytes] = []
        for branch in self.branches:
            response = branch.response
            if response is None or response is chosen or response.status not in (401, 407):
                continue
            for name, value in zip(response.names, response.values, strict=True):
                if name == "www-authenticate":
                    lines.append(b"WWW-Authenticate: " + value)
                elif name == "proxy-authenticate":
                    lines.append(b"Proxy-Authenticate: " + value)
        return lines


def fork_of(
    proxy: Proxy,
    server_tx: ServerTransaction,
    request: Request,
    owner: ForkOwner,
    routed: Routed | None,
) -> Fork:
    """Prepare a fork of a request as it came; quicker than ``Fork``."""
    fork = Fork.__new__(Fork)
    fork._begin(proxy, server_tx, request, owner, routed, NO_DROP, (), False)
    return fork


class GenericOwner:
    """An ordinary proxy: the best response goes upstream. Keeps nothing; share `PLAIN`."""

    __slots__ = ()

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Relay the best response, or answer in its place; 503 is never passed on.

        Where no flow led to anybody, nobody is there: 480, and no blame on the server.
        """
        if fork.answered:
            return
        if response is not None:
            fork.relay(response, now)
        elif status == 503:
            fork.reply(480, now, b"No device can be reached")
        else:
            fork.reply(status, now)


PLAIN: Final = GenericOwner()


def _rank(branch: Branch, invite: bool) -> int:
    """Return the place of a failure among others, the lowest is the best (16.7 item 6)."""
    status = branch.status
    own = 0 if branch.response is not None else 1
    if status >= 600:
        return own
    if status == 503:
        return 500 * 100 + _LAST
    if status == 408:
        # Nobody upstream of a non-INVITE may be told 408, so anything else is worth more.
        return (400 if invite else 699) * 100 + _LAST
    if status == 487:
        return 400 * 100 + _LAST - 1
    return status // 100 * 10000 + _HELPFUL.get(status, _ORDINARY) + own


def _distinct(targets: Sequence[Target], most: int) -> Sequence[Target]:
    """Return targets without repetition, at most `most`, the preferred ones (16.5)."""
    seen: set[tuple[bytes, Flow]] = set()
    kept: list[Target] = []
    for target in targets:
        key = (target.uri, target.flow)
        if key not in seen:
            seen.add(key)
            kept.append(target)
    if len(kept) > most:
        kept = sorted(kept, key=_by_preference)[:most]
    return kept


def _by_preference(target: Target) -> int:
    return -target.q


def _with_lines(data: bytes, lines: Sequence[bytes]) -> bytes:
    """Return the message with header lines added at the end of its head."""
    if not lines:
        return data
    end = data.index(b"\r\n\r\n") + 2
    return b"%b%b\r\n%b" % (data[:end], b"\r\n".join(lines), data[end:])
