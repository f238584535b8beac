# SPDX-License-Identifier: Apache-2.0
"""What happens in a room beside what is said: who came, who went, who changed what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from .values import Member, Room

__all__ = ["OPERATOR", "RoomEvent", "differences"]

#: Who changed a room when no user did.
OPERATOR: Final = "operator"

_RULES: Final = (
    "display_name", "subject", "access", "moderated", "nicknames", "private_messages", "history",
    "retention_s", "expires_at", "idle_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something that happened.

    at: wall seconds. act: what, one word. actor: whose doing it was, an AoR, `OPERATOR` or the name
    of a program. who: whom it happened to, "" for nobody. detail: more of it.
    """

    room: str
    at: float
    act: str
    actor: str
    who: str = ""
    detail: str = ""


def differences(
    before: Room | None, after: Room | None, actor: str, at: float
) -> Iterator[RoomEvent]:
    """Give what a change to a room amounts to; what follows from use is no change."""
    if before is None:
        if after is None:
            return
        yield RoomEvent(after.aor, at, "created", actor, detail=after.access)
        before = replace(after, members={})
    if after is None:
        yield RoomEvent(before.aor, at, "removed", actor)
        return
    for name in _RULES:
        value = getattr(after, name)
        if value != getattr(before, name):
            yield RoomEvent(after.aor, at, "changed", actor, detail=f"{name}: {value}")
    for who in sorted(before.members.keys() | after.members.keys()):
        for act, detail in _of_member(before.members.get(who), after.members.get(who)):
            yield RoomEvent(after.aor, at, act, actor, who, detail)


def _of_member(before: Member | None, after: Member | None) -> Iterator[tuple[str, str]]:
    if after is None:
        yield ("unbanned", "") if before is not None and before.banned else ("dropped", "")
        return
    if before is None:
        if not after.banned:
            yield "added", after.role
        before = Member(after.aor, after.role)
    elif before.role is not after.role:
        yield "role", after.role
    if before.banned is not after.banned:
        yield ("banned" if after.banned else "unbanned"), ""
    if before.muted is not after.muted:
        yield ("muted" if after.muted else "unmuted"), ""
