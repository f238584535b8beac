# SPDX-License-Identifier: Apache-2.0
"""Messages that a transport keeps apart (RFC 7118 5)."""

from __future__ import annotations

import pytest

from sip.errors import BadMessage
from sip.framer import PING, Ping
from sip.limits import Limits
from sip.message_framer import MessageFramer
from sip.parser import parse_message
from tests.support.wire import REQUEST, RESPONSE, changed, without

LIMITS = Limits()


def item(data: bytes, limits: Limits = LIMITS) -> bytes | Ping | None:
    framer = MessageFramer(limits)
    framer.feed(data)
    found = framer.next()
    assert framer.next() is None
    return found


@pytest.mark.parametrize("message", [REQUEST, RESPONSE])
def test_a_message_is_what_it_was(message: bytes) -> None:
    assert item(message) == message
    assert item(b"\r\n" + message) == message


def test_a_missing_length_is_added() -> None:
    message = without(b"Content-Length")
    body = message.partition(b"\r\n\r\n")[2]
    found = item(message)
    assert isinstance(found, bytes)
    assert found.endswith(b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert parse_message(found, LIMITS, True).body == body


@pytest.mark.parametrize("name", [b"l", b"content-length ", b"CONTENT-LENGTH\t"])
def test_a_length_in_any_spelling_stays(name: bytes) -> None:
    message = changed(REQUEST, b"Content-Length:", name + b":")
    assert item(message) == message


@pytest.mark.parametrize(
    ("data", "found"), [(b"\r\n\r\n", PING), (b"\r\n\r\n\r\n", PING), (b"\r\n", None), (b"", None)]
)
def test_keep_alives(data: bytes, found: Ping | None) -> None:
    assert item(data) is found


@pytest.mark.parametrize(
    "data", [b"hello", b"hello\r\n\r\n", REQUEST.partition(b"\r\n\r\n")[0], b"\x00" * 40]
)
def test_what_is_no_message_ends_the_connection(data: bytes) -> None:
    framer = MessageFramer(LIMITS)
    framer.feed(data)
    with pytest.raises(BadMessage) as caught:
        framer.next()
    assert caught.value.close
    assert framer.closed
    framer.feed(REQUEST)
    assert framer.next() is None


def test_what_can_be_answered_is_answered() -> None:
    framer = MessageFramer(Limits(head_bytes=200))
    framer.feed(REQUEST)
    with pytest.raises(BadMessage) as caught:
        framer.next()
    assert caught.value.partial is not None
