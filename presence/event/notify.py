# SPDX-License-Identifier: Apache-2.0
"""The octets of a NOTIFY (RFC 6665 4.2.2, 8.2)."""

from __future__ import annotations

from collections.abc import Sequence

from .package import Body
from .states import EVENTS, STATES, WatcherState
from .subscription import Subscription

__all__ = ["draft_fields", "notify", "state_value"]


def state_value(sub: Subscription, state: WatcherState, now: float) -> bytes:
    """Return the value of Subscription-State."""
    if state is not WatcherState.TERMINATED:
        left = max(0, int(sub.expires_at - now + 0.5))
        return b"%b;expires=%d%b" % (STATES[state], left, sub.rates)
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
    dialog = sub.dialog
    way = b"" if not routes else b"".join([b"Route: %b\r\n" % route for route in routes])
    head = (
        b"NOTIFY %b SIP/2.0\r\n%b\r\nMax-Forwards: 70\r\n%bFrom: %b;tag=%b\r\nTo: %b;tag=%b\r\n"
        b"Call-ID: %b\r\nCSeq: %d NOTIFY\r\nContact: %b\r\nEvent: %b\r\nSubscription-State: %b\r\n"
    ) % (
        uri, via, way, dialog.local_uri, dialog.local_tag, dialog.remote_uri, dialog.remote_tag,
        dialog.call_id, dialog.local_cseq, sub.contact, _event(sub), state,
    )  # fmt: skip
    if sub.package.lines:
        head += b"".join([line + b"\r\n" for line in sub.package.lines])
    if body is None:
        return head + b"Content-Length: 0\r\n\r\n"
    if body.etag:
        head = b"%bSIP-ETag: %b\r\n" % (head, body.etag)
    content = body.content
    if not content:
        return head + b"Content-Length: 0\r\n\r\n"
    return b"%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        head, body.content_type, len(content), content,
    )  # fmt: skip


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
    if body is not None and body.etag:
        fields.append((b"SIP-ETag", body.etag))
    if body is not None and body.content:
        fields.append((b"Content-Type", body.content_type))
    return fields


def _event(sub: Subscription) -> bytes:
    name = sub.package.name.encode("ascii")
    return b"%b;id=%b" % (name, sub.event_id) if sub.event_id else name
