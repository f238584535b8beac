# SPDX-License-Identifier: Apache-2.0
"""Rooms for operators and programs: the ports of the API and the control socket on an App."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from session_msrp.rooms import edits
from session_msrp.rooms.audit import RoomEvent
from session_msrp.rooms.ports import Changed, Edit
from session_msrp.rooms.values import Room, RoomMessage

if TYPE_CHECKING:
    from imsnode.app import App

__all__ = ["RoomsDesk"]


class RoomsDesk:
    """See `imsnode.http.api.rooms.RoomDesk`."""

    def __init__(self, app: App) -> None:
        self._app = app

    @property
    def domains(self) -> Sequence[str]:
        """Where rooms can be."""
        return self._app.config.domains

    @property
    def most_members(self) -> int:
        """So many people a room may know."""
        return self._app.config.rooms.members

    def address(self, text: str) -> str:
        """Return the canonical AoR of an address. Raises ValueError with the reason."""
        return self._app.web.desk.address(text)

    def rooms(self) -> list[Room]:
        """Return every room."""
        served = self._app.rooms
        return [] if served is None else [live.room for _, live in sorted(served.rooms.items())]

    def room(self, aor: str) -> Room | None:
        """Return one room."""
        served = self._app.rooms
        live = None if served is None else served.rooms.get(aor)
        return None if live is None else live.room

    async def change_room(self, aor: str, edit: Edit, actor: str) -> Room | None:
        """Change, make or remove one room, and put it in force.

        Raises: RoomRefused; BindError, TlsConfigError when the first cannot be served.
        """
        app = self._app
        if app.rooms is not None:
            return await app.rooms.change(aor, edit, actor)
        changed: asyncio.Future[Changed] = app.loop.create_future()
        app.storage.rooms.change(aor, edit, changed.set_result, actor)
        done = await changed
        if done.refused:
            raise edits.RoomRefused(done.refused)
        app.serve_rooms()
        return done.room

    def participants(self, aor: str) -> Sequence[Mapping[str, Any]]:
        """Say who is in a room now."""
        served = self._app.rooms
        return [] if served is None else served.participants(aor)

    def kick(self, aor: str, who: str, actor: str) -> int:
        """Hang up on somebody in a room; returns how many sessions ended."""
        served = self._app.rooms
        return 0 if served is None else served.kick(aor, who, actor)

    async def invite(self, aor: str, people: Sequence[str], actor: str) -> int:
        """Call people into a room; returns how many devices ring.

        Into a room that is not open they are made members first. Raises: RoomRefused.
        """
        room, served = self.room(aor), self._app.rooms
        if room is None or served is None:
            raise edits.RoomRefused(f"there is no room {aor}")
        strangers = [who for who in people if room.role_of(who) is None]
        if strangers:
            members = edits.set_members(aor, strangers, None, self.most_members)
            await self.change_room(aor, members, actor)
        return served.invite(aor, people)

    async def room_history(self, aor: str, after: int, limit: int) -> list[RoomMessage]:
        """Return the first messages behind a number, the newest of all with 0; oldest first.

        Raises: StorageError.
        """
        table, loop = self._app.storage.rooms.table, self._app.loop
        if after:
            return await loop.run_in_executor(None, table.page, aor, after, limit)
        return await loop.run_in_executor(None, table.history, aor, limit)

    async def room_events(self, aor: str) -> list[RoomEvent]:
        """Return what happened, oldest first. Raises: StorageError."""
        flushed: asyncio.Future[bool] = self._app.loop.create_future()
        self._app.storage.flush(flushed.set_result)
        await flushed
        table = self._app.storage.rooms.table
        return await self._app.loop.run_in_executor(None, table.events, aor)
