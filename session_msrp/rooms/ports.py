# SPDX-License-Identifier: Apache-2.0
"""What rooms need of a store, and of who keeps what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .audit import RoomEvent
from .live import LiveRoom, Visit
from .repeats import Kept
from .values import Page, Room, RoomMessage

__all__ = ["Changed", "Edit", "Keeper", "RoomStore"]

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


class Keeper(Protocol):
    """Takes the messages of rooms before the others get them."""

    def admits(self, sender: str, method: str) -> bool:
        """Count a MESSAGE or NICKNAME of somebody; False when they send too many."""
        ...

    def keep(self, room: LiveRoom, sender: str, nickname: str, body: bytes, done: Kept) -> str:
        """Keep a message to all, where the room has a history; ``done`` comes later, or at once.

        ``done(message, now)`` with its number, 0 in a room without history; None: it could not be
        kept. Returns: the message's id. Raises: BadChunk for one that is refused.
        """
        ...

    def passed_on(self, room: LiveRoom, message: RoomMessage, now: float) -> None:
        """Take note that everybody in the room has been sent a message."""
        ...

    def named(self, room: LiveRoom, visit: Visit, now: float) -> None:
        """Take note of a session's new nickname."""
        ...
