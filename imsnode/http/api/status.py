# SPDX-License-Identifier: Apache-2.0
"""From the story of a message to what the API says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pager import rules
from sip.privacy import ANONYMOUS

from ...storage.states import State as Reached
from ...storage.states import state_of
from ...storage.story import Story
from .models import CopyStatus, DeviceStatus, MessageStatus, State, timestamp

__all__ = ["state_word", "status_of", "status_of_list"]

_STATES: dict[Reached, State] = {
    Reached.SENT: "pending",
    Reached.STORED: "stored",
    Reached.FAILED: "refused",
    Reached.DELIVERED: "delivered",
    Reached.DISPLAYED: "displayed",
}
_FAILURES: dict[str, State] = {rules.EXPIRED: "expired", rules.RECALLED: "recalled"}
_AT_DEVICE: dict[Reached, Literal["delivered", "displayed", "refused"]] = {
    Reached.DELIVERED: "delivered",
    Reached.DISPLAYED: "displayed",
    Reached.FAILED: "refused",
}


# Copies that failed do not hold up the others, and count when there is nothing else.
_SLOWEST_FIRST: tuple[State, ...] = (
    "pending", "stored", "delivered", "displayed", "expired", "recalled", "refused",
)  # fmt: skip


def state_word(story: Story) -> State:
    """Return the state of a message."""
    reached = state_of(story).state
    state = _STATES[reached]
    return _FAILURES.get(story.outcome, state) if reached is Reached.FAILED else state


def status_of_list(story: Story, copies: Sequence[Story]) -> MessageStatus:
    """Sum up a message to several users for its sender: it is as far as the slowest copy."""
    status = status_of(story, True)
    status.copies = [
        CopyStatus(id=one.message_id, to=one.recipient, state=state_word(one)) for one in copies
    ]
    if copies:
        reached = {one.state for one in status.copies}
        status.state = next(state for state in _SLOWEST_FIRST if state in reached)
    return status


def status_of(story: Story, for_sender: bool) -> MessageStatus:
    """Sum a story up; a sender who is concealed from recipients is named to itself alone."""
    reached = state_of(story)
    devices = {
        one.device: DeviceStatus(
            device=one.device,
            state=_AT_DEVICE[one.state],
            at=timestamp(one.at),
            witness=one.witness.value,
        )
        for one in reached.devices
    }
    for at, step, device, _, rule in story.steps:
        if step == rules.ANSWERED and rule == rules.TRY_AGAIN and device not in devices:
            devices[device] = DeviceStatus(
                device=device, state="retrying", at=timestamp(at), witness="sip"
            )
    row = story.row
    hidden = not for_sender and any(step == rules.CONCEALED for _, step, *_ in story.steps)
    return MessageStatus(
        id=story.message_id,
        sender=ANONYMOUS if hidden else story.sender,
        to=story.recipient,
        received_at=timestamp(story.received_at),
        expires_at=timestamp(row.expires_at) if row is not None else None,
        size=story.size,
        state=state_word(story),
        reason=rules.RULES.get(story.steps[-1][4], "") if story.steps else "",
        devices=list(devices.values()),
    )
