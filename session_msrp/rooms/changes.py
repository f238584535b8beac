# SPDX-License-Identifier: Apache-2.0
"""What changed in a room and when, so that a follower is told what is new and no more."""

from __future__ import annotations

from typing import Final

__all__ = ["Changes"]

#: Names that are remembered beyond those in the room.
_REMEMBERED: Final = 512


class Changes:
    """Revisions: each change is one; ``since`` says whom the changes after a revision concern.

    revision: of the last change, 1 at the beginning.
    """

    def __init__(self) -> None:
        self.revision = 1
        self._users: dict[str, int] = {}  # in the order of their changes
        self._description = 0
        self._forgotten = 0

    def touch(self, uri: str) -> None:
        """Note that something of a user changed, or that they came or went."""
        self.revision += 1
        self._users.pop(uri, None)
        self._users[uri] = self.revision
        if len(self._users) > _REMEMBERED:
            oldest = next(iter(self._users))
            self._forgotten = self._users.pop(oldest)

    def describe(self) -> None:
        """Note that something of the room itself changed."""
        self.revision += 1
        self._description = self.revision

    def since(self, revision: int) -> list[str] | None:
        """Return whom changes behind a revision concern; None when that is not known any more."""
        if revision < self._forgotten:
            return None
        found: list[str] = []
        for uri, changed in reversed(self._users.items()):
            if changed <= revision:
                break
            found.append(uri)
        return found[::-1]

    def described_since(self, revision: int) -> bool:
        """Say whether the room itself changed behind a revision."""
        return self._description > revision
