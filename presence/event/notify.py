# SPDX-License-Identifier: Apache-2.0
"""The octets of a NOTIFY (RFC 6665 4.2.2, 8.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sip import octets
from sip.dialog import Dialog

from .package import Body
from .states import EVENTS, STATES, WatcherState
from .subscription import Subscription

__all__ = ["draft_fields", "notify", "state_value"]

_ACTIVE: Final = WatcherState.ACTIVE
_TERMINATED: Final = WatcherState.TERMINATED
_LASTING: Final = 4096
# What most NOTIFYs say, by the seconds that are left: watchers come in their thousands.
_lasting: dict[int, bytes] = {}
_names: dict[str, bytes] = {}  # of the packages there are


def state_value(sub: Subscription, state: WatcherState, now: float) -> bytes:
    """Return the value of Subscription-State."""
    if state is not _TERMINATED:
        left = int(sub.expires_at - now + 0.5)
        if left < 0:
            left = 0
        if state is not _ACTIVE or sub.rates:
            return b"%b;expires=%d%b" % (STATES[state], left, sub.rates)
        value = _lasting.get(left)
        if value is None:
            if len(_lasting) >= _LASTING:
                _lasting.clear()
            value = _lasting[left] = b"active;expires=%d" % left
        return value
    value = b"terminated;reason=" + EVENTS[sub.event]
    if sub.retry_after >= 0:
        value += b";retry-after=%d" % sub.retry_after
    return value


def notify(
    sub: Subscription,
    uri: bytes,
    routes: Sequence[bytes],
    via: bytes,
    state: bytes,
    body: Body | None,
) -> bytes:
    """Return a whole NOTIFY. What does not depend on the watcher is only copied."""
    dialog: Dialog = sub.dialog
    end = b"Content-Length: 0\r\n\r\n" if body is None else body.tail or _tail(body)
    lines = sub.package.lines
    if lines:
        end = b"".join([line + b"\r\n" for line in lines]) + end
    if sub.charging:
        end = b"P-Charging-Vector: icid-value=%b\r\n%b" % (sub.charging, end)
    way = b"" if not routes else b"".join([b"Route: %b\r\n" % route for route in routes])
    # One join of pieces takes a third of the time that a format of so many does.
    return octets.concat_all(
        (
            b"NOTIFY ", uri, b" SIP/2.0\r\n", via, b"\r\nMax-Forwards: 70\r\n", way,
            b"From: ", dialog.local_uri, b";tag=", dialog.local_tag,
            b"\r\nTo: ", dialog.remote_uri, b";tag=", dialog.remote_tag,
            b"\r\nCall-ID: ", dialog.call_id, b"\r\nCSeq: ", octets.decimal(dialog.local_cseq),
            b" NOTIFY\r\nContact: ", sub.contact, b"\r\nEvent: ", _event(sub),
            b"\r\nSubscription-State: ", state, b"\r\n", end,
        )
    )  # fmt: skip


def _tail(body: Body) -> bytes:
    """Return the end of a NOTIFY that every watcher of this body is sent."""
    etag = b"SIP-ETag: %b\r\n" % body.etag if body.etag else b""
    content = body.content
    if content:
        body.tail = b"%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            etag, body.content_type, len(content), content,
        )  # fmt: skip
    else:
        body.tail = etag + b"Content-Length: 0\r\n\r\n"
    return body.tail


def draft_fields(sub: Subscription, state: bytes, body: Body | None) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a NOTIFY that a fork carries."""
    dialog = sub.dialog
    fields = [
        (b"From", b"%b;tag=%b" % (dialog.local_uri, dialog.local_tag)),
        (b"To", b"%b;tag=%b" % (dialog.remote_uri, dialog.remote_tag)),
        (b"Call-ID", dialog.call_id),
        (b"CSeq", b"%d NOTIFY" % dialog.local_cseq),
        (b"Contact", sub.contact),
        (b"Event", _event(sub)),
        (b"Subscription-State", state),
    ]
    for line in sub.package.lines:
        name, _, value = line.partition(b": ")
        fields.append((name, value))
    if sub.charging:
        fields.append((b"P-Charging-Vector", b"icid-value=" + sub.charging))
    if body is not None and body.etag:
        fields.append((b"SIP-ETag", body.etag))
    if body is not None and body.content:
        fields.append((b"Content-Type", body.content_type))
    return fields


def _event(sub: Subscription) -> bytes:
    name: str = sub.package.name
    value = _names.get(name)
    if value is None:
        value = _names[name] = name.encode("ascii")
    return b"%b;id=%b" % (value, sub.event_id) if sub.event_id else value
