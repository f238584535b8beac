# SPDX-License-Identifier: Apache-2.0
"""P-Served-User, P-Charging-Vector, original dialog identifiers, bodies of third-party REGISTERs."""

from __future__ import annotations

import pytest

from imsnode.ims.criteria import ApplicationServer, SptCase
from imsnode.ims.dialog_id import DialogId, DialogIds
from imsnode.ims.served_user import ServedUser, SessionCase, read_served_user
from imsnode.ims.third_party import SERVICE_INFO, body_for
from sip.bodies.multipart import parse_multipart
from sip.errors import ParseError
from sip.headers.charging import ChargingVector, read_charging_vector
from sip.uri import parse_uri

USER = parse_uri(b"sip:user@example.com")


@pytest.mark.parametrize(
    ("value", "case", "registered"),
    [
        (b"<sip:user@example.com>; sescase=orig; regstate=reg", SessionCase.ORIGINATING, True),
        (b'"U" <sip:user@example.com>;SesCase=TERM;regstate=UNREG', SessionCase.TERMINATING, False),
        (b"sip:user@example.com;sescase=term", SessionCase.TERMINATING, None),
        (b"<sip:user@example.com>;orig-cdiv", SessionCase.AFTER_DIVERSION, None),
    ],
)
def test_p_served_user(value: bytes, case: SessionCase, registered: bool | None) -> None:
    """RFC 5502 6, RFC 8498."""
    found = read_served_user(value)
    assert found is not None
    assert (found.uri.aor, found.case, found.registered) == (
        "sip:user@example.com",
        case,
        registered,
    )
    assert read_served_user(found.line().partition(b": ")[2]) == found


def test_p_served_user_without_a_case_says_nothing() -> None:
    assert read_served_user(b"<sip:user@example.com>") is None
    assert ServedUser(USER, SessionCase.TERMINATING, False).line() == (
        b"P-Served-User: <sip:user@example.com>;sescase=term;regstate=unreg"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net",
        b'icid-value="a b";orig-ioi=home1.net;term-ioi=home2.net;transit-ioi="x.1,void"',
    ],
)
def test_charging_vectors_keep_what_they_say(value: bytes) -> None:
    """RFC 7315 5.6: every parameter survives, known or not."""
    vector = read_charging_vector(value)
    again = read_charging_vector(vector.value())
    assert again == vector
    assert vector.orig_ioi == b"home1.net"
    answered = vector.answered_by(b"us")
    assert (answered.icid, answered.term_ioi, answered.rest) == (vector.icid, b"us", vector.rest)


@pytest.mark.parametrize("value", [b"orig-ioi=home1.net", b"", b"icid-value=", b"icid-value=a;;b"])
def test_no_charging_vector(value: bytes) -> None:
    with pytest.raises(ParseError):
        read_charging_vector(value)


def test_a_quoted_icid_stays_one() -> None:
    assert ChargingVector(b'a"b').line() == b'P-Charging-Vector: icid-value="a\\"b"'


def test_original_dialog_identifiers() -> None:
    """Nobody but their maker makes them; they fit a URI parameter."""
    ids = DialogIds(b"k" * 32)
    dialog = DialogId("sip:al%40ice@ims.test", SptCase.TERMINATING_UNREGISTERED, 12)
    text = ids.make(dialog)
    uri = parse_uri(b"sip:192.0.2.1;lr;odi=" + text)
    assert ids.read(uri.param("odi") or b"") == dialog
    assert DialogIds(b"x" * 32).read(text) is None
    for wrong in (b"", b"!", text[:-2], b"A" + text, b"A" * 500):
        assert ids.read(wrong) is None


def test_bodies_of_third_party_registers() -> None:
    """TS 24.229 5.4.1.7A: nothing, one part, or several."""
    bare = ApplicationServer(b"sip:as")
    assert body_for(bare, b"R", b"A", b"b") == (b"", b"")
    told = ApplicationServer(b"sip:as", info="a<b & c")
    kind, body = body_for(told, b"R", b"A", b"b")
    assert kind == SERVICE_INFO
    assert b"<service-info>a&lt;b &amp; c</service-info>" in body
    everything = ApplicationServer(b"sip:as", info="x", with_request=True, with_response=True)
    kind, body = body_for(everything, b"R", b"A", b"b")
    parts = parse_multipart(kind, body)
    assert [part.media_type for part in parts] == [SERVICE_INFO, b"message/sip", b"message/sip"]
    assert [part.content for part in parts[1:]] == [b"R", b"A"]
