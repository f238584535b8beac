# SPDX-License-Identifier: Apache-2.0
"""A message that is recognised is read as the parser reads it."""

from __future__ import annotations

import contextlib
import random

import pytest

from sip.errors import BadMessage
from sip.limits import Limits
from sip.message import Message, Request, Response, build_response, forward_request
from sip.parser import _parse, parse_message
from sip.recognise import recognise

LIMITS = Limits()
REQUEST = (
    b"MESSAGE sip:bob@ims.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK-%(n)d;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@ims.test>;tag=a%(n)d\r\n'
    b"To: <sip:bob@ims.test>\r\n"
    b"Call-ID: %(n)d-abc@192.0.2.1\r\n"
    b"CSeq: %(n)d MESSAGE\r\n"
    b"X-Other:  kept as it is \r\n"
    b"Content-Type: text/plain;charset=UTF-8\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
ANSWER = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-%(n)d.00000001;rport=5060;received=192.0.2.9\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK-%(n)d;rport=9;received=192.0.2.1\r\n"
    b"From: <sip:alice@ims.test>;tag=a%(n)d\r\n"
    b"To: <sip:bob@ims.test>;tag=b%(n)d\r\n"
    b"Call-ID: %(n)d-abc@192.0.2.1\r\n"
    b"CSeq: %(n)d MESSAGE\r\n"
    b"Content-Length: 0\r\n\r\n"
)
SINGLE = ANSWER.replace(
    b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK-%(n)d;rport=9;received=192.0.2.1\r\n", b""
)


def facts(message: Message) -> dict[str, object]:
    """Return all that a message says."""
    via = message.via
    told: dict[str, object] = {
        name: getattr(message, name)
        for name in ("names", "lines", "values", "body", "method", "call_id", "cseq", "from_tag",
                     "to_tag", "branch", "via_count")
    }  # fmt: skip
    told["uris"] = (message.from_uri.raw, message.to_uri.raw)
    told["via"] = [
        getattr(via, name)
        for name in ("raw", "branch", "transport", "sent_by", "host", "port", "rport", "received")
    ]
    told["hop"] = (message.hop.sent_by, message.hop.host, message.hop.rport, message.hop.received)
    if isinstance(message, Request):
        told["line"] = (message.uri, message.ruri().raw, message.max_forwards, message.is_text)
    elif isinstance(message, Response):
        told["line"] = (message.status, message.reason, message.start)
    return told


@pytest.mark.parametrize("template", [REQUEST, ANSWER, SINGLE], ids=["request", "two", "answer"])
def test_both_ways_of_reading_agree(template: bytes) -> None:
    parse_message(REQUEST % {b"n": 1}, LIMITS)
    parse_message(template % {b"n": 1}, LIMITS)
    data = template % {b"n": 2}
    assert facts(parse_message(data, LIMITS)) == facts(_parse(data, LIMITS, False))


def test_what_was_seen_is_recognised_and_goes_on_as_the_parser_would_send_it() -> None:
    parse_message(REQUEST % {b"n": 1}, LIMITS)
    parse_message(SINGLE % {b"n": 1}, LIMITS)
    data = REQUEST % {b"n": 3}
    quick, slow = recognise(data, LIMITS, False), _parse(data, LIMITS, False)
    assert isinstance(quick, Request)
    assert isinstance(slow, Request)
    assert recognise(SINGLE % {b"n": 4}, LIMITS, False) is not None
    aligned = REQUEST.replace(b"Length: 5", b"Length:     5")
    parse_message(aligned % {b"n": 1}, LIMITS)
    assert recognise(aligned % {b"n": 5}, LIMITS, False) is not None
    parse_message(ANSWER % {b"n": 1}, LIMITS)
    through = recognise(ANSWER % {b"n": 4}, LIMITS, False)
    assert through is not None
    assert through.via_count == 2
    sent = []
    for request in (quick, slow):
        request.received_host, request.received_port = "192.0.2.7", 40000
        sent.append(
            (
                build_response(request, 486, to_tag=b"x"),
                forward_request(
                    request, b"sip:bob@10.0.0.2:5070", b"Via: SIP/2.0/UDP p:5060;branch=z9hG4bKp",
                    69, extra=(b"Max-Breadth: 60",),
                ),
            )
        )  # fmt: skip
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Via: SIP", b"Via: XIP"),
        (b";branch=z9hG4bK-3", b";branch=z9hG4bK,3"),
        (b";rport", b";rport;rport"),
        (b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"),
        (b"MESSAGE sip:bob", b"MESSAGE  sip:bob"),
        (b"MESSAGE sip:bob@ims.test", b"MESSAGE sip:bob@ims.test?a=b"),
        (b"MESSAGE sip", b"REGISTER sip"),
        (b"Max-Forwards: 70", b"Max-Forwards: 256"),
        (b"Max-Forwards: 70", b"Max-Forwards: x"),
        (b";tag=a3", b";tag="),
        (b";tag=a3", b";tag=a 3"),
        (b"To: <sip:bob@ims.test>", b"To: <sip:bob@ims.test"),
        (b"Call-ID: 3", b"Call-ID: {3"),
        (b"Call-ID: 3-abc@192.0.2.1", b"Call-ID: "),
        (b"CSeq: 3 ", b"CSeq: 2147483648 "),
        (b"CSeq: 3 ", b"CSeq: 3"),
        (b"text/plain;", b"text;"),
        (b"Length: 5", b"Length: 6"),
        (b"Length: 5", b"Length: -5"),
        (b"kept", b"ke\x00pt"),
        (b"kept", b"ke\rpt"),
        (b"\r\nX-Other:  kept", b"\r\n\tX-Other:  kept"),
        (b"hello", b"hell"),
    ],
)
def test_what_is_not_quite_as_it_should_be_is_refused_or_read_by_the_parser(
    old: bytes, new: bytes
) -> None:
    parse_message(REQUEST % {b"n": 1}, LIMITS)
    data = REQUEST % {b"n": 3}
    assert data.count(old) == 1
    data = data.replace(old, new)
    outcomes: list[object] = []
    for read in (parse_message, lambda data, limits: _parse(data, limits, False)):
        try:
            outcomes.append(facts(read(data, LIMITS)))
        except BadMessage as error:
            outcomes.append((type(error), error.phrase, error.status_hint, error.close))
    assert outcomes[0] == outcomes[1]


