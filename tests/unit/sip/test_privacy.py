# SPDX-License-Identifier: Apache-2.0
"""Privacy: what is asked for, and what is left of a MESSAGE that keeps it (RFC 3323, RFC 3325)."""

from __future__ import annotations

import pytest

from sip.errors import LimitExceeded
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from sip.privacy import asked, at_most_two, conceal, shown, unmet
from sip.proxy import Draft, Fork, Target
from tests.support.proxied import ALICE, BOB, Noted, ProxiedNode, request_text

IDENTITY = b"sip:alice@ims.test"
FULL = (
    b"MESSAGE sip:bob@ims.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKa1\r\n"
    b"Max-Forwards: 70\r\n"
    b'f: "Alice" <sip:alice@ims.test>;tag=a-1\r\n'
    b"To: <sip:bob@ims.test>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 7 MESSAGE\r\n"
    b"Contact: <sip:alice@198.51.100.1>\r\n"
    b"Record-Route: <sip:edge.ims.test;lr>\r\n"
    b"Subject: payroll\r\n"
    b"Reply-To: <sip:alice@ims.test>\r\n"
    b"User-Agent: Alice's phone\r\n"
    b"X-Unknown:  stays\r\n"
    b"%b"
    b"Content-Type: text/plain\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)


def message(*lines: bytes) -> Request:
    parsed = parse_message(FULL % b"".join(line + b"\r\n" for line in lines), Limits())
    assert isinstance(parsed, Request)
    parsed.received_host, parsed.received_port = "198.51.100.1", 5060
    return parsed


def concealed(*lines: bytes, identity: bytes = IDENTITY) -> Request:
    request = message(*lines)
    return conceal(request, asked(request), identity, Limits())


@pytest.mark.parametrize(
    ("lines", "wishes"),
    [
        ((), set()),
        ((b"Privacy: id",), {b"id"}),
        ((b"privacy:ID ; Critical",), {b"id", b"critical"}),
        ((b"Privacy: header;user", b"Privacy: id"), {b"header", b"user", b"id"}),
        ((b"Privacy: id, user",), {b"id", b"user"}),
        ((b"Privacy: none",), set()),
        ((b"Privacy: id;none",), set()),
        ((b"Privacy: ;",), set()),
    ],
)
def test_what_is_asked_for(lines: tuple[bytes, ...], wishes: set[bytes]) -> None:
    assert asked(message(*lines)) == wishes


def test_what_cannot_be_had() -> None:
    wishes = frozenset((b"id", b"user", b"header", b"session", b"history", b"critical"))
    assert unmet(wishes, "MESSAGE") == [b"history"]
    assert unmet(wishes, "INVITE") == [b"header", b"history", b"session", b"user"]


def test_id_hides_the_name_and_keeps_it_for_the_trusted() -> None:
    got = concealed(b"Privacy: id")
    assert got.get("from") == b'"Anonymous" <sip:anonymous@anonymous.invalid>;tag=a-1'
    assert got.get_all("p-asserted-identity") == [b"<sip:alice@ims.test>"]
    assert got.get_all("privacy") == [b"id"]
    assert (got.call_id, got.cseq, got.body) == (b"c1", 7, b"hello")
    # Nothing but the name was asked for.
    assert got.get("subject") == b"payroll"
    assert b"X-Unknown:  stays" in got.lines
    assert (got.received_host, got.received_port) == ("198.51.100.1", 5060)


def test_user_takes_away_what_the_sender_wrote_about_itself() -> None:
    got = concealed(b"Privacy: user;critical")
    for name in ("subject", "reply-to", "user-agent"):
        assert not got.has(name)
    assert [line for line in got.lines if b"lice" in line] == [
        b"Contact: <sip:alice@198.51.100.1>",  # which no request of our own has
        b"P-Asserted-Identity: <sip:alice@ims.test>",
    ]
    # Done here, so nobody has to do it again; the identity stays everybody's business.
    assert got.get_all("privacy") == [b"id;critical"]


def test_header_takes_away_the_way_back() -> None:
    got = concealed(b"Privacy: header")
    assert not got.has("contact")
    assert not got.has("record-route")
    assert got.get("from") == b'"Alice" <sip:alice@ims.test>;tag=a-1'
    assert not got.has("privacy")
    assert not got.has("p-asserted-identity")


def test_what_a_peer_asserts_stays_and_an_anonymous_from_is_not_touched() -> None:
    request = message(b"Privacy: id;history", b"P-Asserted-Identity: <sip:x@other.test>, <tel:+1>")
    line = b"From: Anonymous <sip:anonymous@anonymous.invalid>;tag=a-1"
    request.remove_headers(frozenset(("user-agent",)))
    request.lines[request.names.index("from")] = line
    again = parse_message(
        b"\r\n".join((b"MESSAGE sip:b@ims.test SIP/2.0", *request.lines, b"", b"hello")), Limits()
    )
    assert isinstance(again, Request)
    got = conceal(again, asked(again), b"", Limits())
    assert line in got.lines
    assert got.get_all("p-asserted-identity") == [b"<sip:x@other.test>, <tel:+1>"]
    assert got.get_all("privacy") == [b"history;id"]


def test_limits_hold_for_what_is_added() -> None:
    request = message(b"Privacy: id")
    with pytest.raises(LimitExceeded):
        conceal(request, asked(request), IDENTITY, Limits(headers=len(request.lines) - 1))


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([b"<sip:a@x.test>"], [b"<sip:a@x.test>"]),
        ([b"<tel:+1>, <sip:a@x.test>"], [b"<tel:+1>", b"<sip:a@x.test>"]),
        ([b"<sip:a@x.test>", b"<sips:b@x.test>, <tel:+1>, <tel:+2>"], [b"<sip:a@x.test>", b"<tel:+1>"]),
        ([b"<mailto:a@x.test>"], []),
    ],
)  # fmt: skip
def test_one_sip_and_one_tel_identity(values: list[bytes], kept: list[bytes]) -> None:
    assert at_most_two(values) == kept


