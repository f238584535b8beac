# SPDX-License-Identifier: Apache-2.0
"""Whose names are whose in a room: nobody may pass for somebody else there (threats.md A2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from .nicknames import comparable
from .values import Member

__all__ = ["Names"]

_NOBODY: Final[Mapping[str, Member]] = {}


class Names:
    """Nicknames, display names and user parts, as they are compared, by who has them.

    A name that several have is a name of each of them.
    """

    def __init__(self) -> None:
        self._owners: dict[str, Counter[str]] = {}
        self._members: Mapping[str, Member] = _NOBODY

    def members(self, members: Mapping[str, Member]) -> None:
        """Take other members: the names of users who belong to the room, and nicknames kept."""
        before, self._members = self._members, members
        for aor in before.keys() - members.keys():
            self._remove_member(before[aor])
        for aor, member in members.items():
            old = before.get(aor)
            if old is not None and old.nickname == member.nickname:
                continue
            if old is not None:
                self._remove_member(old)
            self.add(aor, member.nickname)
            self.add_user(aor)

    def _remove_member(self, member: Member) -> None:
        self.remove(member.aor, member.nickname)
        self.remove_user(member.aor)

    def add_user(self, aor: str) -> None:
        """Note a user by address, whole and without the domain."""
        for name in _of_user(aor):
            self._count(name, aor, 1)

    def remove_user(self, aor: str) -> None:
        """Undo ``add_user``."""
        for name in _of_user(aor):
            self._count(name, aor, -1)

    def add(self, aor: str, name: str) -> None:
        """Note a name somebody goes by, "" for none."""
        self._count(_compared(name), aor, 1)

    def remove(self, aor: str, name: str) -> None:
        """Undo ``add``."""
        self._count(_compared(name), aor, -1)

    def is_taken(self, name: str, aor: str) -> bool:
        """Say whether a name is somebody's other than of this user."""
        owners = self._owners.get(_compared(name))
        return owners is not None and any(owner != aor for owner in owners)

    def passes_for(self, name: str, aor: str) -> bool:
        """Say whether a name is somebody else's and not this user's too."""
        owners = self._owners.get(_compared(name))
        return owners is not None and aor not in owners

    def _count(self, name: str, aor: str, step: int) -> None:
        if not name:
            return
        owners = self._owners.setdefault(name, Counter())
        owners[aor] += step
        if owners[aor] <= 0:
            del owners[aor]
        if not owners:
            del self._owners[name]


def _of_user(aor: str) -> tuple[str, ...]:
    whole = aor.partition(":")[2].casefold()
    return whole, whole.partition("@")[0]


def _compared(name: str) -> str:
    """Return a name as it is compared; one that no nickname could be, by its letters alone."""
    if not name:
        return ""
    try:
        return comparable(name)
    except UnicodeError:
        return name.casefold()
