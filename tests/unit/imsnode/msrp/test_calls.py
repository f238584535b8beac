"""Which calls are anchored, within which bounds, and when they end."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from imsnode.msrp import NearDoor
from imsnode.msrp.calls import Calls, CallSettings
from imsnode.msrp.connections import ConnectionLimits, Connections
from imsnode.msrp.described import description
from imsnode.msrp.exchange import Exchange
from pager import rules
from pager.values import LedgerEntry
from sip.aio.listener import Bound
from sip.flow import Flow
from sip.forward import Target
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from sip.routing import Refusal

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    b"m=message 7000 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://10.0.0.1:7000/alice;tcp\r\n"
    b"a=setup:actpass\r\n"
)
ANSWER = OFFER.replace(b"alice", b"bob").replace(b"actpass", b"passive")
SOURCE = ("198.51.100.1", 5060)
SDP_LINE = "Content-Type: application/sdp"


def invite(
    body: bytes = OFFER, contact: str = SOURCE[0], user: str = "alice", call: str = "c1",
    method: str = "INVITE", to_tag: str = "", kind: str = SDP_LINE, lines: tuple[str, ...] = (),
) -> Request:  # fmt: skip
    head = [
        f"{method} sip:bob@ims.test SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx",
        "Max-Forwards: 70",
        f"From: <sip:{user}@ims.test>;tag=f1",
        f"To: <sip:bob@ims.test>{to_tag}",
        f"Call-ID: {call}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:{user}@{contact}:5060>",
        *lines,
        kind,
        f"Content-Length: {len(body)}",
    ]
    message = parse_message("\r\n".join(head).encode() + b"\r\n\r\n" + body, Limits())
    assert isinstance(message, Request)
    return message


def response(
    status: int = 200, body: bytes = ANSWER, *lines: str, kind: str = SDP_LINE
) -> Response:
    head = [
        f"SIP/2.0 {status} X",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKown",
        "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx",
        "From: <sip:alice@ims.test>;tag=f1",
        "To: <sip:bob@ims.test>;tag=t1",
        "Call-ID: c1",
        "CSeq: 1 INVITE",
        *lines,
        kind,
        f"Content-Length: {len(body)}",
    ]
    message = parse_message("\r\n".join(head).encode() + b"\r\n\r\n" + body, Limits())
    assert isinstance(message, Response)
    return message


class World:
    def __init__(self, **settings: Any) -> None:
        self.notes: list[LedgerEntry] = []
        self.loop = asyncio.new_event_loop()
        self.connections = Connections(
            self.loop, ConnectionLimits(), lambda: b"tid0", ssl.create_default_context(),
            lambda host, port: True, lambda leg, reason: self.calls.lost(leg, reason),
        )  # fmt: skip
        bound = [Bound("TCP", "192.0.2.1", 2855)]
        self.calls = Calls(
            self.connections,
            CallSettings(**{"mode": "always", **settings}),
            lambda flow: NearDoor(bound, flow, "", b""),
            self.notes.append,
            lambda at: "s1",
            lambda uri: uri.aor,
            lambda: 1000.0,
            lambda: (b"Retry-After: 5",),
        )
        self.flow = Flow("UDP", ("192.0.2.1", 5060), SOURCE)

    def take(self, request: Request, now: float = 0.0, contact: str = "198.51.100.2") -> Any:
        flow = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.2", 5060))
        return self.calls.take(
            request, self.flow, [Target(f"sip:bob@{contact}".encode(), flow)], now
        )

    def set_up(self, *lines: str) -> None:
        exchange = self.take(invite())
        assert isinstance(exchange, Exchange)
        exchange.responded(response(200, ANSWER, *lines), 0.0)


@pytest.fixture
def world() -> Any:
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(**settings))
        return made[-1]

    yield make
    for each in made:
        each.loop.close()


@pytest.mark.parametrize(
    ("mode", "caller", "callee", "anchored"),
    [
        ("never", "10.0.0.1", "10.0.0.2", False),
        ("nat", SOURCE[0], "198.51.100.2", False),
        ("nat", "10.0.0.1", "198.51.100.2", True),
        ("nat", SOURCE[0], "10.0.0.2", True),
        ("always", SOURCE[0], "198.51.100.2", True),
    ],
)
def test_which_calls_are_anchored(
    world: Any, mode: str, caller: str, callee: str, anchored: bool
) -> None:
    here = world(mode=mode)
    request = invite(contact=caller)
    taken = here.take(request, contact=callee)
    assert (taken is not None) is anchored
    assert (b"192.0.2.1:2855/" in request.body) is anchored


def test_who_has_a_relay_is_not_anchored(world: Any) -> None:
    """Be the relay ours or another's: the caller can be reached by its path (RFC 4976 5.1)."""
    relayed = OFFER.replace(b"a=path:", b"a=path:msrps://relay.ims.test:2855/xyz;tcp ")
    assert world().take(invite(relayed)) is None


@pytest.mark.parametrize("body", [b"", b"v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n"])
def test_calls_without_a_message_session_are_not_kept(world: Any, body: bytes) -> None:
    here = world()
    request = invite(body)
    taken = here.take(request)
    assert request.body == body
    if taken is not None:  # the offer might come in the response
        taken.responded(response(200, b""), 0.0)
    assert here.calls.all == []


