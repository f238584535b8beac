# SPDX-License-Identifier: Apache-2.0
"""NOTIFY out: when it may leave, what it says, what its answer means (RFC 6665 4.2.2).

Each subscription has at most one NOTIFY under way; what changes meanwhile is told by the next one,
so a watcher that is slow or gone delays nobody but itself.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from sip.dialog import NO_CSEQ, Dialog, accept_response, request_route
from sip.flow import Flow
from sip.forward import Draft, Proxy, Target
from sip.message import Response
from sip.proxy import Branch, Fork
from sip.routing import Refusal
from sip.transaction.client import TIMEOUT, ClientTransaction

from .adaptive import AdaptiveRate
from .fields import Event
from .notify import draft_fields, notify, state_value
from .package import Body
from .ports import Clock, KeptSubscription, Way
from .settings import NotifierSettings
from .states import WatcherEvent, WatcherState
from .stats import EventStats
from .subscription import NEWS, NOW, RATE, Subscription

if TYPE_CHECKING:
    from .notifier import Notifier

__all__ = ["Delivery"]

#: Answers to a NOTIFY that end the subscription (RFC 6665 4.2.2).
_ENDING: Final = frozenset({404, 405, 410, 416, *range(480, 486), 489, 501, 604})
_CSEQ_RESERVE: Final = 1_000  # NOTIFYs between two notes of the CSeq in the store
_DATAGRAM: Final = 65_000  # octets no datagram can exceed

# An enumeration's member costs a look-up each time.
_PENDING: Final = WatcherState.PENDING
_ACTIVE: Final = WatcherState.ACTIVE
_TERMINATED: Final = WatcherState.TERMINATED


class Delivery:
    """Sends NOTIFYs in their transactions.

    Args: way: finds the flow of a watcher whose own is gone (after a restart, a lost connection).
    """

    notifier: Notifier  # set by it

    def __init__(
        self, proxy: Proxy, way: Way, clock: Clock, settings: NotifierSettings, stats: EventStats
    ) -> None:
        self.stats = stats
        self._proxy = proxy
        self._endpoint = proxy.endpoint
        self._way = way
        self._clock = clock
        self.settings = settings
        self._stranded: dict[str, dict[int, Subscription]] = {}
        self._looked_at = -inf
        self._wall_then = 0.0

    # ------------------------------------------------------------------- when

    def push(self, sub: Subscription, now: float) -> None:
        """Send what is due, now or as soon as its turn comes."""
        if sub.busy or not sub.kept or not sub.due:
            return
        at_once = sub.due != NEWS
        if sub.state is _PENDING and not at_once:
            sub.due = 0  # it is shown nothing that could have changed
        elif at_once or now >= sub.not_before:
            if not at_once and sub.etag and self._unchanged(sub, now):
                sub.due = 0
            else:
                self._send(sub, now, state_value(sub, sub.state, now))
        else:
            self._arm(sub, now)

    def part(self, sub: Subscription, now: float) -> None:
        """Send the last NOTIFY of a subscription, which is about to be terminated."""
        if sub.busy or not sub.kept:
            sub.due = NOW
            return
        shown = sub.state is _ACTIVE and sub.event is WatcherEvent.TIMEOUT
        sub.memo = None
        self._send(sub, now, state_value(sub, _TERMINATED, now), shown)

    def on_rate(self, sub: Subscription, now: float) -> None:
        """Send what the rate held back, or what a least rate demands (RFC 6446)."""
        if now >= self._overdue(sub):
            sub.due |= NOW
        self.push(sub, now)
        self._arm(sub, now)

    def pace(self, sub: Subscription, event: Event) -> None:
        """Set the rates a SUBSCRIBE asked for, as far as they are granted (RFC 6446 7)."""
        sub.gap_s = sub.package.interval_s
        sub.longest_s = 0.0
        rates = b""
        if event.max_rate:
            sub.gap_s = max(1.0 / event.max_rate, self.settings.shortest_gap_s)
            rates += b";max-rate=" + _number(1.0 / sub.gap_s)
        if event.min_rate:
            sub.longest_s = max(1.0 / event.min_rate, sub.gap_s, self.settings.shortest_gap_s)
            rates += b";min-rate=" + _number(1.0 / sub.longest_s)
        sub.adaptive = None
        if event.adaptive_rate:
            # No more often than the rate that is granted (RFC 6446 7.4, equation 2).
            rate = min(event.adaptive_rate, 1.0 / max(sub.gap_s, self.settings.shortest_gap_s))
            sub.adaptive = AdaptiveRate(rate, self._clock.now())
            rates += b";adaptive-min-rate=" + _number(rate)
        sub.rates = rates

    def _arm(self, sub: Subscription, now: float) -> None:
        at = sub.not_before if sub.due else inf
        if sub.longest_s or sub.adaptive is not None:
            at = min(at, self._overdue(sub))
        decision = sub.decision
        if decision is not None and decision.until != inf:
            at = min(at, now + max(0.0, decision.until - self._clock.wall()))
        if at != inf and (not sub.armed or at < sub.armed):
            sub.armed = max(at, now)
            self._endpoint.timers.schedule(sub.armed, sub, RATE)

    def _overdue(self, sub: Subscription) -> float:
        """Return when a least rate demands a NOTIFY, inf when none does."""
        longest = sub.longest_s or inf
        if sub.adaptive is not None:
            longest = min(longest, max(sub.adaptive.timeout_s, sub.gap_s))
        return sub.not_before - sub.gap_s + longest

    # ------------------------------------------------------------------- what

    def _wall(self, now: float) -> float:
        """Return the wall time; one look at the clock does for all that is done at a time."""
        if now != self._looked_at:
            self._looked_at, self._wall_then = now, self._clock.wall()
        return self._wall_then

    def _unchanged(self, sub: Subscription, now: float) -> bool:
        """Tell whether the watcher has exactly this state: what changed is not shown to it."""
        etag: bytes = sub.package.etag(sub, self._wall(now))
        return etag == sub.etag

    def _send(self, sub: Subscription, now: float, state: bytes, shown: bool = True) -> None:
        """Render the state and send it, after the store has what must not be used twice."""
        sub.due = 0
        if not self._has_way(sub, now):
            self._strand(sub, now)
            return
        sub.not_before = now + sub.gap_s
        if sub.adaptive is not None:
            sub.adaptive.sent(now)
        version = sub.version
        body: Body | None = None
        if shown and sub.state is _ACTIVE:
            body = sub.package.render(sub, self._wall(now))
        sub.etag = b"" if body is None else body.etag
        dialog: Dialog = sub.dialog
        dialog.local_cseq = 1 if dialog.local_cseq == NO_CSEQ else dialog.local_cseq + 1
        sub.busy = True
        if sub.version == version and dialog.local_cseq <= sub.cseq_limit:
            self._transmit(sub, body, state, now)
        elif sub.state is _TERMINATED or not shown:
            self._transmit(sub, body, state, now)  # nothing follows
        else:
            self.notifier.keep(sub, partial(self.written, sub, body, state))

    def written(self, sub: Subscription, body: Body | None, state: bytes, kept: bool) -> None:
        """Send a NOTIFY whose version and number are in the store now."""
        now = self._clock.now()
        if kept:
            self._transmit(sub, body, state, now)
        else:
            self._answered(sub, 500, None, now)

    def _transmit(self, sub: Subscription, body: Body | None, state: bytes, now: float) -> None:
        if not self._has_way(sub, now):
            self._answered(sub, 503, None, now)
            return
        flow = sub.flow
        assert flow is not None
        if sub.suppress:
            if body is not None and sub.suppress in (b"*", body.etag):
                body = Body(b"", b"", body.etag)
            sub.suppress = b""
        self.stats.notifies += 1
        uri, routes = request_route(sub.dialog)
        branch = self._endpoint.ids.branch()
        data = notify(sub, uri, routes, flow.via_line(branch), state, body)
        if flow.reliable or sub.bound or len(data) <= self._proxy.config.udp_octets:
            if not flow.reliable and len(data) > _DATAGRAM:
                self._answered(sub, 513, None, now)
                return
            self._endpoint.create_client(data, "NOTIFY", branch, flow, self, now, sub)
            return
        # Too large for UDP: the fork tries TCP and falls back (RFC 3261 18.1.1).
        content = b"" if body is None else body.content
        draft = Draft("NOTIFY", draft_fields(sub, state, body), content)
        Fork(self._proxy, None, draft, _Large(self, sub)).start((Target(uri, flow, routes),), now)

    def _has_way(self, sub: Subscription, now: float) -> bool:
        flow = sub.flow
        if flow is None or flow.closed:
            flow = sub.flow = self._find_flow(sub, now)
        return flow is not None

    def _strand(self, sub: Subscription, now: float) -> None:
        """Wait until the watcher comes back or there is news; nothing was told meanwhile."""
        self.stats.unreachable += 1
        if sub.state is not _TERMINATED:
            sub.memo = None
            sub.etag = b""
            sub.not_before = now + sub.gap_s
            self._stranded.setdefault(sub.watcher, {})[sub.number] = sub

    def came(self, watcher: str, now: float) -> None:
        """Tell a watcher, who has registered, what could not be told before."""
        for sub in self._stranded.pop(watcher, {}).values():
            if sub.live:
                sub.due |= NOW
                self.push(sub, now)

    def forget(self, sub: Subscription) -> None:
        """Wait for its watcher no longer."""
        there = self._stranded.get(sub.watcher)
        if there is not None and there.pop(sub.number, None) is not None and not there:
            del self._stranded[sub.watcher]

    def _find_flow(self, sub: Subscription, now: float) -> Flow | None:
        if sub.origin is not None:
            return self._way(sub, now)
        dialog = sub.dialog
        target = self._proxy.target_for(dialog.remote_target, dialog.route_set, now)
        return None if isinstance(target, Refusal) else target.flow

    # ---------------------------------------------------------------- answers

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer of a watcher."""
        sub = tx.context
        if response.status >= 200 and isinstance(sub, Subscription):
            tx.context = None
            self._answered(sub, response.status, response, now)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Take silence, or a flow that was lost."""
        sub = tx.context
        if isinstance(sub, Subscription):
            tx.context = None
            self._answered(sub, 408 if kind == TIMEOUT else 503, None, now)

    def finished(
        self, sub: Subscription, response: Response | None, status: int, now: float
    ) -> None:
        """Take the outcome of a NOTIFY that was too large for a datagram."""
        self._answered(sub, status, response, now)

    def _answered(
        self, sub: Subscription, status: int, response: Response | None, now: float
    ) -> None:
        sub.busy = False
        if status >= 300 or sub.dialog.local_cseq == 1:
            for observer in self.notifier.observers:
                observer.on_notified(sub, status)
        if sub.state is _TERMINATED:
            if sub.due and status not in _ENDING and status != 408:
                self._send(sub, now, state_value(sub, _TERMINATED, now))
            return
        if status < 300:
            if response is not None and response.has("contact"):
                accept_response(sub.dialog, response)
        elif status in _ENDING or (status == 408 and not self.settings.suspend):
            self.stats.refused += 1
            self.notifier.terminate(sub, WatcherEvent.TIMEOUT, now, silent=True)
            return
        else:
            self.stats.failed += 1
            sub.memo = None
            sub.etag = b""
            sub.due |= NEWS
            sub.not_before = now + max(self.settings.retry_s, _retry_after(response))
        if sub.due:
            self.push(sub, now)
        if (
            sub.longest_s
            or sub.adaptive
            or (sub.decision is not None and sub.decision.until != inf)
        ):
            self._arm(sub, now)

    # ------------------------------------------------------------------ store

    def kept(self, sub: Subscription) -> KeptSubscription:
        """Return what the store keeps of a subscription; reserves the CSeqs to come."""
        now, wall = self._clock.now(), self._clock.wall()
        dialog = sub.dialog
        sub.cseq_limit = max(dialog.local_cseq, 0) + _CSEQ_RESERVE
        return KeptSubscription(
            sub.package.key,
            sub.resource,
            sub.watcher,
            sub.terms,
            wall - (now - sub.since),
            wall + (sub.expires_at - now),
            sub.version,
            False,
            dialog.call_id,
            dialog.local_tag,
            dialog.remote_tag,
            dialog.local_uri,
            dialog.remote_uri,
            dialog.remote_target,
            dialog.route_set,
            sub.cseq_limit,
            dialog.remote_cseq,
            dialog.secure,
            sub.contact,
            sub.origin or ("", "", 0),
            sub.bound,
        )


class _Large:
    """Owner of the fork that carries one large NOTIFY (`sip.proxy.ForkOwner`)."""

    __slots__ = ("_delivery", "_sub")

    def __init__(self, delivery: Delivery, sub: Subscription) -> None:
        self._delivery = delivery
        self._sub = sub

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        self._delivery.finished(self._sub, response, status, now)


def _retry_after(response: Response | None) -> float:
    """Return the seconds of Retry-After, 0.0 without it."""
    value = None if response is None else response.get("retry-after")
    digits = b"" if value is None else value.partition(b";")[0].partition(b"(")[0].strip()
    return float(digits) if digits.isdigit() and len(digits) < 6 else 0.0


def _number(rate: float) -> bytes:
    return b"%.4f" % rate if rate < 1 else b"%.2f" % rate
