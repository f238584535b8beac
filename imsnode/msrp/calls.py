# SPDX-License-Identifier: Apache-2.0
"""The dialogs whose sessions this node anchors: which, from when on, and why no longer.

The node stays a proxy: offers and answers change on their way through, and a session ends with its
dialog, its session timer (RFC 4028), a connection, or when nothing has passed for too long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pager import rules
from pager.values import LedgerEntry, Notice
from session_msrp.anchor import Leg, Stream
from session_msrp.errors import MediaError
from session_msrp.negotiation import Door, Negotiation
from sip.bodies.mediatype import media_type
from sip.bodies.sdp import MEDIA_TYPE
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.headers.address import Address
from sip.message import Request, Response
from sip.proxy import PLAIN, Fork, ForkOwner
from sip.routing import Refusal, Routed
from sip.transaction.server import ServerTransaction
from sip.uri import Uri, parse_uri

from .connections import Connections
from .filegate import Unfinished

__all__ = ["SDP_METHODS", "Call", "CallSettings", "Calls", "Exchange", "SessionFork"]

AnchorMode = Literal["never", "nat", "always"]

#: Methods whose requests or responses may carry an offer or an answer (RFC 6337).
SDP_METHODS = frozenset(("INVITE", "UPDATE", "PRACK"))
#: A path of several: the caller has a relay (RFC 4976), and can be reached.
_RELAYED = re.compile(rb"^a=path: *[^ \r\n]+ [^ \r\n]", re.MULTILINE)
_GRACE_S = 32.0  # for a refresh that is on its way when the session timer ends


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Which sessions are anchored, and their bounds: counts and seconds (`_s`)."""

    mode: AnchorMode = "never"
    sessions: int = 10_000
    user_sessions: int = 20
    idle_s: float = 7200.0


class Call:
    """One dialog with anchored sessions. expires: when its session timer ends, 0 without one."""

    __slots__ = ("answered", "began", "call_id", "callee", "callee_tag", "caller", "caller_tag",
                 "expires", "id", "media",
                 "streams")  # fmt: skip

    def __init__(
        self, number: str, request: Request, caller: str, callee: str, media: Negotiation, at: float
    ) -> None:
        self.id = number
        self.call_id = request.call_id
        self.caller = caller
        self.callee = callee
        self.caller_tag = request.from_tag
        self.callee_tag = b""
        self.media = media
        self.began = at
        self.expires = 0.0
        self.answered = False
        self.streams: set[Stream] = set()

    def by_caller(self, request: Request) -> bool:
        """Say who of the two sent a request."""
        return request.from_tag == self.caller_tag


class Exchange:
    """A request with its responses, as far as they concern the sessions of its dialog."""

    __slots__ = ("_by_caller", "_call", "_calls", "_method", "_offered", "_settled")

    def __init__(self, calls: Calls, call: Call, request: Request) -> None:
        self._calls = calls
        self._call = call
        self._by_caller = call.by_caller(request)
        self._method = request.method
        self._offered = call.media.open and _has_sdp(request)
        self._settled = False

    def fork(
        self,
        proxy: Proxy,
        transaction: ServerTransaction,
        request: Request,
        routed: Routed,
        extra: Sequence[bytes],
        from_peer: bool,
        owner: ForkOwner = PLAIN,
    ) -> Fork:
        """Return the fork that sends the request on, as an ordinary proxy does."""
        fork = SessionFork(
            proxy, transaction, request, owner, routed, extra=extra, from_peer=from_peer
        )
        fork.exchange = self
        return fork

    def responded(self, response: Response, now: float) -> None:
        """Change what a response on its way to the sender says; note what it settles."""
        call, media = self._call, self._call.media
        status = response.status
        if self._method == "BYE":
            if status >= 200 and status not in (401, 407):  # asked again with credentials
                self._calls.end(call, rules.HUNG_UP)
            return
        if status >= 300:
            self.failed()
            return
        settles = status >= 200 and not self._settled
        if _has_sdp(response):
            body = response.body
            try:
                if self._offered:
                    response.replace_body(media.answer(body))
                    if settles:
                        media.commit(body)
                else:
                    # The offer is in the response; its answer comes in the ACK or PRACK.
                    response.replace_body(media.offer(body, not self._by_caller, now))
            except (BadMessage, MediaError):
                # It goes on as it is; the sessions it was for do not come about.
                media.fail()
        if settles:
            self._settled = True
            self._calls.settled(call, response, self._method, now)

    def failed(self) -> None:
        """Note that the request was refused, or nobody answered."""
        if self._settled:
            return
        self._settled = True
        self._call.media.fail()
        if not self._call.answered:
            self._calls.end(self._call, rules.REFUSED_CALL)


