"""What this node asks of session timers, and what a response settles (RFC 4028 8)."""

from __future__ import annotations

import pytest

from imsnode.msrp.timer import SessionTimer
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message

HEAD = (
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:alice@ims.test>;tag=f1\r\n"
    "To: <sip:bob@ims.test>;tag=t1\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"
)


def message(start: str, *lines: str) -> Request | Response:
    text = "".join(f"{line}\r\n" for line in lines)
    parsed = parse_message(f"{start}\r\n{HEAD}{text}Content-Length: 0\r\n\r\n".encode(), Limits())
    assert isinstance(parsed, Request | Response)
    return parsed


def invite(*lines: str) -> Request:
    parsed = message("INVITE sip:bob@ims.test SIP/2.0", *lines)
    assert isinstance(parsed, Request)
    return parsed


def ok(*lines: str) -> Response:
    parsed = message("SIP/2.0 200 OK", *lines)
    assert isinstance(parsed, Response)
    return parsed


@pytest.mark.parametrize(
    ("lines", "expires", "least"),
    [
        ((), b"1800", None),
        (("Min-SE: 3600",), b"3600", b"3600"),
        (("Session-Expires: 600;refresher=uac",), b"600;refresher=uac", None),
        (("x: 7200",), b"1800", None),
        (("Session-Expires: 7200;refresher=uas", "Min-SE: 4000"), b"4000;refresher=uas", b"4000"),
        (("Session-Expires: 30",), b"90", b"90"),
        (("Session-Expires: 100", "Min-SE: 200", "Supported: timer"), b"200", b"200"),
        (("Session-Expires: nonsense",), b"1800", None),
    ],
)
def test_what_is_asked_for(lines: tuple[str, ...], expires: bytes, least: bytes | None) -> None:
    request = invite(*lines)
    timer = SessionTimer(request, 1800)
    assert timer.refusal() is None
    timer.ask(request)
    assert request.get_all("session-expires") == [expires]
    assert request.get("min-se") == least


def test_too_little_is_422_for_who_can_ask_again() -> None:
    refusal = SessionTimer(invite("Session-Expires: 60", "Supported: timer, path"), 1800).refusal()
    assert refusal is not None
    assert (refusal.status, refusal.lines) == (422, (b"Min-SE: 90",))


def test_the_callee_settles_it() -> None:
    request = invite("Supported: timer")
    timer = SessionTimer(request, 1800)
    timer.ask(request)
    assert timer.settle(ok("Session-Expires: 900;refresher=uas")) == 900


def test_for_a_callee_without_timers_the_caller_is_told() -> None:
    timer = SessionTimer(invite("Supported: timer"), 1800)
    response = ok("Require: precondition")
    assert timer.settle(response) == 1800
    assert response.get("session-expires") == b"1800;refresher=uac"
    assert response.tokens("require") == [b"precondition", b"timer"]


def test_where_nobody_knows_timers_there_is_none() -> None:
    timer = SessionTimer(invite(), 1800)
    response = ok()
    assert timer.settle(response) == 0
    assert not response.has("session-expires")
