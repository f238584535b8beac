# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sip.dialog import (
    Dialog,
    accept_request,
    accept_response,
    key_of_request,
    key_of_response,
    next_request,
    request_route,
    uac_dialog,
    uas_dialog,
)
from sip.errors import LocalProtocolError, ParseError
from sip.message import Request, Response, build_response
from sip.parser import parse_message
from tests.support.proxied import LIMITS, request_text

ROUTES = ["Record-Route: <sip:p2;lr>, <sip:p1;lr;x=1>;y=2"]


def request(method: str = "INVITE", **fields: object) -> Request:
    message = parse_message(request_text(method, **fields), LIMITS)  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def response(to: Request, status: int, *lines: bytes, tag: bytes = b"b1") -> Response:
    data = build_response(to, status, extra=lines, to_tag=tag, record_route=True)
    message = parse_message(data, LIMITS)
    assert isinstance(message, Response)
    return message


def test_the_callees_side() -> None:
    invite = request(lines=ROUTES, cseq=7)
    dialog = uas_dialog(invite, b"b1")
    assert dialog.key == (b"call-1", b"b1", b"alice-tag")
    assert dialog.local_uri == b"<sip:bob@ims.test>"
    assert dialog.remote_uri == b"<sip:alice@ims.test>"
    assert dialog.remote_target == b"sip:alice@198.51.100.1:5060"
    assert dialog.route_set == (b"<sip:p2;lr>", b"<sip:p1;lr;x=1>;y=2")
    assert (dialog.local_cseq, dialog.remote_cseq) == (-1, 7)
    assert dialog.confirmed
    assert not dialog.secure


def test_the_callers_side_turns_the_route_set_round() -> None:
    invite = request(lines=ROUTES, cseq=7)
    dialog = uac_dialog(response(invite, 180, b"Contact: Bob <sip:bob@203.0.113.5>;x"))
    assert dialog.key == (b"call-1", b"alice-tag", b"b1")
    assert dialog.route_set == (b"<sip:p1;lr;x=1>;y=2", b"<sip:p2;lr>")
    assert dialog.remote_target == b"sip:bob@203.0.113.5"
    assert (dialog.local_cseq, dialog.remote_cseq) == (7, -1)
    assert not dialog.confirmed


def test_secure_needs_tls_and_sips() -> None:
    sips = request(uri="sips:bob@ims.test")
    assert uas_dialog(sips, b"t", secure=True).secure
    assert not uas_dialog(request(), b"t", secure=True).secure
    assert not uas_dialog(sips, b"t").secure


def test_keys_agree_on_both_sides() -> None:
    invite = request()
    ok = response(invite, 200, b"Contact: <sip:bob@203.0.113.5>")
    assert key_of_response(ok) == uac_dialog(ok).key
    bye = request("BYE", to_tag="b1")
    assert key_of_request(bye) == uas_dialog(invite, b"b1").key


@pytest.mark.parametrize("contact", [None, "one>, <sip:two@h"])
def test_a_dialog_needs_exactly_one_contact(contact: str | None) -> None:
    if contact is not None:
        contact = "sip:" + contact
    with pytest.raises(ParseError):
        uas_dialog(request(contact=contact), b"t")


def test_requests_inside_the_dialog_count_up() -> None:
    dialog = uas_dialog(request(lines=ROUTES), b"b1")
    uri, headers = next_request(dialog, "BYE")
    assert uri == b"sip:alice@198.51.100.1:5060"
    assert headers == [
        (b"Route", b"<sip:p2;lr>"),
        (b"Route", b"<sip:p1;lr;x=1>;y=2"),
        (b"From", b"<sip:bob@ims.test>;tag=b1"),
        (b"To", b"<sip:alice@ims.test>;tag=alice-tag"),
        (b"Call-ID", b"call-1"),
        (b"CSeq", b"1 BYE"),
    ]
    assert next_request(dialog, "INFO")[1][-1] == (b"CSeq", b"2 INFO")
    assert next_request(dialog, "ACK", cseq=1)[1][-1] == (b"CSeq", b"1 ACK")
    assert next_request(dialog, "INFO")[1][-1] == (b"CSeq", b"3 INFO")