def test_fields_for_those_who_are_not_trusted() -> None:
    fields = [
        (b"P-Asserted-Identity", b"<sip:a@x.test>"),
        (b"remote-party-id", b"a"),
        (b"To", b"b"),
    ]
    assert shown(fields) == fields
    assert shown([*fields, (b"Privacy", b"none")]) == [*fields, (b"Privacy", b"none")]
    assert shown([*fields, (b"privacy", b"ID")]) == [(b"To", b"b"), (b"privacy", b"ID")]


# --- what leaves


def node(trusted: bool) -> ProxiedNode:
    made = ProxiedNode(None, Noted())
    made.bindings["sip:bob@ims.test"] = [("sip:bob@198.51.100.2:5060", BOB)]
    made.proxy.trusts = lambda flow: trusted
    return made


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
@pytest.mark.parametrize(
    ("privacy", "trusted", "known"),
    [("id", False, False), ("id", True, True), ("none", False, True), ("user", False, True)],
)
def test_a_forwarded_request(method: str, privacy: str, trusted: bool, known: bool) -> None:
    made = node(trusted)
    lines = ["P-Asserted-Identity: <sip:a@x.test>", f"Privacy: {privacy}"]
    made.receive(request_text(method, lines=lines), ALICE)
    (sent,) = made.requests()
    assert sent[1].has("p-asserted-identity") is known
    assert sent[1].get("privacy") == privacy.encode()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_request_of_our_own(trusted: bool) -> None:
    made = node(trusted)
    got = concealed(b"Privacy: id")
    headers = [
        (name.encode(), value)
        for name, value in zip(got.names, got.values, strict=True)
        if name not in ("via", "max-forwards", "content-length", "privacy")
    ]
    draft = Draft("MESSAGE", [*headers, (b"Privacy", b"id")], b"later")
    target = Target(b"sip:bob@198.51.100.2", made.flow(BOB), ())
    assert Fork(made.proxy, None, draft, Noted()).start([target], made.now) is None
    ((_, sent),) = made.requests()
    assert sent.has("p-asserted-identity") is trusted
    assert sent.body == b"later"


@pytest.mark.parametrize(
    ("down", "up", "lines", "known"),
    [
        (False, False, (), False),
        (False, True, (), False),
        (True, False, (), True),
        (True, False, (b"Privacy: id",), False),
        (True, True, (b"Privacy: id",), True),
    ],
)
def test_what_an_answer_asserts(
    down: bool, up: bool, lines: tuple[bytes, ...], known: bool
) -> None:
    """RFC 3325 5 speaks of responses too: a device must not name somebody else."""
    made = node(False)
    made.proxy.trusts = lambda flow: down if flow.remote == BOB else up
    made.receive(request_text(), ALICE)
    (sent,) = made.requests()
    made.answer(sent, 200, extra=(b"P-Asserted-Identity: <sip:carol@ims.test>", *lines))
    (answer,) = [m for _, m in made.take() if isinstance(m, Response)]
    assert answer.has("p-asserted-identity") is known
