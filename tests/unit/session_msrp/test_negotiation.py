"""Offers and answers that pass an anchor (RFC 4975 8, RFC 6135, RFC 6714)."""

from __future__ import annotations

import itertools

import pytest

from session_msrp.anchor import Anchor, Leg
from session_msrp.errors import MediaError
from session_msrp.limits import Limits
from session_msrp.media import (
    ACTIVE,
    ACTPASS,
    PASSIVE,
    Description,
    new_media,
    read_media,
    we_connect,
)
from session_msrp.negotiation import Negotiation
from session_msrp.uri import MsrpUri, parse_uri
from sip.bodies.sdp import Sdp, Section, parse_sdp

A, B = parse_uri(b"msrp://10.0.0.1:7000/alice;tcp"), parse_uri(b"msrp://10.0.0.2:8000/bob;tcp")
_numbers = itertools.count()


class Door:
    fingerprint = b"SHA-256 AA:BB"

    def __init__(self, host: str, has_tls: bool = True, kind: str = "UDP") -> None:
        self.host, self.has_tls = host, has_tls
        self.websocket, self.secure = kind.startswith("WS"), kind in ("TLS", "WSS")

    def uri(self, secure: bool, websocket: bool = False) -> MsrpUri | None:
        if secure and not self.has_tls:
            return None
        scheme, transport = "msrps" if secure else "msrp", "ws" if websocket else "tcp"
        return parse_uri(f"{scheme}://{self.host}:2855/own{next(_numbers)};{transport}".encode())


def description(own: MsrpUri, setup: bytes, *lines: bytes, port: int | None = None) -> bytes:
    media = new_media(own, own.host, b"text/plain", setup or ACTPASS)
    if not setup:
        media.remove_attributes(b"setup")
    if port is not None:
        media.set_port(port)
    media.lines += [(b"a", line) for line in lines]
    session = Section(
        [(b"v", b"0"), (b"o", b"- 1 1 IN IP4 10.0.0.1"), (b"s", b"-"), (b"t", b"0 0")]
    )
    return Sdp(session, [media]).print()


def read(body: bytes) -> Description:
    sdp = parse_sdp(body)
    return read_media(sdp, sdp.media[0])


class Between:
    """An anchor with one dialog."""

    def __init__(self, secure: bool = True) -> None:
        self.asked: list[Leg] = []
        self.anchor = Anchor(Limits(), lambda: b"tid0", self.asked.append, lambda link, leg: None)
        self.media = Negotiation(self.anchor, Door("192.0.2.1", secure), Door("192.0.2.2", secure))

    def call(
        self, setup: bytes = ACTPASS, answered: bytes = PASSIVE
    ) -> tuple[Description, Description]:
        """Set up; returns what the callee and the caller were shown."""
        offer = self.media.offer(description(A, setup), True, 0.0)
        body = description(B, answered)
        answer = self.media.answer(body)
        self.media.commit(body)
        return read(offer), read(answer)


def test_each_side_is_shown_the_node() -> None:
    between = Between()
    offer, answer = between.call()
    [stream] = between.media.streams.values()
    assert [offer.path[0].raw, answer.path[0].raw] == [stream.callee.own, stream.caller.own]
    assert (offer.host, answer.host) == ("192.0.2.2", "192.0.2.1")
    assert (offer.setup, answer.setup) == (ACTPASS, PASSIVE)
    assert (offer.port, offer.types) == (2855, (b"text/plain",))
    assert (stream.caller.path, stream.callee.path) == (A.raw, B.raw)
    assert between.anchor.streams == {stream}


@pytest.mark.parametrize(("answered", "connects"), [(PASSIVE, True), (ACTIVE, False), (b"", True)])
def test_who_connects_to_the_callee(answered: bytes, connects: bool) -> None:
    between = Between()
    _, answer = between.call(answered=answered)
    [stream] = between.media.streams.values()
    assert stream.callee.connects is connects
    assert stream.caller.connects is False
    assert stream.callee.target == ("10.0.0.2", 8000)
    assert answer.setup == PASSIVE


