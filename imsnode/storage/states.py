# SPDX-License-Identifier: Apache-2.0
"""Where a message stands at its recipient and at each device, read from its story.

Two witnesses count: the SIP answer of a device, and the notifications (IMDN) it sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pager import rules

from .database import Database
from .story import Story, find_story

__all__ = ["DeviceState", "MessageState", "State", "message_states", "state_of"]


class State(StrEnum):
    """How far a message has come."""

    SENT = "sent"
    STORED = "stored"
    FAILED = "failed"
    DELIVERED = "delivered"
    DISPLAYED = "displayed"


class Witness(StrEnum):
    """How a state is known."""

    SIP = "sip"
    IMDN = "imdn"


_RANK = {state: rank for rank, state in enumerate(State)}
_ANSWERS = {
    rules.DEVICE_ACCEPTED: State.DELIVERED,
    rules.DEVICE_REPEATED: State.DELIVERED,
    rules.DEVICE_REFUSED: State.FAILED,
    rules.USER_DECLINED: State.FAILED,
}
_RECEIPTS = {
    rules.SAYS_DELIVERED: State.DELIVERED,
    rules.SAYS_DISPLAYED: State.DISPLAYED,
    rules.SAYS_FAILED: State.FAILED,
}
_OUTCOMES = {
    rules.STORED: State.STORED,
    rules.UNDECIDED: State.STORED,
    rules.REJECTED: State.FAILED,
    rules.EXPIRED: State.FAILED,
    rules.REFUSED: State.FAILED,
    rules.RECALLED: State.FAILED,
}


@dataclass(slots=True)
class DeviceState:
    """Where a message stands at one device; device: its instance id, "" when it gave none.

    at: epoch seconds. witness: how it is known.
    """

    device: str
    state: State
    at: float
    witness: Witness


@dataclass(slots=True)
class MessageState:
    """Where a message stands at its recipient; `state` is the farthest it came.

    at: when it came there, epoch seconds. devices: those that are known to have dealt with it.
    imdn_id: its IMDN Message-ID, "" for none.
    """

    message_id: str
    call_id: bytes
    imdn_id: str
    sender: str
    recipient: str
    received_at: float
    state: State
    at: float
    devices: list[DeviceState] = field(default_factory=list)


def message_states(database: Database, identity: str, limit: int = 100) -> list[MessageState]:
    """Return the states of a message id, or of all messages with a Call-ID or IMDN Message-ID.

    One for each recipient, oldest first; notifications themselves have none.

    Raises: StorageUnavailable, StoreDamaged.
    """
    return [state_of(story) for story in find_story(database, identity, limit) if not story.kind]


def state_of(story: Story) -> MessageState:
    """Read the state of one message from its story."""
    devices: dict[str, DeviceState] = {}
    for at, step, device, _status, rule in story.steps:
        if step == rules.ANSWERED and rule in _ANSWERS:
            _reach(devices, DeviceState(device, _ANSWERS[rule], at, Witness.SIP))
        elif step == rules.RECEIPT and rule in _RECEIPTS:
            _reach(devices, DeviceState(device, _RECEIPTS[rule], at, Witness.IMDN))
    state, at = State.SENT, story.received_at
    last = _OUTCOMES.get(story.outcome)
    if last is not None:
        state, at = last, story.steps[-1][0] if story.steps else story.received_at
    # What one device refused, others may still take: the outcome says that it failed, or whoever
    # took it for the recipient.
    for one in sorted(devices.values(), key=lambda one: _RANK[one.state]):
        if one.witness is Witness.IMDN or one.state is State.DELIVERED:
            state, at = one.state, one.at
    return MessageState(
        story.message_id,
        story.call_id,
        story.imdn_id,
        story.sender,
        story.recipient,
        story.received_at,
        state,
        at,
        sorted(devices.values(), key=lambda one: one.device),
    )


def _reach(devices: dict[str, DeviceState], now: DeviceState) -> None:
    """Take a state of a device unless it has come further already.

    A 2xx can come from something in front of the user; a notification knows better (RFC 5438 12.2).
    """
    known = devices.get(now.device)
    better = (now.witness is Witness.IMDN, _RANK[now.state])
    if known is None or better > (known.witness is Witness.IMDN, _RANK[known.state]):
        devices[now.device] = now
