# SPDX-License-Identifier: Apache-2.0
"""Messages that ask for notifications (IMDN), and what devices and nodes say about them."""

from __future__ import annotations

from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn import Notification, build_imdn, notifications, wrap_imdn

CPIM_TYPE = ((b"Content-Type", b"message/cpim"),)


def asking(
    message_id: bytes,
    *wants: str,
    text: bytes = b"hello",
    sender: bytes = b"sip:alice@ims.test",
    recipient: bytes = b"sip:bob@ims.test",
    more: bytes = b"",
) -> bytes:
    """Write a CPIM message that asks for ``wants``; ``more``: further whole header lines."""
    return (
        b"From: <%b>\r\nTo: <%b>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
        b"imdn.Message-ID: %b\r\nDateTime: 2026-11-23T12:00:00Z\r\n"
        b"imdn.Disposition-Notification: %b\r\n%b\r\n"
        b"Content-Type: text/plain\r\n\r\n%b"
    ) % (sender, recipient, message_id, ", ".join(wants).encode(), more, text)


def telling(
    about: str,
    kind: str,
    status: str,
    *,
    message_id: bytes = b"imdn-1",
    sender: bytes = b"sip:bob@ims.test",
    recipient: bytes = b"sip:alice@ims.test",
    routes: tuple[bytes, ...] = (),
) -> bytes:
    """Write the notification of a device."""
    document = build_imdn(Notification(kind, status, about, "2026-11-23T12:00:00Z"))
    return wrap_imdn(document, message_id, sender, recipient, routes).encode()


def told(bodies: list[bytes]) -> list[tuple[str, str, str]]:
    """Return (message id, kind, status) of every notification among bodies, in order."""
    said = []
    for body in bodies:
        if b"imdn+xml" not in body:
            continue
        said += [(n.message_id, n.kind, n.status) for n in notifications(parse_cpim(body))]
    return said
