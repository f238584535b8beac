# SPDX-License-Identifier: Apache-2.0
"""What the pager service hands to its stores and gets back from them.

Wire values are ``bytes`` as they came; addresses of record and device identities are ``str``.
Every time in this module is wall time in epoch seconds, because all of it outlives a process.

What is made for every message is a plain dataclass, not changed after it was handed over (but
for ``StoredMessage.accepted``):
building a frozen one takes about four times as long, and one with slots cannot be compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StoreKind(StrEnum):
    """How an attempt to store one message ended."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    FULL = "full"
    FAILED = "failed"


class MarkState(StrEnum):
    """What became of one stored message at one device; each of them is final there.

    RECALLED stands for all devices that had not taken it.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"
    RECALLED = "recalled"


@dataclass
class StoredMessage:
    """One message as it waits on disk.

    id: time-ordered identity, unique for life, "m" and 18 characters of [0-9a-v].
    key: 16 octets, the same for every copy of the same submission (threats.md D3).
    head: header lines to replay, each as it came and without its line end, joined by CRLF.
    devices: instance ids it is meant for; empty: the first acceptance settles it.
    offered: devices that already saw it under ``call_id`` and ``cseq`` ("" is any device
        without an instance id); these are retried with exactly that identity.
    accepted: some device has taken it, before it was stored or since, so only ``devices`` still
        get it.
    """

    id: str
    key: bytes
    sender: str
    recipient: str
    call_id: bytes
    cseq: int
    received_at: float
    expires_at: float
    head: bytes
    body: bytes
    devices: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    accepted: bool = False


@dataclass
class StoreResult:
    """Answer of the store to one message.

    id: identity under which the message is kept; for DUPLICATE that of the first copy.
    seq: position in the order of commits, rising; 0 unless STORED.
    detail: reason of a failure for the operator, never sent to a peer.
    """

    kind: StoreKind
    id: str = ""
    seq: int = 0
    detail: str = ""


@dataclass
class PendingMessage:
    """A stored message that still waits for somebody.

    accepted: True when some device has taken it (before or after it was stored).
    settled: devices whose fate is decided; they never get it again.
    """

    seq: int
    message: StoredMessage
    accepted: bool
    settled: tuple[str, ...]


@dataclass
class DeliveryMark:
    """The fate of one stored message at one device.

    device: instance id; "" for a device without one.
    status: the SIP status that decided it, 0 when none did (expiry).
    settles: True when nobody else waits for the message: its body may go, its key stays.
    """

    message_id: str
    seq: int
    device: str
    state: MarkState
    at: float
    status: int
    settles: bool


@dataclass(frozen=True, slots=True)
class ExpiredMessage:
    """A message whose deadline passed before everybody it was meant for had it.

    head, body: as in StoredMessage for a message/cpim that nobody has taken, whose sender may have
    asked to hear of this; b"" for any other.
    """

    id: str
    seq: int
    call_id: bytes
    sender: str
    recipient: str
    size: int
    accepted: bool
    head: bytes = b""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages waiting for one recipient.

    open: nobody has taken them yet. copies: somebody has, further devices still wait.
    """

    open: int
    copies: int


# One step of a message: wall time, step name, device ("" for none), SIP status (0 for none), rule.
Step = tuple[float, str, str, int, str]


@dataclass
class Notice:
    """What the content of a message means to the node, where it means anything.

    kind: a word of ``rules.KINDS``, "" for a message like others. id: its IMDN Message-ID, b""
    for none. asked: notifications its sender asks for, bits of ``sip.bodies.imdn_request``.
    told: of a notification: each IMDN Message-ID it tells of, with the rule that names what.
    messages: of a session, as many as its user sent in it.
    """

    kind: str
    id: bytes
    asked: int = 0
    told: tuple[tuple[bytes, str], ...] = ()
    messages: int = 0


@dataclass
class LedgerEntry:
    """One settled stage in the life of a message; written once, never changed afterwards.

    call_id: as it came, so that a story can be found by it. at: when the message was received.
    size: body octets. steps: in order of time. outcome: a word from ``rules.OUTCOMES``, "" when
    the entry adds to the story and decides nothing. final: nothing more will happen to the
    message; exactly one entry of a message says so. notice: for contents that the node reads.
    charging: value of P-Charging-Vector, None without one.
    """

    message_id: str
    call_id: bytes
    at: float
    sender: str
    recipient: str
    size: int
    steps: list[Step]
    outcome: str
    final: bool = True
    notice: Notice | None = None
    charging: bytes | None = None
