# SPDX-License-Identifier: Apache-2.0
"""From the story of a message to what the API says of it."""

from __future__ import annotations

from pager import rules

from ...storage.story import Story
from .models import DeviceStatus, MessageStatus, State, timestamp

__all__ = ["status_of"]

_STATES: dict[str, State] = {
    rules.RELAYED: "delivered",
    rules.DELIVERED: "delivered",
    rules.STORED: "stored",
    rules.UNDECIDED: "stored",
    rules.REJECTED: "refused",
    rules.REFUSED: "refused",
    rules.EXPIRED: "expired",
    rules.RECALLED: "recalled",
}
_TOOK = (rules.DEVICE_ACCEPTED, rules.DEVICE_REPEATED)


def status_of(story: Story) -> MessageStatus:
    """Sum a story up."""
    devices: dict[str, DeviceStatus] = {}
    for at, step, device, status, rule in story.steps:
        if step == rules.ANSWERED:
            devices[device] = DeviceStatus(
                device=device,
                state=_at_device(rule),
                sip_status=status,
                at=timestamp(at),
            )
    state = _STATES.get(story.outcome, "delivered")
    if any(one.state == "delivered" for one in devices.values()) and state != "stored":
        state = "delivered"
    row = story.row
    return MessageStatus(
        id=story.message_id,
        sender=story.sender,
        to=story.recipient,
        received_at=timestamp(story.received_at),
        expires_at=timestamp(row.expires_at) if row is not None else None,
        size=story.size,
        state=state,
        reason=rules.RULES.get(story.steps[-1][4], "") if story.steps else "",
        devices=list(devices.values()),
    )


def _at_device(rule: str) -> str:
    if rule in _TOOK:
        return "delivered"
    return "retrying" if rule == rules.TRY_AGAIN else "refused"