@pytest.mark.parametrize(("answered", "both"), [(PASSIVE, True), (ACTIVE, False), (b"", True)])
def test_an_offer_of_passive_leaves_nobody_waiting(answered: bytes, both: bool) -> None:
    """RFC 6135 4.2.2 forbids it; the node connects, at once where the answerer waits too."""
    between = Between()
    _, answer = between.call(PASSIVE, answered)
    [stream] = between.media.streams.values()
    assert answer.setup == ACTIVE
    assert stream.caller.connects
    assert stream.callee.connects is both
    assert between.asked == ([stream.caller, stream.callee] if both else [])
    for leg in stream.legs:
        [first] = leg.waiting if both else [b""]
        head = b"MSRP tid0 SEND\r\nTo-Path: %b\r\nFrom-Path: %b\r\n" % (leg.path, leg.own)
        assert first.startswith(head) is both
        assert (b"Failure-Report: no" in first) is both
    between.media.offer(description(A, PASSIVE), True, 1.0)
    body = description(B, answered)
    between.media.answer(body)
    between.media.commit(body)
    assert len(between.asked) == 2 * both


def test_who_does_not_know_setup_is_told_of_none() -> None:
    _, answer = Between().call(setup=b"")
    assert answer.setup == b""


@pytest.mark.parametrize(
    ("ours", "theirs", "offered", "expected"),
    [
        (ACTPASS, PASSIVE, True, True),
        (ACTPASS, ACTIVE, True, False),
        (ACTIVE, PASSIVE, True, True),
        (PASSIVE, ACTPASS, False, False),
        (ACTIVE, ACTPASS, False, True),
        (b"", ACTPASS, False, False),
        (ACTPASS, b"", True, True),
    ],
)
def test_who_opens_the_connection(
    ours: bytes, theirs: bytes, offered: bool, expected: bool
) -> None:
    assert we_connect(ours, theirs, offered) is expected


def test_a_refused_offer_leaves_nothing() -> None:
    between = Between()
    between.media.offer(description(A, ACTPASS), True, 0.0)
    between.media.fail()
    assert between.anchor.streams == set()
    between.media.offer(description(A, ACTPASS), True, 0.0)
    refused = description(B, PASSIVE, port=0)
    assert read(between.media.answer(refused)).port == 0
    between.media.commit(refused)
    assert between.anchor.streams == set()


def test_a_new_offer_from_the_other_side_with_the_same_path_changes_nothing() -> None:
    between = Between()
    offer, answer = between.call()
    [stream] = between.media.streams.values()
    again = read(between.media.offer(description(B, ACTPASS, b"sendonly"), False, 1.0))
    assert again.path == answer.path
    assert again.direction == b"sendonly"
    body = description(A, PASSIVE)
    assert read(between.media.answer(body)).path == offer.path
    between.media.commit(body)
    assert between.media.streams == {0: stream}
    assert between.anchor.streams == {stream}


def test_a_new_path_is_a_new_stream_once_it_is_answered() -> None:
    between = Between()
    between.call()
    [before] = between.media.streams.values()
    moved = parse_uri(b"msrp://10.0.0.1:7000/again;tcp")
    between.media.offer(description(moved, ACTPASS), True, 1.0)
    assert len(between.anchor.streams) == 2
    between.media.fail()
    assert between.anchor.streams == {before}
    between.media.offer(description(moved, ACTPASS), True, 1.0)
    body = description(B, PASSIVE)
    between.media.answer(body)
    between.media.commit(body)
    assert before.ended == "moved"
    assert len(between.anchor.streams) == 1


def test_a_session_taken_out_ends() -> None:
    between = Between()
    between.call()
    [stream] = between.media.streams.values()
    between.media.offer(description(A, ACTPASS, port=0), True, 1.0)
    body = description(B, PASSIVE, port=0)
    between.media.answer(body)
    between.media.commit(body)
    assert stream.ended == "ended by the parties"
    assert between.media.streams == {}


def test_tls_shows_the_nodes_certificate_and_goes_untouched_without_a_listener() -> None:
    secure = parse_uri(b"msrps://10.0.0.1:7000/alice;tcp")
    body = description(secure, ACTPASS, b"fingerprint:SHA-256 11:22")
    offer = read(Between().media.offer(body, True, 0.0))
    assert offer.secure
    assert offer.path[0].secure
    assert offer.fingerprint == Door.fingerprint
    assert Between(secure=False).media.offer(body, True, 0.0) == body


def test_what_is_no_session_and_what_is_anchored_already_pass_untouched() -> None:
    between = Between()
    audio = b"v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n"
    assert between.media.offer(audio, True, 0.0) == audio
    offer, _ = between.call()
    body = description(offer.path[0], ACTPASS)
    second = Negotiation(between.anchor, Door("192.0.2.1"), Door("192.0.2.2"))
    assert second.offer(body, True, 0.0) == body