def test_no_sender_teaches_where_the_branch_of_another_stands() -> None:
    # The same octets without the branch, which stands elsewhere in each.
    for via in (b";rport;x;branch=q", b";rport;branch=q;x", b";x;branch=q;rport"):
        parse_message(REQUEST.replace(b";branch=z9hG4bK-%(n)d;rport", via) % {b"n": 1}, LIMITS)
    for via in (b";rport;branch=z9hG4bK-7", b";branch=z9hG4bK-7;rport", b";rport;branch=q"):
        data = REQUEST.replace(b";branch=z9hG4bK-%(n)d;rport", via) % {b"n": 7}
        assert facts(parse_message(data, LIMITS)) == facts(_parse(data, LIMITS, False))
        assert parse_message(data, LIMITS).branch == via.partition(b"branch=")[2].split(b";")[0]


VIA_PARAMS = (b";rport", b";branch=z9hG4bK-7", b";branch=q", b";x", b";received=::1")
PARTIES = (b"<sip:a@b>", b"sip:a@b", b'"x>y" <sip:a@b>', b"<sip:a@b;u>", b"<tel:+1>")
TAGS = (b";tag=1", b"", b" ;tag=1", b";tag=1 ", b";x;tag=1", b";tag", b";tag=1;tag=2")


def any_message(chance: random.Random) -> bytes:
    """One of the messages that a few pieces make; the first of several is the usual one."""

    def pick(*pieces: bytes) -> bytes:
        return pieces[0] if chance.random() < 0.7 else chance.choice(pieces)

    method = pick(b"MESSAGE", b"INVITE")
    via = b"SIP/2.0/UDP h" + b"".join(chance.choices(VIA_PARAMS, k=chance.randrange(1, 4)))
    lines = [
        pick(b"Via: ", b"v:") + via,
        pick(b"From: ", b"f: ") + pick(*PARTIES) + pick(*TAGS),
        b"To: " + pick(*PARTIES) + pick(*TAGS),
        b"CSeq: " + pick(b"1 ", b"1  ", b"x ") + method,
        b"Call-ID: " + pick(b"a@b", b"1", b" 1", b"{", b""),
        b"Content-Length: " + pick(b"2", b"02", b" 2", b"1", b"3", b"+2"),
        pick(b"X: y", b"Via: SIP/2.0/UDP p", b"Max-Forwards: 256", b"X:\r\n y"),
    ]
    if chance.random() < 0.2:
        chance.shuffle(lines)
    start = pick(method + b" sip:b SIP/2.0", b"SIP/2.0 200 OK")
    return b"\r\n".join([start, *lines, b"", b"hi"])


def test_whatever_came_before_a_message_is_read_as_the_parser_reads_it() -> None:
    chance = random.Random(1)
    recognised = 0
    for _ in range(500):
        data = any_message(chance)
        with contextlib.suppress(BadMessage):
            recognised += recognise(data, LIMITS, False) is not None
        outcomes: list[object] = []
        for read in (parse_message, _parse):
            try:
                outcomes.append(facts(read(data, LIMITS, False)))
            except BadMessage as error:
                outcomes.append((type(error), error.status_hint, error.close))
        assert outcomes[0] == outcomes[1], data
    assert recognised > 10


def with_contact(number: int, contact: bytes) -> bytes:
    return REQUEST.replace(b"X-Other:  kept as it is \r\n", contact) % {b"n": number}


def test_a_contact_line_is_good_again_and_a_bad_one_is_bad_again() -> None:
    good = b'Contact: <sip:alice@192.0.2.1:5062>;expires=60;+sip.instance="<urn:uuid:1>"\r\n'
    for number in range(3):
        request = parse_message(with_contact(number, good), LIMITS, False)
        assert isinstance(request, Request)
        contacts = request.contacts()
        assert isinstance(contacts, list)
        (contact,) = contacts
        assert (contact.uri.raw, contact.param(b"expires")) == (b"sip:alice@192.0.2.1:5062", b"60")
        with pytest.raises(BadMessage, match="Contact"):
            parse_message(with_contact(number, b"Contact: <sip:alice@192.0.2.1\r\n"), LIMITS, False)