def test_cseq_runs_out() -> None:
    dialog = Dialog(b"c", b"l", b"r", b"<sip:l>", b"<sip:r>", b"sip:r@h", local_cseq=2**31 - 1)
    with pytest.raises(LocalProtocolError):
        next_request(dialog, "BYE")


def test_a_bare_uri_is_put_in_brackets_before_the_tag() -> None:
    dialog = Dialog(b"c", b"l", b"", b"sip:l@h", b"sip:r@h", b"sip:r@h")
    headers = dict(next_request(dialog, "BYE")[1])
    assert headers[b"From"] == b"<sip:l@h>;tag=l"
    assert headers[b"To"] == b"sip:r@h"


def test_other_parameters_of_from_are_kept() -> None:
    text = request_text("INVITE").replace(
        b"From: <sip:alice@ims.test>;tag=alice-tag",
        b'From: "A \\" L" <sip:alice@ims.test>;x;tag=t;y="1;2"',
    )
    invite = parse_message(text, LIMITS)
    assert isinstance(invite, Request)
    assert uas_dialog(invite, b"t").remote_uri == b'"A \\" L" <sip:alice@ims.test>;x;y="1;2"'


def test_strict_first_route() -> None:
    # The example of RFC 3261 12.2.1.1.
    dialog = Dialog(
        b"c", b"l", b"r", b"<sip:l>", b"<sip:r>", b"sip:user@remoteua",
        (b"<sip:proxy1>", b"<sip:proxy2>", b"<sip:proxy3;lr>", b"<sip:proxy4>"),
    )  # fmt: skip
    assert request_route(dialog) == (
        b"sip:proxy1",
        (b"<sip:proxy2>", b"<sip:proxy3;lr>", b"<sip:proxy4>", b"<sip:user@remoteua>"),
    )


def test_requests_from_the_peer_must_count_up() -> None:
    dialog = uas_dialog(request(cseq=5), b"b1")
    assert accept_request(dialog, request("INFO", cseq=5)) == 500
    assert accept_request(dialog, request("INFO", cseq=4)) == 500
    assert accept_request(dialog, request("INFO", cseq=9)) == 0
    assert dialog.remote_cseq == 9
    assert accept_request(dialog, request("ACK", cseq=5)) == 0
    fresh = uac_dialog(response(request(), 200, b"Contact: <sip:b@h>"))
    assert accept_request(fresh, request("BYE", cseq=0)) == 0


def test_a_target_refresh_moves_the_target() -> None:
    dialog = uas_dialog(request(), b"b1")
    moved = "sip:alice@198.51.100.99"
    assert accept_request(dialog, request("INFO", cseq=2, contact=moved)) == 0
    assert dialog.remote_target == b"sip:alice@198.51.100.1:5060"
    assert accept_request(dialog, request("UPDATE", cseq=3, contact=moved)) == 0
    assert dialog.remote_target == moved.encode()
    both = "sip:a@h>, <sip:b@h"
    assert accept_request(dialog, request("INVITE", cseq=4, contact=both)) == 400
    assert dialog.remote_cseq == 3


def test_responses() -> None:
    invite = request()
    dialog = uac_dialog(response(invite, 183, b"Contact: <sip:b@h>"))
    assert accept_response(dialog, response(invite, 200, b"Contact: <sip:b@other>"))
    assert dialog.confirmed
    assert dialog.remote_target == b"sip:b@other"
    assert accept_response(dialog, response(invite, 486))
    assert accept_response(dialog, response(request("INFO"), 200, b"Contact: <sip:x@y>"))
    assert dialog.remote_target == b"sip:b@other"
    assert not accept_response(dialog, response(request("INFO"), 481))
    assert not accept_response(dialog, response(request("INFO"), 408))
