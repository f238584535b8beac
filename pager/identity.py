# SPDX-License-Identifier: Apache-2.0
"""Who a message is: its id, the key that recognises a repeat, the identity toward a device."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from sip import octets
from sip.bodies.mediatype import is_cpim
from sip.message import Request

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_CPIM_HEAD_BYTES: Final = 8192
_IMDN: Final = b"<urn:ietf:params:imdn>"


class MessageIds:
    """Makes message ids that sort by time: "m", 7 characters of second, 6 of count, 5 of run.

    run: 5 characters of [0-9a-v], different for every run of the program, so that two runs
        within one second make different ids.
    """

    def __init__(self, run: str) -> None:
        self._until = 0.0  # the end of the second that the prefix names
        self._prefix = ""
        self._count = 0
        self._head = "0000"  # prefix and count without its last two digits
        self._tails = [f"{low:02x}{run}" for low in range(256)]

    def next(self, wall: float) -> str:
        """Return a new id; a wall clock that steps back does not disturb order or uniqueness."""
        if wall >= self._until:
            second = int(wall)
            self._until = second + 1.0
            self._prefix = "m" + _base32(second, 7)
            self._head = self._prefix + "0000"
            self._count = 0
        count = self._count = self._count + 1
        low = count & 255
        if low == 0:
            self._head = f"{self._prefix}{count >> 8:04x}"
        return self._head + self._tails[low]


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        digits.append(_DIGITS[number & 31])
        number >>= 5
    return "".join(reversed(digits))


def submission_key(request: Request, sender: str, recipient: str) -> bytes:
    """Return the 16 octets that all copies of one submission share.

    The IMDN Message-ID identifies a message that has one; else Call-ID, CSeq and From-tag do
    (RFC 5438 6.3; RFC 3261 8.2.2.2). Sender and recipient always belong to it, so that nobody
    can occupy somebody else's identity.
    """
    return copy_key(request_identity(request), sender, recipient)


def request_identity(request: Request) -> bytes:
    """Return the part of a submission's key that the request alone decides."""
    message_id = cpim_message_id(request.get("content-type"), request.body)
    if message_id:
        return b"imdn:" + message_id
    call_id = request.call_id
    head = f"sip:{len(call_id)}:".encode()
    return b"".join((head, call_id, f"{request.cseq}:".encode(), request.from_tag))


def copy_key(identity: bytes, sender: str, recipient: str) -> bytes:
    """Return the key of the copy that one recipient gets of a message with this identity."""
    who = f"{len(sender)}:{sender}{len(recipient)}:{recipient}"
    return blake2b(who.encode() + identity, digest_size=16).digest()


def cpim_message_id(content_type: bytes | None, body: bytes) -> bytes:
    """Return the Message-ID of the IMDN name space in a CPIM body, b"" when there is none.

    Looks at the first 8 KiB. Header names are case-sensitive and the prefix is whatever an NS
    line before it says (RFC 3862 2.3, 3.4).
    """
    if content_type is None or not is_cpim(content_type):
        return b""
    name = b""
    end = min(len(body), _CPIM_HEAD_BYTES)
    at = 0
    while at < end:
        stop = octets.find(body, b"\r\n", at)
        if stop < 0 or stop > end:
            stop = end
        if stop == at:
            break
        if octets.starts(body, b"NS: ", at):
            bracket = stop - len(_IMDN)
            if bracket >= at + 4 and octets.starts(body, _IMDN, bracket):
                prefix = body[at + 4 : bracket].partition(b"<")[0].strip(b" ")
                name = prefix + b".Message-ID: " if prefix else b"Message-ID: "
        elif name and octets.starts(body, name, at):
            return body[at + len(name) : stop]
        at = stop + 2
    return b""


def delivery_call_id(message_id: str, device: str) -> bytes:
    """Return the Call-ID under which a stored message goes to a device, at every attempt.

    Always the same, so that a device whose 200 was lost recognises the repeat; different per
    device, since two devices may share a proxy that would take the second for a loop.
    """
    mark = blake2b(device.encode(), digest_size=6).hexdigest()
    return f"{message_id}-{mark}".encode()


def imdn_key(message_id: bytes, sender: str, recipient: str) -> bytes:
    """Return the ``submission_key`` of a message by its imdn.Message-ID alone."""
    who = f"{len(sender)}:{sender}{len(recipient)}:{recipient}".encode()
    return blake2b(b"%bimdn:%b" % (who, message_id), digest_size=16).digest()
