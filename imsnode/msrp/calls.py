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
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Target
from sip.headers.address import Address
from sip.message import Request, Response
from sip.routing import Refusal
from sip.uri import Uri, parse_uri

from .connections import Connections
from .described import describe, description
from .exchange import Exchange
from .filegate import Unfinished
from .timer import SessionTimer

__all__ = ["SDP_METHODS", "Call", "CallSettings", "Calls"]

AnchorMode = Literal["never", "nat", "always"]

#: Methods whose requests or responses may carry an offer or an answer (RFC 6337).
SDP_METHODS = frozenset(("INVITE", "UPDATE", "PRACK"))
#: Those that refresh a session (RFC 4028 3).
_REFRESHES = frozenset(("INVITE", "UPDATE"))
#: A path of several: the caller has a relay (RFC 4976), and can be reached.
_RELAYED = re.compile(rb"^a=path: *[^ \r\n]+ [^ \r\n]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Which sessions are anchored, and their bounds: counts and seconds (`_s`)."""

    mode: AnchorMode = "never"
    sessions: int = 10_000
    user_sessions: int = 20
    idle_s: float = 7200.0
    timer_s: int = 1800


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
        elif request.method not in SDP_METHODS and request.method != "BYE":
            return None
        timer = None
        if request.method in _REFRESHES:
            timer = SessionTimer(request, self.settings.timer_s)
            refusal = timer.refusal()
            if refusal is not None:
                self.refused += 1
                return refusal
        if call is None:
            call = self._begin(request, flow, targets)
        try:
            self._pass(call, request, now)
        except (BadMessage, MediaError) as error:
            if not call.answered:
                self._forget(call)
            self.refused += 1
            return Refusal(488, b"Session description: " + error.reason.encode(), ())
        if not request.to_tag and not call.media.open and description(request):
            self._forget(call)  # a call without a message session
            return None
        if timer is not None:
            timer.ask(request)
        return Exchange(self, call, request, timer)

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
        text = description(request)
        if not text:
            return
        media, by_caller = call.media, call.by_caller(request)
        if media.open and media.offered_by_caller != by_caller:
            describe(request, media.answer(text))
            media.commit(text)
            self._note_streams(call)
        elif request.method != "ACK":
            describe(request, media.offer(text, by_caller, now))
            self._note_streams(call)

    def _wanted(self, request: Request, flow: Flow, targets: Sequence[Target]) -> bool:
        mode = self.settings.mode
        if mode == "never":
            return False
        text = description(request)
        if (request.body and b"m=message " not in text) or _RELAYED.search(text):
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

    def settled(self, call: Call, response: Response, method: str) -> None:
        """Note a 2xx: the dialog stands, or goes on."""
        if method == "INVITE" and not call.answered:
            call.answered = True
            call.callee_tag = response.to_tag
        self._note_streams(call)
        if not call.media.streams and not call.media.open:
            self._forget(call)

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