def test_an_answer_that_leads_back_here_is_refused() -> None:
    between = Between()
    offer = read(between.media.offer(description(A, ACTPASS), True, 0.0))
    with pytest.raises(MediaError, match="leads back"):
        between.media.answer(description(offer.path[0], PASSIVE))


def test_where_to_connect() -> None:
    cema = b"msrp-cema"
    body = description(parse_uri(b"msrp://bob.test:8000/s;tcp"), PASSIVE)
    body = body.replace(b"c=IN IP4 bob.test", b"c=IN IP4 198.51.100.7").replace(
        b" 8000 ", b" 9000 ", 1
    )
    assert read(body).target == ("198.51.100.7", 8000)
    assert read(body + b"a=msrp-cema\r\n").target == ("198.51.100.7", 9000)
    relayed = body.replace(b"a=path:", b"a=path:msrp://relay.test:1/r;tcp ")
    assert not read(relayed + b"a=" + cema + b"\r\n").cema


@pytest.mark.parametrize(
    "change",
    [
        (b"a=path:", b"a=way:"),
        (b"a=path:msrp:", b"a=path:msrps:"),
        (b";tcp", b";sctp"),
        (b"a=path:", b"a=path:nothing "),
        (b"a=path:", b"a=path:" + A.raw + b" " + b" ".join([A.raw] * 9)),
    ],
)
def test_a_section_that_cannot_be_used(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(MediaError):
        Between().media.offer(description(A, ACTPASS).replace(*change), True, 0.0)


def test_what_a_side_takes() -> None:
    described = read(description(A, ACTPASS).replace(b"text/plain", b"message/cpim image/*"))
    assert described.accepts(b"message/cpim")
    assert described.accepts(b"image/png")
    assert not described.accepts(b"text/plain")


# ------------------------------------------------------------------------- WebSocket (RFC 7977)

W = parse_uri(b"msrps://df7jal23ls0d.invalid:2855/98cjs;ws")


@pytest.mark.parametrize(
    ("signalling", "scheme", "protocol"),
    [("UDP", b"msrp:", b"TCP/MSRP"), ("TLS", b"msrps:", b"TCP/TLS/MSRP")],
)
def test_a_browser_calls_a_softphone(signalling: str, scheme: bytes, protocol: bytes) -> None:
    """The softphone is offered what its own signalling has; the browser what it speaks."""
    between = Between()
    between.media = Negotiation(
        between.anchor, Door("192.0.2.1", kind="WSS"), Door("192.0.2.2", kind=signalling)
    )
    offer = between.media.offer(description(W, ACTPASS, b"fingerprint:SHA-256 CC"), True, 0.0)
    assert b" %b *" % protocol in offer
    assert (b"fingerprint:SHA-256 AA:BB" in offer) is (signalling == "TLS")
    assert b"SHA-256 CC" not in offer
    shown = read(offer).path[0]
    assert shown.raw.startswith(scheme)
    assert shown.transport == b"tcp"
    callee = B if signalling == "UDP" else parse_uri(B.raw.replace(b"msrp:", b"msrps:"))
    body = description(callee, PASSIVE)
    answer = read(between.media.answer(body))
    between.media.commit(body)
    [stream] = between.media.streams.values()
    assert (answer.secure, answer.websocket, answer.setup) == (True, True, PASSIVE)
    assert stream.callee.connects
    assert not stream.caller.connects
    assert stream.caller.target is None


@pytest.mark.parametrize("answered", [ACTIVE, PASSIVE, b""])
def test_a_softphone_calls_a_browser(answered: bytes) -> None:
    """Nobody connects to a browser, whatever it says."""
    between = Between()
    between.media = Negotiation(between.anchor, Door("192.0.2.1"), Door("192.0.2.2", kind="WSS"))
    offer = between.media.offer(description(A, ACTPASS), True, 0.0)
    assert b" TCP/TLS/MSRP *" in offer
    assert read(offer).websocket
    body = description(W, answered)
    answer = between.media.answer(body)
    between.media.commit(body)
    [stream] = between.media.streams.values()
    assert b" TCP/MSRP *" in answer
    assert b"fingerprint" not in answer
    assert read(answer).path[0].raw.startswith(b"msrp:")
    assert not stream.callee.connects
