# SPDX-License-Identifier: Apache-2.0
"""What rooms need of a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .audit import RoomEvent
from .values import Page, Room, RoomMessage

__all__ = ["Changed", "Edit", "RoomStore"]

#: Makes the room that is wanted of the one that there is; None stands for none. Pure: it may run
#: on another thread and more than once. Raises RoomRefused when there is nothing to be made of it.
Edit = Callable[[Room | None], Room | None]


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of an edit.

    before: the room as it was found. room: as it is kept now, None for none. refused: why nothing
    changed, "" when it was done.
    """

    before: Room | None
    room: Room | None
    refused: str = ""


class RoomStore(Protocol):
    """Rooms, their members and their history. Every ``done`` comes later, after the commit."""

    def load_all(self) -> list[Room]:
        """Return every room; blocks, and raises when the store fails."""
        ...

    def change(
        self, aor: str, edit: Edit, done: Callable[[Changed], None], actor: str = ""
    ) -> None:
        """Change, make or remove one room. actor: whose doing it is, for the audit."""
        ...

    def keep(self, message: RoomMessage, done: Callable[[int], None]) -> None:
        """Add a message to the history; ``done`` gets its number, 0 when it could not be kept."""
        ...

    def read(
        self,
        room: str,
        after: int,
        newest: int,
        done: Callable[[Page | None], None],
    ) -> None:
        """Return a page of the ``newest`` messages behind a number, 0: of all, oldest first.

        The next page is behind the last number of this one. None: not now.
        """
        ...

    def seen(self, marks: Mapping[tuple[str, str], int]) -> None:
        """Note, by room and member, up to which number they have got messages; never back."""
        ...

    def note(self, event: RoomEvent) -> None:
        """Write down what happened in a room, beside what changed it."""
        ...
