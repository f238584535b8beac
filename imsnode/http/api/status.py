# SPDX-License-Identifier: Apache-2.0
"""From the story of a message to what the API says of it."""

from __future__ import annotations

from typing import Literal

from pager import rules
from sip.privacy import ANONYMOUS

from ...storage.states import State as Reached
from ...storage.states import state_of
from ...storage.story import Story
from .models import DeviceStatus, MessageStatus, State, timestamp

__all__ = ["status_of"]

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


def status_of(story: Story, for_sender: bool) -> MessageStatus:
    """Sum a story up; a sender who is concealed from recipients is named to itself alone."""
    reached = state_of(story)
    state = _STATES[reached.state]
    if reached.state is Reached.FAILED:
        state = _FAILURES.get(story.outcome, state)
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
        state=state,
        reason=rules.RULES.get(story.steps[-1][4], "") if story.steps else "",
        devices=list(devices.values()),
    )
