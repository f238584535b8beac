# SPDX-License-Identifier: Apache-2.0
"""Live traffic for whoever follows it: one JSON line per message on the wire.

Without a subscriber nothing is attached to the driver, so the traffic pays one attribute check.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from sip.aio import Tap
from sip.errors import BadMessage
from sip.flow import Flow
from sip.grammar import split_commas

__all__ = ["Subscription", "TraceFull", "TraceHub"]

_COMPACT: Final = {
    b"i": b"call-id",
    b"f": b"from",
    b"t": b"to",
    b"v": b"via",
    b"c": b"content-type",
}
_SHOWN: Final = frozenset((b"call-id", b"cseq", b"from", b"to", b"via", b"content-type"))
_SECRET_LINES: Final = frozenset(
    (b"authorization", b"proxy-authorization", b"www-authenticate", b"proxy-authenticate",
     b"authentication-info", b"proxy-authentication-info")
)  # fmt: skip
# What of a digest says nothing that could be used again.
_OPEN_PARAMS: Final = frozenset(
    (b"username", b"realm", b"algorithm", b"qop", b"nc", b"stale", b"uri")
)
_MASK: Final = b"[masked]"


class TraceFull(Exception):
    """As many subscribers as allowed follow the traffic already."""


class Subscription:
    """The lines one subscriber still has to read; iterate over it.

    A reader that falls behind loses lines, never holds up the traffic, and is told how many.
    """

    def __init__(self, hub: TraceHub, *, bodies: bool, contains: bytes, queue: int) -> None:
        self.bodies = bodies
        self.contains = contains
        self._hub = hub
        self._lines: deque[bytes] = deque()
        self._room = queue
        self._lost = 0
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, line: bytes) -> None:
        """Take a line, or count it as lost."""
        if len(self._lines) >= self._room:
            self._lost += 1
        else:
            self._lines.append(line)
        self._ready.set()

    def close(self) -> None:
        """Follow no longer; the iteration ends after the lines that are there."""
        self._closed = True
        self._ready.set()
        self._hub.leave(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._lines:
                yield self._lines.popleft()
            if self._lost:
                lost, self._lost = self._lost, 0
                yield _line({"lost": lost})
                continue
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()


class TraceHub:
    """Hands wire events to subscribers.

    Args:   set_tap: called with a listener when the first subscriber comes, with None when the
            last one goes; wall: epoch seconds; queue: lines one subscriber may be behind.
    """

    def __init__(
        self,
        set_tap: Callable[[Tap | None], None],
        wall: Callable[[], float],
        max_subscribers: int = 8,
        queue: int = 2000,
    ) -> None:
        self._set_tap = set_tap
        self._wall = wall
        self._most = max_subscribers
        self._queue = queue
        self._subscribers: list[Subscription] = []

    @property
    def active(self) -> bool:
        """True while somebody follows."""
        return bool(self._subscribers)

    def subscribe(self, *, bodies: bool = False, contains: str = "") -> Subscription:
        """Begin to follow.

        Args:   bodies: show bodies and credentials as they are; contains: only messages that hold
                this text in start line or headers.
        Raises: TraceFull.
        """
        if len(self._subscribers) >= self._most:
            raise TraceFull
        subscription = Subscription(
            self, bodies=bodies, contains=contains.encode(), queue=self._queue
        )
        self._subscribers.append(subscription)
        if len(self._subscribers) == 1:
            self._set_tap(self.wire)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscriber; a second call does nothing."""
        if subscription in self._subscribers:
            self._subscribers.remove(subscription)
            if not self._subscribers:
                self._set_tap(None)

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in list(self._subscribers):
            subscription.close()

    def wire(self, direction: str, flow: Flow, data: bytes, now: float) -> None:
        """Tell of one message on the wire."""
        head, gap, body = data.partition(b"\r\n\r\n")
        plain: bytes | None = None
        masked: bytes | None = None
        for subscription in self._subscribers:
            if subscription.contains and subscription.contains not in head:
                continue
            if subscription.bodies:
                plain = plain or _line(self._event(direction, flow, head, data, data))
                subscription.offer(plain)
            else:
                if masked is None:
                    shown = masked_message(head, gap, body)
                    masked = _line(self._event(direction, flow, head, data, shown))
                subscription.offer(masked)

    def _event(
        self, direction: str, flow: Flow, head: bytes, data: bytes, shown: bytes
    ) -> dict[str, object]:
        values = _values(head)
        return {
            "at": round(self._wall(), 6),
            "dir": direction,
            "transport": flow.transport,
            "local": _address(flow.local),
            "remote": _address(flow.remote),
            "start": _text(head.partition(b"\r\n")[0]),
            "call_id": _text(values.get(b"call-id", b"")),
            "cseq": _text(values.get(b"cseq", b"")),
            "branch": _text(_branch(values.get(b"via", b""))),
            "from": _text(values.get(b"from", b"")),
            "to": _text(values.get(b"to", b"")),
            "size": len(data),
            "text": _text(shown),
        }


def masked_message(head: bytes, gap: bytes, body: bytes) -> bytes:
    """Return a message without its body and without what would let a reader answer a challenge."""
    lines = [_masked_line(line) for line in _logical_lines(head)]
    shown = b"\r\n".join(lines) + gap
    if body:
        kind = _values(head).get(b"content-type", b"unknown type")
        shown += b"[%d octets %b]" % (len(body), kind)
    return shown


def _masked_line(line: bytes) -> bytes:
    name, colon, value = line.partition(b":")
    if not colon or name.strip().lower() not in _SECRET_LINES:
        return line
    if name.strip().lower().endswith(b"-info"):  # Authentication-Info has no scheme
        return b"%b: %b" % (name, _masked_params(value))
    scheme, _, params = value.strip().partition(b" ")
    if scheme.lower() != b"digest":
        return b"%b: %b" % (name, _MASK)
    return b"%b: %b %b" % (name, scheme, _masked_params(params))


def _masked_params(params: bytes) -> bytes:
    shown = []
    try:
        for param in split_commas(params):
            key, equals, _ = param.partition(b"=")
            if not equals:
                return _MASK
            open_to_all = key.strip().lower() in _OPEN_PARAMS
            shown.append(param.strip() if open_to_all else key.strip() + equals + _MASK)
    except BadMessage:  # what cannot be read is not shown
        return _MASK
    return b", ".join(shown)


def _logical_lines(head: bytes) -> list[bytes]:
    """Return header lines with folds joined, however the line ends look."""
    lines: list[bytes] = []
    for line in head.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if lines and line[:1] in (b" ", b"\t"):
            lines[-1] += b" " + line.strip(b" \t")
        else:
            lines.append(line)
    return lines


def _values(head: bytes) -> dict[bytes, bytes]:
    """Return the first value of each header that the trace shows in a field of its own."""
    values: dict[bytes, bytes] = {}
    for line in _logical_lines(head)[1:]:
        name, colon, value = line.partition(b":")
        key = name.strip().lower()
        key = _COMPACT.get(key, key)
        if colon and key in _SHOWN:
            values.setdefault(key, value.strip())
    return values


def _branch(via: bytes) -> bytes:
    for param in via.partition(b",")[0].split(b";")[1:]:
        key, _, value = param.partition(b"=")
        if key.strip().lower() == b"branch":
            return value.strip()
    return b""


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _line(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
