"""Messages printed in RFCs: they parse, and come back from a forwarding hop unharmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip.errors import ParseError
from sip.limits import Limits
from sip.message import Request, Response, forward_request, forward_response
from sip.parser import parse_message

from .vectors import example_files

LIMITS = Limits()

# Misprints of the RFCs, with what is wrong in them.
MISPRINTS = {
    "rfc3428-03.sip": "From has an empty or malformed parameter",  # ";;tag="
    "rfc5626-01.sip": "Contact has an empty or malformed parameter",  # "; ;+sip.instance"
    "rfc7118-02.sip": "URI has a character that must be escaped",  # a blank inside <>
}

# The second Via has ";;": seen only when it comes to the top.
MISPRINTED_LOWER_VIA = "rfc3428-02.sip"


@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("stream", [False, True])
def test_example(path: Path, stream: bool) -> None:
    data = path.read_bytes()
    if path.name in MISPRINTS:
        with pytest.raises(ParseError) as caught:
            parse_message(data, LIMITS, stream)
        assert caught.value.reason == MISPRINTS[path.name]
        return
    message = parse_message(data, LIMITS, stream)
    if isinstance(message, Request):
        via_line = b"Via: SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKown"
        out = forward_request(
            message, uri=message.uri, via_line=via_line, max_forwards=message.max_forwards - 1
        )
        again = parse_message(out, LIMITS, stream=True)
        assert again.lines[0] == via_line
        assert [line for line in again.lines[1:] if not line.startswith(b"Max-Forwards")] == [
            line for line in message.lines if not line.startswith(b"Max-Forwards")
        ]
    else:
        if message.via_count == 1 or path.name == MISPRINTED_LOWER_VIA:
            return
        again = parse_message(forward_response(message), LIMITS, stream=True)
        assert isinstance(again, Response)
        assert (again.status, again.reason) == (message.status, message.reason)
        assert again.via_count == message.via_count - 1
    assert again.body == message.body
