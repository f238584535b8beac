# SPDX-License-Identifier: Apache-2.0
"""A subscription at another server: the subscriber's side of RFC 6665 4.1.

A NOTIFY may come before the answer to its SUBSCRIBE, a subscription that its notifier ends is begun
anew as the reason allows, and one that nobody follows any more is ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, Protocol

from sip.bodies.mime import media_type
from sip.dialog import (
    Dialog,
    accept_request,
    accept_response,
    next_request,
    uac_dialog,
    uas_dialog,
)
from sip.errors import BadMessage, ParseError
from sip.flow import Flow
from sip.forward import Draft, Proxy, Target
from sip.message import Request, Response
from sip.proxy import Branch, Fork
from sip.uri import parse_uri

from ..event.fields import SubscriptionState, expires_of, parse_state
from ..event.package import entity_tag
from ..event.subscribe import contact_of
from ..event.subscriber import ENDING, SubscriberEvent, SubscriberState, next_state
from .ports import Follower, State

__all__ = ["Remote", "Subscriber"]

_EXPIRES_S: Final = 3_600
_MARGIN: Final = 0.8  # of what was granted, until it is asked for again
_SOON_S: Final = 5.0  # after an end that invites to come back at once
_RETRY_S: Final = 60.0  # after a failure or an end that leaves hope
_LATER_S: Final = 3_600.0  # after a refusal

# Seconds until a subscription that ended is begun anew, by the reason (RFC 6665 4.1.3).
_AGAIN: Final = {
    "": _SOON_S,
    "deactivated": _SOON_S,
    "timeout": _SOON_S,
    "probation": _RETRY_S,
    "giveup": _RETRY_S,
    "rejected": _LATER_S,
    "noresource": _LATER_S,
    "invariant": _LATER_S,
}
_TIMEOUT: Final = State("terminated", "timeout")
_REJECTED: Final = State("terminated", "rejected")
_NO_RESOURCE: Final = State("terminated", "noresource")
_GONE: Final = (404, 410, 604)
_REFUSED: Final = (401, 403, 407, 489)

_NOTIFIED: Final = {
    "active": SubscriberEvent.NOTIFY_ACTIVE,
    "pending": SubscriberEvent.NOTIFY_PENDING,
    "terminated": SubscriberEvent.NOTIFY_TERMINATED,
}

# Kinds of timers.
_DUE: Final = 0  # to refresh, to begin anew
_TIMER_N: Final = 1


class Subscriber(Protocol):
    """On whose behalf is subscribed. types: media type to ask for, by package."""

    proxy: Proxy
    types: Mapping[str, bytes]

    def way(self, host: str, now: float) -> Flow | None:
        """Return the flow to the server of a foreign domain, None when none is configured."""
        ...

    def enter(self, remote: Remote) -> None:
        """Know a subscription by its Call-ID and our tag."""
        ...

    def forget(self, remote: Remote) -> None:
        """Know it no more."""
        ...

    def within(self, before: State | None, state: State) -> State:
        """Return a state, without its content where memory is short."""
        ...


class Remote:
    """One subscription at another server, begun anew under other names when it ended.

    state: what is known of the member; None before anything is. dialog: None until the first
    answer or NOTIFY. leaving: nobody follows it any more. due, silent_at: when a timer that fires
    still means something.
    """

    def __init__(self, owner: Subscriber, package: str, uri: str, watcher: str) -> None:
        self.followers: list[Follower] = []
        self.state: State | None = None
        self.call_id = b""
        self.tag = b""
        self._owner = owner
        self._package = package
        self._uri = uri
        self._watcher = watcher
        self._phase = SubscriberState.INIT
        self._dialog: Dialog | None = None
        self._due = inf
        self._silent_at = inf
        self._expires_at = inf
        self._leaving = False

    # ------------------------------------------------------------------- out

    def begin_at(self, at: float, now: float) -> None:
        """Subscribe now, or when its turn comes."""
        if at <= now:
            self._begin(now)
        else:
            self._arm(at)

    def end(self, now: float) -> None:
        """Unsubscribe; what is answered afterwards is still taken for a while."""
        self._leaving = True
        if self._dialog is not None:
            self._refresh(0, now)
        elif self._phase is not SubscriberState.NOTIFY_WAIT:
            self._owner.forget(self)

    def on_timer(self, kind: int, now: float) -> None:
        """Refresh, begin anew, or give up waiting for a NOTIFY."""
        if kind == _TIMER_N:
            if now >= self._silent_at:
                self._over(SubscriberEvent.TIMER_N, _TIMEOUT, _RETRY_S, now)
        elif now < self._due or self._leaving:
            return
        elif self._dialog is None:
            self._begin(now)
        elif now >= self._expires_at:
            self._over(SubscriberEvent.EXPIRED, _TIMEOUT, 0.0, now)
        else:
            self._refresh(_EXPIRES_S, now)

    def _begin(self, now: float) -> None:
        """Subscribe, outside of any dialog."""
        ids = self._owner.proxy.endpoint.ids
        self._step(SubscriberEvent.RETRY)
        self.call_id, self.tag = ids.call_id(), ids.tag()
        self._owner.enter(self)
        uri = self._uri.encode("ascii", "replace")
        headers = [
            (b"From", b"<%b>;tag=%b" % (self._watcher.encode("ascii", "replace"), self.tag)),
            (b"To", b"<%b>" % uri),
            (b"Call-ID", self.call_id),
            (b"CSeq", b"1 SUBSCRIBE"),
        ]
        self._step(SubscriberEvent.SUBSCRIBE)
        self._send(uri, headers, None, _EXPIRES_S, now)

    def _refresh(self, expires: int, now: float) -> None:
        assert self._dialog is not None
        uri, headers = next_request(self._dialog, "SUBSCRIBE")
        routes = [value for name, value in headers if name == b"Route"]
        headers = [pair for pair in headers if pair[0] != b"Route"]
        self._send(uri, headers, routes, expires, now)

    def _send(
        self,
        uri: bytes,
        headers: list[tuple[bytes, bytes]],
        routes: list[bytes] | None,
        expires: int,
        now: float,
    ) -> None:
        owner = self._owner
        # Timer N (RFC 6665 4.1.2.4), also for the last NOTIFY of one that is left.
        self._silent_at = now + owner.proxy.endpoint.layer.transaction_s
        owner.proxy.endpoint.timers.schedule(self._silent_at, self, _TIMER_N)
        try:
            flow = owner.way(parse_uri(self._uri.encode("ascii", "replace")).host, now)
        except BadMessage:
            flow = None
        if flow is None:
            self._over(SubscriberEvent.REFUSED, _TIMEOUT, _RETRY_S, now)
            return
        fields = [
            *headers,
            (b"Contact", contact_of(flow)),
            (b"Event", self._package.encode("ascii")),
            (b"Expires", b"%d" % expires),
            (b"Accept", owner.types[self._package]),
        ]
        if owner.proxy.trusts(flow):
            identity = self._watcher.encode("ascii", "replace")
            fields.append((b"P-Asserted-Identity", b"<%b>" % identity))
        fork = Fork(owner.proxy, None, Draft("SUBSCRIBE", fields), self)
        fork.user = self.call_id
        fork.start((Target(uri, flow, routes),), now)

    def _arm(self, at: float) -> None:
        self._due = at
        self._owner.proxy.endpoint.timers.schedule(at, self, _DUE)

    # ---------------------------------------------------------------- states

    def _step(self, event: SubscriberEvent) -> None:
        self._phase = next_state(self._phase, event)

    def _over(self, event: SubscriberEvent, state: State | None, wait_s: float, now: float) -> None:
        """End it, tell those who follow it, and begin anew in a while.

        Who was never told anything is told of a refusal only: the state stays neutral (4.1.2.4).
        """
        self._step(event)
        self._dialog = None
        self._silent_at = inf
        self._owner.forget(self)
        if state is not None and (self.state is not None or state is not _TIMEOUT):
            self._tell(state, now)
        if not self._leaving:
            self._arm(now + wait_s)

    def _last(self, seconds: float, now: float) -> None:
        """Refresh in time what lasts this long."""
        self._expires_at = now + seconds
        self._arm(now + max(_SOON_S, seconds * _MARGIN))

    # -------------------------------------------------------------------- in

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take the answer to a SUBSCRIBE."""
        if fork.user != self.call_id or self._phase is SubscriberState.TERMINATED:
            return  # it ended meanwhile, or was begun anew
        if 200 <= status < 300 and response is not None:
            self._accepted(response, now)
        elif response is None:
            self._over(SubscriberEvent.TIMER_N, _TIMEOUT, _RETRY_S, now)
        elif self._phase is SubscriberState.NOTIFY_WAIT or self._leaving or status in ENDING:
            self._refused(status, now)
        else:
            self._silent_at = inf
            self._arm(min(now + _RETRY_S, self._expires_at))

    def _refused(self, status: int, now: float) -> None:
        if status in _GONE:
            self._over(SubscriberEvent.REFUSED, _NO_RESOURCE, _LATER_S, now)
        elif status in _REFUSED or status >= 600:
            self._over(SubscriberEvent.REFUSED, _REJECTED, _LATER_S, now)
        elif self._phase is SubscriberState.NOTIFY_WAIT:
            self._over(SubscriberEvent.REFUSED, _TIMEOUT, _RETRY_S, now)
        else:
            self._over(SubscriberEvent.REFUSED, None, 0.0, now)  # 481 and the like: begun anew

    def _accepted(self, response: Response, now: float) -> None:
        try:
            granted = expires_of(response, _EXPIRES_S)
            if self._dialog is None:
                self._dialog = uac_dialog(response)
            else:
                accept_response(self._dialog, response)
        except ParseError:
            return
        if response.status == 204:  # no NOTIFY will come (RFC 5839 5.2)
            self._silent_at = inf
        if self._leaving and granted:
            self._refresh(0, now)  # everybody left while it was asked
        elif not self._leaving:
            self._last(granted, now)

    def notified(self, request: Request, flow: Flow, now: float) -> None:
        """Take a NOTIFY and answer it."""
        status, head, told = self._read(request)
        endpoint = self._owner.proxy.endpoint
        transaction = endpoint.accept(request, flow, now)
        endpoint.respond(transaction, status, now)
        if head is None:
            return
        self._silent_at = inf
        event = _NOTIFIED.get(head.state, SubscriberEvent.NOTIFY_ACTIVE)
        if event is SubscriberEvent.NOTIFY_TERMINATED:
            wait_s = max(_AGAIN.get(head.reason, _LATER_S), float(head.retry_after))
            self._over(event, told, wait_s, now)
            return
        self._step(event)
        if head.expires >= 0 and not self._leaving:
            self._last(head.expires, now)
        if told is not None:
            self._tell(told, now)

    def _read(self, request: Request) -> tuple[int, SubscriptionState | None, State | None]:
        """Return the status to answer a NOTIFY with, and what it says if that is 200.

        That is the subscription's state, and the member's where the NOTIFY tells it.
        """
        try:
            if self._dialog is None:
                self._dialog = uas_dialog(request, self.tag)
                self._dialog.local_cseq = 1
                self._dialog.remote_cseq = request.cseq
            elif self._dialog.remote_tag != request.from_tag:
                return 481, None, None  # a second one, from a fork of the SUBSCRIBE
            elif status := accept_request(self._dialog, request):
                return status, None, None
            head = parse_state(request.get("subscription-state") or b"")
        except BadMessage as error:
            return error.status_hint, None, None
        if head.state == "terminated":
            reason = head.reason if head.reason in _AGAIN else ""
            return 200, head, State("terminated", reason or "timeout")
        if head.state == "pending":
            return 200, head, State("pending")
        body = request.body
        if not body:
            return 200, head, None if self.state is not None else State("active")
        content_type = request.get("content-type") or b""
        if media_type(content_type) != self._owner.types[self._package]:
            return 415, None, None
        return 200, head, State("active", "", content_type, body, entity_tag(body))

    def _tell(self, state: State, now: float) -> None:
        if self._leaving:
            return
        state = self._owner.within(self.state, state)
        self.state = state
        for follower in tuple(self.followers):
            follower.told(self._uri, state, now)
