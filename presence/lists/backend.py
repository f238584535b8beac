# SPDX-License-Identifier: Apache-2.0
"""Members of lists that other servers serve: one subscription to each, for all who follow it.

The subscriber's side of RFC 6665 4.1: a NOTIFY may come before the answer to its SUBSCRIBE, a
subscription that its notifier ends is begun anew as the reason allows, and one that nobody follows
any more is ended here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

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

from ..event.fields import expires_of, parse_state
from ..event.package import entity_tag
from ..event.subscribe import contact_of
from .ports import Follower, State

__all__ = ["BackendSubscriptions"]

#: Way(host, now): the flow to the server of a foreign domain; None when none is configured.
Way = Callable[[str, float], "Flow | None"]

_EXPIRES_S: Final = 3_600
# Subscriptions that begin in a second, and for how long of it at once.
_PER_S: Final = 200.0
_BURST_S: Final = 0.25
_OCTETS: Final = 64 << 20  # of the states of all members
_MARGIN: Final = 0.8  # of what was granted, until it is asked for again
_RETRY_S: Final = 60.0  # after a failure or an end that leaves hope
_SOON_S: Final = 5.0  # after an end that invites to come back at once
_LATER_S: Final = 3_600.0  # after a refusal
_FAREWELL_S: Final = 32.0  # how long the last NOTIFY of one that was ended is waited for

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
_REJECTED: Final = State("terminated", "rejected")
_NO_RESOURCE: Final = State("terminated", "noresource")
_GONE: Final = (404, 410, 604)


class BackendSubscriptions:
    """`presence.lists.ports.Backend` over SIP.

    Args:
        types: media type to ask for, by package.
        most, most_of_one: subscriptions, and those on behalf of one watcher; members beyond are not
            followed.
    """

    def __init__(
        self, proxy: Proxy, way: Way, types: Mapping[str, bytes], most: int, most_of_one: int
    ) -> None:
        self.proxy = proxy
        self.way = way
        self.types = types
        self.most = most
        self.most_of_one = most_of_one
        self._of_watcher: dict[str, int] = {}
        self._free_at = 0.0  # when the next one may begin
        self._octets = 0
        self._by_member: dict[tuple[str, str, str], _Remote] = {}
        self._by_call: dict[tuple[bytes, bytes], _Remote] = {}

    def __len__(self) -> int:
        return len(self._by_call)

    def follow(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Have ``follower`` told of every change, until `leave`."""
        key = (package, uri, watcher)
        remote = self._by_member.get(key)
        if remote is None:
            count = self._of_watcher.get(watcher, 0)
            if len(self._by_member) >= self.most or count >= self.most_of_one:
                return
            self._of_watcher[watcher] = count + 1
            remote = self._by_member[key] = _Remote(self, package, uri, watcher)
            remote.followers.append(follower)
            self._free_at = max(self._free_at, now - _BURST_S) + 1.0 / _PER_S
            remote.begin_at(self._free_at, now)
            return
        remote.followers.append(follower)
        if remote.state is not None:
            follower.told(uri, remote.state, now)

    def leave(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Take back `follow`; with the last one the subscription ends."""
        remote = self._by_member.get((package, uri, watcher))
        if remote is None:
            return
        remote.followers = [one for one in remote.followers if one is not follower]
        if not remote.followers:
            del self._by_member[package, uri, watcher]
            self._of_watcher[watcher] -= 1
            if not self._of_watcher[watcher]:
                del self._of_watcher[watcher]
            self._octets -= 0 if remote.state is None else len(remote.state.content)
            remote.end(now)

    def notified(self, request: Request, flow: Flow, now: float) -> bool:
        """Take a NOTIFY in a dialog; False when it is in none of ours."""
        remote = self._by_call.get((request.call_id, request.to_tag))
        if remote is None:
            return False
        remote.notified(request, flow, now)
        return True

    def within(self, before: State | None, state: State) -> State:
        """Return a state without its content when all together would take too much memory."""
        more = len(state.content) - (0 if before is None else len(before.content))
        if more > 0 and self._octets + more > _OCTETS:
            state = State(state.state, state.reason)
            more = -(0 if before is None else len(before.content))
        self._octets += more
        return state

    def enter(self, remote: _Remote) -> None:
        """Know a subscription by its Call-ID and our tag."""
        self._by_call[remote.call_id, remote.tag] = remote

    def forget(self, remote: _Remote) -> None:
        """Know it no more."""
        self._by_call.pop((remote.call_id, remote.tag), None)


class _Remote:
    """One subscription at another server, begun anew under other names when it ended.

    state: what is known of the member; None before anything is. dialog: None until the first
    answer or NOTIFY. leaving: nobody follows it any more.
    """

    def __init__(self, owner: BackendSubscriptions, package: str, uri: str, watcher: str) -> None:
        self.followers: list[Follower] = []
        self.state: State | None = None
        self.call_id = b""
        self.tag = b""
        self._owner = owner
        self._package = package
        self._uri = uri
        self._watcher = watcher
        self._dialog: Dialog | None = None
        self._due = 0.0  # when a timer that fires still means something
        self._leaving = False

    # ------------------------------------------------------------------- out

    def begin_at(self, at: float, now: float) -> None:
        """Subscribe now, or when its turn comes."""
        if at <= now:
            self.begin(now)
        else:
            self._arm(at)

    def begin(self, now: float) -> None:
        """Subscribe, outside of any dialog."""
        owner = self._owner
        owner.forget(self)
        ids = owner.proxy.endpoint.ids
        self.call_id, self.tag, self._dialog = ids.call_id(), ids.tag(), None
        owner.enter(self)
        uri = self._uri.encode("ascii", "replace")
        headers = [
            (b"From", b"<%b>;tag=%b" % (self._watcher.encode("ascii", "replace"), self.tag)),
            (b"To", b"<%b>" % uri),
            (b"Call-ID", self.call_id),
            (b"CSeq", b"1 SUBSCRIBE"),
        ]
        self._send(uri, headers, None, _EXPIRES_S, now)

    def end(self, now: float) -> None:
        """Unsubscribe; what is answered afterwards is still taken for a while."""
        self._leaving = True
        if self._dialog is None:
            self._arm(now + _FAREWELL_S)
        else:
            self._again(0, now)

    def on_timer(self, _kind: int, now: float) -> None:
        """Refresh, begin anew, or be forgotten."""
        if now < self._due:
            return
        if self._leaving:
            self._owner.forget(self)
        elif self._dialog is None:
            self.begin(now)
        else:
            self._again(_EXPIRES_S, now)

    def _again(self, expires: int, now: float) -> None:
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
        self._arm(now + (_FAREWELL_S if self._leaving else _RETRY_S))
        try:
            flow = owner.way(parse_uri(self._uri.encode("ascii", "replace")).host, now)
        except BadMessage:
            flow = None
        if flow is None:
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
        self._owner.proxy.endpoint.timers.schedule(at, self, 0)

    # -------------------------------------------------------------------- in

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take the answer to a SUBSCRIBE."""
        if fork.user != self.call_id:
            return  # it was begun anew meanwhile
        if 200 <= status < 300 and response is not None:
            self._accepted(response, now)
        elif self._leaving:
            self._owner.forget(self)
        elif status in (401, 403, 407, 489) or status in _GONE or status >= 600:
            self._dialog = None
            self._arm(now + _LATER_S)
            self._tell(_NO_RESOURCE if status in _GONE else _REJECTED, now)
        elif (
            response is None or self._dialog is None or not accept_response(self._dialog, response)
        ):
            self._dialog = None  # begun anew when the timer that is set fires

    def _accepted(self, response: Response, now: float) -> None:
        try:
            granted = expires_of(response, _EXPIRES_S)
            if self._dialog is None:
                self._dialog = uac_dialog(response)
            else:
                accept_response(self._dialog, response)
        except ParseError:
            return
        if self._leaving and granted:
            self._again(0, now)  # everybody left while it was asked
        elif not self._leaving:
            self._arm(now + max(_SOON_S, granted * _MARGIN))

    def notified(self, request: Request, flow: Flow, now: float) -> None:
        """Take a NOTIFY and answer it."""
        endpoint = self._owner.proxy.endpoint
        status, told = self._read(request)
        transaction = endpoint.accept(request, flow, now)
        endpoint.respond(transaction, status, now)
        if status != 200:
            return
        if told is not None:
            self._tell(told, now)
        state = parse_state(request.get("subscription-state") or b"")
        if state.state != "terminated":
            return
        self._dialog = None
        self._owner.forget(self)
        if not self._leaving:
            self._arm(now + max(_AGAIN.get(state.reason, _LATER_S), float(state.retry_after)))

    def _read(self, request: Request) -> tuple[int, State | None]:
        """Return the status to answer a NOTIFY with, and what it says of the member."""
        try:
            if self._dialog is None:
                self._dialog = uas_dialog(request, self.tag)
                self._dialog.local_cseq = 1
                self._dialog.remote_cseq = request.cseq
            elif self._dialog.remote_tag != request.from_tag:
                return 481, None  # a second one, from a fork of the SUBSCRIBE
            elif status := accept_request(self._dialog, request):
                return status, None
            state = parse_state(request.get("subscription-state") or b"")
        except BadMessage as error:
            return error.status_hint, None
        if state.state == "terminated":
            reason = state.reason if state.reason in _AGAIN else ""
            return 200, State("terminated", reason or "timeout")
        if state.state == "pending":
            return 200, State("pending")
        body = request.body
        if not body:
            return 200, None if self.state is not None else State("active")
        content_type = request.get("content-type") or b""
        if media_type(content_type) != self._owner.types[self._package]:
            return 415, None
        return 200, State("active", "", content_type, body, entity_tag(body))

    def _tell(self, state: State, now: float) -> None:
        if not self._leaving:
            state = self._owner.within(self.state, state)
        self.state = state
        for follower in tuple(self.followers):
            follower.told(self._uri, state, now)
