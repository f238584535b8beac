"""CPIM bodies recorded and made up: what is read, what is refused, what an intermediary sees."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies import imdn_request as imdn
from sip.bodies.cpim import CpimMessage, parse_cpim
from sip.errors import ParseError

from .vectors import DATA

CASES = json.loads((DATA / "cpim" / "index.json").read_text())["cases"]
BODIES = {case["file"]: (DATA / "cpim" / case["file"]).read_bytes() for case in CASES}
# "either" and the sender that is not the authenticated one, which only its receiver can judge.
OPEN = {"own-bad-lf.cpim": False, "own-bad-from-mismatch.cpim": True}
READ = [case["file"] for case in CASES if OPEN.get(case["file"], case["expect"] == "parse")]
REFUSED = [case["file"] for case in CASES if case["file"] not in READ]

NS = b"NS: imdn <urn:ietf:params:imdn>\r\n"
PIECES = [
    NS, b"NS: <urn:ietf:params:imdn>\r\n", b"NS: x <urn:ietf:params:imdn>\r\n",
    b"NS: imdn <urn:other>\r\n", b"imdn.Message-ID: a\r\n", b"x.Message-ID: b\r\n",
    b"Message-ID: c\r\n", b"x.Disposition-Notification: display\r\n",
    b"imdn.Disposition-Notification: positive-delivery, processing;a=b\r\n",
    b"imdn.Message-ID:;q=w: a\r\n", b'Subject:;lang="a b" x\r\n', b"From: <sip:a@b>\r\n",
    b"\r\n", b"Content-Type: text/plain\r\n", b"Content-Disposition: notification\r\n",
    b"imdn.From: <sip:c@d>\r\n", b"content-type: application/im-iscomposing+xml\r\n",
    b"content-type: Message/IMDN+xml\r\n", b" folded\r\n", b"\r", b"\n", b"\x00", b"\t", b" ",
    b": ", b"\xff", b".", b"<", b">", b'"',
]  # fmt: skip


def test_all_cases_are_here() -> None:
    assert sorted(BODIES) == sorted(path.name for path in (DATA / "cpim").glob("*.cpim"))
    assert len(BODIES) == 13


@pytest.mark.parametrize("name", READ)
def test_read_and_printed_octet_for_octet(name: str) -> None:
    message = parse_cpim(BODIES[name])
    assert message.encode() == BODIES[name]
    assert BODIES[name].endswith(message.part.content)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ParseError):
        parse_cpim(BODIES[name])


@pytest.mark.parametrize("name", READ)
def test_cut_short_it_is_refused_or_has_less_content(name: str) -> None:
    whole = parse_cpim(BODIES[name])
    content_at = len(BODIES[name]) - len(whole.part.content)
    for cut in range(len(BODIES[name])):
        body = BODIES[name][:cut]
        if cut < content_at:
            with pytest.raises(ParseError):
                parse_cpim(body)
        else:
            assert parse_cpim(body).headers == whole.headers


def exercise(body: bytes) -> None:
    """Do with a body what a node does with it."""
    seen = imdn.glance(b"message/cpim", body)
    try:
        message = parse_cpim(body)
    except ParseError:
        return
    assert message.encode() == body
    assert_glance_agrees(seen, message)
    with contextlib.suppress(ParseError):
        message.claimed_senders()
    routed = imdn.with_record_route(message, b"sip:us@example.com")
    assert parse_cpim(routed.encode()) == routed
    assert routed.get(b"IMDN-Record-Route", imdn.NAMESPACE) == b"<sip:us@example.com>"
    assert routed.part == message.part


def assert_glance_agrees(seen: imdn.Glance | None, message: CpimMessage) -> None:
    asked = imdn.read(message)
    if seen is None:
        assert not asked.message_id
        assert not asked.asked
        return
    assert seen.message_id == asked.message_id
    assert seen.asked == asked.asked
    assert seen.notification == asked.notification
    assert seen.composing == asked.composing
    if seen.author.endswith(b"<sip:a@b>"):
        assert message.claimed_senders() == [b"sip:a@b"]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(list(BODIES.values())))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data = data[:start] + draw(st.sampled_from([b"", *PIECES])) + data[end:]
    return data


@given(spoiled() | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@settings(max_examples=600, deadline=None)
def test_any_octets_are_read_or_refused_and_the_glance_agrees(body: bytes) -> None:
    exercise(body)


@given(st.lists(st.sampled_from(PIECES[:12]), max_size=8).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_the_glance_agrees_whatever_the_prefixes(head: bytes) -> None:
    exercise(head + b"\r\nContent-Type: text/plain\r\n\r\nhello")