class SessionFork(Fork):
    """A fork that shows every response to the exchange it belongs to."""

    exchange: Exchange

    def relay(self, response: Response, now: float) -> None:
        """Send a response upstream, changed where it speaks of a session."""
        self.exchange.responded(response, now)
        super().relay(response, now)

    def reply(
        self,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
    ) -> None:
        """Answer upstream on our own: nobody took the call."""
        if status >= 300:
            self.exchange.failed()
        super().reply(status, now, reason, extra)


class Calls:
    """Every call with anchored sessions, found by its Call-ID.

    Args: door(flow): where whoever is at the far end of a flow reaches this node. note: takes a
        ledger entry. number: makes their ids. aor_of: the address of record of a URI.
    """

    def __init__(
        self,
        connections: Connections,
        settings: CallSettings,
        door: Callable[[Flow], Door],
        note: Callable[[LedgerEntry], object],
        number: Callable[[float], str],
        aor_of: Callable[[Uri], str],
        wall: Callable[[], float],
        retry_after: Callable[[], tuple[bytes, ...]],
    ) -> None:
        self.connections = connections
        self.settings = settings
        self.refused = 0
        self.ended: dict[str, int] = {}
        self._door = door
        self._note = note
        self.number = number
        self._aor_of = aor_of
        self._wall = wall
        self._retry_after = retry_after
        self.unfinished = Unfinished()
        self._calls: dict[bytes, list[Call]] = {}
        self._per_user: dict[str, int] = {}

    @property
    def all(self) -> list[Call]:
        """Every call there is."""
        return [call for calls in self._calls.values() for call in calls]

    # -- requests --------------------------------------------------------------------------------

    def take(
        self, request: Request, flow: Flow, targets: Sequence[Target], now: float
    ) -> Exchange | Refusal | None:
        """Look at a request that is about to be forwarded; None when it concerns no session here.

        Its body is changed where it has to be.
        """
        call = self._find(request)
        if call is None:
            if (
                request.method != "INVITE"
                or request.to_tag
                or not self._wanted(request, flow, targets)
            ):
                return None
            if self._full(request):
                self.refused += 1
                return Refusal(503, b"Too many sessions", self._retry_after())
            call = self._begin(request, flow, targets)
        elif request.method not in SDP_METHODS and request.method != "BYE":
            return None
        try:
            self._pass(call, request, now)
        except (BadMessage, MediaError) as error:
            if not call.answered:
                self._forget(call)
            self.refused += 1
            return Refusal(488, b"Session description: " + error.reason.encode(), ())
        if not request.to_tag and not call.media.open and _has_sdp(request):
            self._forget(call)  # a call without a message session
            return None
        return Exchange(self, call, request)

    def acknowledged(self, request: Request, now: float) -> None:
        """Look at an ACK: it has the answer where the response had the offer (RFC 3264 4)."""
        call = self._find(request)
        if call is None:
            return
        try:
            self._pass(call, request, now)
        except (BadMessage, MediaError):
            call.media.fail()
        if not call.media.streams:
            self._forget(call)

    def _pass(self, call: Call, request: Request, now: float) -> None:
        """Change the offer or the answer that a request carries, if any."""
        if not _has_sdp(request):
            return
        media, by_caller, body = call.media, call.by_caller(request), request.body
        if media.open and media.offered_by_caller != by_caller:
            request.replace_body(media.answer(body))
            media.commit(body)
            self._note_streams(call)
        elif request.method != "ACK":
            request.replace_body(media.offer(body, by_caller, now))
            self._note_streams(call)

    def _wanted(self, request: Request, flow: Flow, targets: Sequence[Target]) -> bool:
        mode = self.settings.mode
        if mode == "never" or (request.body and not _has_session(request)):
            return False
        if _RELAYED.search(request.body):
            return False
        if mode == "always":
            return True
        contacts = request.contacts()
        host = ""
        if isinstance(contacts, list) and contacts and isinstance(contacts[0], Address):
            host = contacts[0].uri.host
        return host != flow.remote[0] or any(
            parse_uri(target.uri).host != target.flow.remote[0] for target in targets
        )

    def _full(self, request: Request) -> bool:
        if self.connections.anchor.stats.streams >= self.settings.sessions:
            return True
        most, taken = self.settings.user_sessions, self._per_user
        return any(
            taken.get(self._aor_of(uri), 0) >= most for uri in (request.from_uri, request.to_uri)
        )

    def _begin(self, request: Request, flow: Flow, targets: Sequence[Target]) -> Call:
        at = self._wall()
        people = (self._aor_of(request.from_uri), self._aor_of(request.to_uri))
        media = Negotiation(
            self.connections.anchor,
            self._door(flow),
            self._door(targets[0].flow),
            partial(self.unfinished.check, people),
        )
        call = Call(self.number(at), request, *people, media, at)
        self._calls.setdefault(request.call_id, []).append(call)
        for aor in (call.caller, call.callee):
            self._per_user[aor] = self._per_user.get(aor, 0) + 1
        return call

    def _find(self, request: Request) -> Call | None:
        tags = (request.from_tag, request.to_tag)
        for call in self._calls.get(request.call_id, ()):
            ours = (call.caller_tag, call.callee_tag)
            if tags in (ours, ours[::-1]) or (not call.callee_tag and call.caller_tag in tags):
                return call
        return None

    # -- what came of them -------------------------------------------------------------------------

    def settled(self, call: Call, response: Response, method: str, now: float) -> None:
        """Note a 2xx: the dialog stands, or goes on."""
        if method == "INVITE" and not call.answered:
            call.answered = True
            call.callee_tag = response.to_tag
        self._note_streams(call)
        self._watch_timer(call, response, now)
        if not call.media.streams and not call.media.open:
            self._forget(call)

    def _watch_timer(self, call: Call, response: Response, now: float) -> None:
        value = response.get("session-expires")
        seconds = (value or b"").partition(b";")[0].strip()
        if seconds.isdigit() and len(seconds) < 8:
            call.expires = now + int(seconds) + _GRACE_S

    def _note_streams(self, call: Call) -> None:
        """Remember whose the streams are; let go of those that a new offer replaced."""
        for stream in call.media.all:
            stream.owner = call
            call.streams.add(stream)
        for stream in [each for each in call.streams if each.ended]:
            self._drop(call, stream)

    def lost(self, leg: Leg, reason: str) -> None:
        """End a session whose connection has gone, or cannot be made."""
        stream = leg.stream
        call = stream.owner
        who = "caller" if leg is stream.caller else "callee"
        if not isinstance(call, Call) or stream.ended:
            return
        self.connections.anchor.end(stream, f"{who}: {reason}")
        self._write(call, stream, rules.CONNECTION_LOST)
        self._drop(call, stream)

    def end(self, call: Call, rule: str) -> None:
        """End a call with all its sessions; a second time does nothing."""
        open_still = [stream for stream in call.streams if not stream.ended]
        call.media.end(rule)
        for stream in open_still:
            self._write(call, stream, rule)
        self._forget(call)

    def _forget(self, call: Call) -> None:
        calls = self._calls.get(call.call_id)
        if calls is None or call not in calls:
            return
        calls.remove(call)
        if not calls:
            del self._calls[call.call_id]
        for aor in (call.caller, call.callee):
            left = self._per_user.pop(aor) - 1
            if left:
                self._per_user[aor] = left
        call.media.end("no session")
        for stream in list(call.streams):
            self._drop(call, stream)

    def _drop(self, call: Call, stream: Stream) -> None:
        call.streams.discard(stream)
        for leg in stream.legs:
            self.connections.drop(leg)

    def _write(self, call: Call, stream: Stream, rule: str) -> None:
        """Have the ledger say that a session is over, what passed, and why."""
        self.ended[rule] = self.ended.get(rule, 0) + 1
        if not call.answered:
            return
        at = self._wall()
        octets = stream.caller.octets + stream.callee.octets
        steps = [
            (call.began, rules.ANCHORED, "", 200, rules.FINAL_ANSWER),
            (at, rules.SESSION_ENDED, stream.ended, 0, rule),
        ]
        watch = call.media.files.get(stream)
        if watch is not None:
            steps.insert(1, (at, rules.FILE, "", 0, watch.verdict))
            if not watch.done:
                self.unfinished.keep((call.caller, call.callee), watch.check, at)
        self._note(
            LedgerEntry(
                self.number(at), call.call_id, call.began, call.caller, call.callee, octets,
                steps, rules.ENDED, notice=Notice(rules.SESSION, b""),
            )
        )  # fmt: skip

    def sweep(self, now: float) -> None:
        """End what has outlived its timer, or stood still for too long."""
        stall_s = self.connections.limits.stall_s
        for call in self.all:
            streams = list(call.streams)
            if call.expires:
                if now > call.expires:
                    self.end(call, rules.TIMER_OVER)
            elif streams and all(now - each.used > self.settings.idle_s for each in streams):
                self.end(call, rules.SESSION_IDLE)
            for stream in streams:
                watch = call.media.files.get(stream)
                if watch is not None and watch.check.too_long:
                    self.lost(stream.caller, "more came than was announced")
                elif now - stream.used > stall_s and any(leg.waiting for leg in stream.legs):
                    self.lost(stream.caller, "one side did not connect")

    def stop(self) -> None:
        """End every call: the node goes down."""
        for call in self.all:
            self.end(call, rules.NODE_STOPPED)


def _has_sdp(message: Request | Response) -> bool:
    body = message.body
    return bool(body) and media_type(message.get("content-type") or b"") == MEDIA_TYPE


def _has_session(request: Request) -> bool:
    return _has_sdp(request) and b"m=message " in request.body
