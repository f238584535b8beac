# SPDX-License-Identifier: Apache-2.0
"""Settings of chat rooms."""

from __future__ import annotations

from typing import Literal

from .table import DAY, HOUR, KIB, MINUTE, Table, restart
from .types import Octets, Seconds

__all__ = ["Rooms"]


class Rooms(Table):
    """Chat rooms (RFC 7701); they use the listeners of [msrp]."""

    enabled: Literal["auto", "on", "off"] = restart(
        "auto",
        "Whether rooms are served: on, off, or auto (where msrp.listen is configured or a room "
        "exists).",
    )
    message_size: Octets = restart(
        KIB * KIB, "Longest message in a room; a longer one is 413.", ge=KIB, le=20 * KIB * KIB
    )
    reception_timer: Seconds = restart(
        9 * MINUTE,
        "How long a message may stay incomplete with nothing more of it coming.",
        ge=10,
        le=HOUR,
    )
    participants: int = restart(
        200, "Users that may be in one room at a time; one more is 486.", ge=2, le=10_000
    )
    members: int = restart(
        1000, "People that one room may know: members, and who is banned.", ge=1, le=100_000
    )
    user_sessions: int = restart(
        8, "Devices of one user that may be in a room at a time; one more is 486.", ge=1, le=1_000
    )
    user_rooms: int = restart(
        100,
        "Sessions in rooms, of whatever rooms, that one user may have at a time; one more is 486.",
        ge=1,
        le=100_000,
    )
    factory: bool = restart(
        True,
        "Whether users make rooms by an INVITE to sip:conference-factory@DOMAIN (RFC 4579).",
    )
    factory_access: Literal["open", "members", "private"] = restart(
        "open",
        "Who may come into such a room: open (whoever knows its address, which nobody can guess), "
        "members (who was invited), private.",
    )
    factory_rooms: int = restart(
        20, "Such rooms that one user may have at a time; one more is 403.", ge=1, le=100_000
    )
    factory_idle: Seconds = restart(
        DAY, "How long such a room goes on with nobody in it.", ge=MINUTE, le=365 * DAY
    )
    factory_history: int = restart(
        100, "Messages that such a room keeps for who was away.", ge=0, le=100_000
    )
    invited: int = restart(
        50, "Recipients that the list of an INVITE to the factory may have.", ge=1, le=10_000
    )
    presence: bool = restart(
        True,
        "Whether the presence of a user in a room says that they are in a meeting, unless they "
        "publish activities themselves.",
    )