def test_bounds(world: Any) -> None:
    here = world(user_sessions=1)
    assert isinstance(here.take(invite()), Exchange)
    refused = here.take(invite(user="carol", call="c2"))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.lines) == (503, (b"Retry-After: 5",))
    full = world(sessions=1)
    assert isinstance(full.take(invite()), Exchange)
    assert isinstance(full.take(invite(user="carol", call="c2")), Refusal)


def test_a_bad_section_is_488_and_leaves_nothing(world: Any) -> None:
    here = world()
    refused = here.take(invite(OFFER.replace(b"a=path", b"a=way")))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.reason) == (488, b"Session description: no a=path")
    assert here.calls.all == []


def test_a_refused_call_leaves_nothing_and_is_no_session(world: Any) -> None:
    here = world()
    exchange = here.take(invite())
    exchange.responded(response(486, b""), 0.0)
    assert here.calls.all == []
    assert here.connections.anchor.streams == set()
    assert here.notes == []


def test_a_bye_ends_it_when_it_is_answered(world: Any) -> None:
    here = world()
    here.set_up()
    exchange = here.take(invite(b"", method="BYE", to_tag=";tag=t1"))
    exchange.responded(response(407, b""), 9.0)
    assert len(here.calls.all) == 1
    exchange.responded(response(200, b""), 9.0)
    assert here.calls.all == []
    [entry] = here.notes
    assert (entry.sender, entry.recipient) == ("sip:alice@ims.test", "sip:bob@ims.test")
    assert entry.steps[-1][-1] == rules.HUNG_UP
    assert here.calls.ended == {rules.HUNG_UP: 1}


def test_a_request_of_another_dialog_ends_nothing(world: Any) -> None:
    here = world()
    here.set_up()
    assert here.take(invite(b"", method="BYE", to_tag=";tag=other")) is None
    assert len(here.calls.all) == 1


def test_the_session_timer_ends_it_unless_it_is_refreshed(world: Any) -> None:
    here = world()
    here.set_up("Session-Expires: 90;refresher=uac")
    here.calls.sweep(100.0)
    exchange = here.take(invite(b"", method="UPDATE", to_tag=";tag=t1"), 100.0)
    exchange.responded(response(200, b"", "Session-Expires: 90"), 100.0)
    here.calls.sweep(200.0)
    assert len(here.calls.all) == 1
    here.calls.sweep(223.0)
    assert here.calls.all == []
    assert here.notes[0].steps[-1][-1] == rules.TIMER_OVER


def test_silence_ends_it(world: Any) -> None:
    here = world(idle_s=60.0)
    here.set_up()
    here.calls.sweep(60.0)
    assert len(here.calls.all) == 1
    here.calls.sweep(61.0)
    assert here.notes[0].steps[-1][-1] == rules.SESSION_IDLE
    assert here.calls.all == []


def test_a_session_in_a_multipart(world: Any) -> None:
    """The other parts stay as they are, and so does the boundary."""

    def wrap(text: bytes) -> bytes:
        other = b"--b1\r\nContent-Type: application/x\r\n\r\n\x00v=0\r\n"
        return b"%b--b1\r\nContent-Type: application/sdp\r\n\r\n%b--b1--\r\n" % (other, text)

    kind = "Content-Type: multipart/mixed;boundary=b1"
    request = invite(wrap(OFFER + b"\r\n"), kind=kind)
    exchange = world().take(request)
    assert isinstance(exchange, Exchange)
    assert request.body.startswith(wrap(b"")[:50])
    assert description(request).count(b"a=path:msrp://192.0.2.1:2855/") == 1
    assert b"alice;tcp" not in request.body
    answer = response(200, wrap(ANSWER + b"\r\n"), kind=kind)
    exchange.responded(answer, 0.0)
    assert b"a=path:msrp://192.0.2.1:2855/" in description(answer)


def test_a_dialog_ends_with_the_timer_it_agreed_on(world: Any) -> None:
    """Asked for by the node, known to the caller alone; a refresh prolongs it (RFC 4028 8.2)."""
    made = world()
    request = invite(lines=("Supported: timer",))
    exchange = made.take(request)
    assert request.get("session-expires") == b"1800"
    ok = response()
    exchange.responded(ok, 0.0)
    assert ok.get("session-expires") == b"1800;refresher=uac"
    refresh = made.take(invite(lines=("Supported: timer",), to_tag=";tag=t1"), 1700.0)
    refresh.responded(response(), 1700.0)
    made.calls.sweep(1900.0)
    assert len(made.calls.all) == 1
    made.calls.sweep(3600.0)
    assert made.calls.all == []
    assert made.calls.ended == {rules.TIMER_OVER: 1}


def test_a_timer_that_is_too_short_is_refused(world: Any) -> None:
    made = world()
    refusal = made.take(invite(lines=("Supported: timer", "Session-Expires: 30")))
    assert isinstance(refusal, Refusal)
    assert refusal.status == 422
    assert made.calls.all == []
