# SPDX-License-Identifier: Apache-2.0
"""What the commands on rooms share: the rooms in the database, and the node that has them open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import CommandError
from .session import canonical_aor, database, tell_node, wall_clock

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import RoomTable
    from session_msrp.rooms.ports import Edit

__all__ = ["change", "person", "rooms"]


@contextmanager
def rooms(config: Config) -> Iterator[RoomTable]:
    """Open the rooms and turn what can go wrong with one into a CommandError."""
    from imsnode.mailing import reserved_aors
    from imsnode.storage import RoomTable, StorageError
    from session_msrp.rooms.edits import RoomRefused

    with database(config) as opened:
        try:
            yield RoomTable(opened, config.domains, reserved_aors(config.domains))
        except (RoomRefused, StorageError) as error:
            raise CommandError(str(error)) from error


def change(config: Config, aor: str, edit: Edit) -> None:
    """Change a room as the operator, and tell the running node."""
    from session_msrp.rooms.audit import OPERATOR

    with rooms(config) as table:
        table.change(aor, edit, OPERATOR, wall_clock())
    tell_node(config, lambda client: client.rooms_changed([aor]))


def person(config: Config, text: str) -> str:
    """Return the AoR of a user here or elsewhere."""
    return canonical_aor(config, text, local=False)
