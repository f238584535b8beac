# SPDX-License-Identifier: Apache-2.0
"""What rooms are told by the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from session_msrp.limits import Limits
from session_msrp.rooms.values import Access

__all__ = ["FactorySettings", "RoomLimits"]


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """See `imsnode.config.rooms.Rooms`."""

    msrp: Limits
    participants: int = 200
    user_sessions: int = 8
    user_rooms: int = 100


@dataclass(frozen=True, slots=True)
class FactorySettings:
    """See `imsnode.config.rooms.Rooms`."""

    access: Access = Access.OPEN
    user_rooms: int = 20
    idle_s: float = 86_400.0
    history: int = 100
    invited: int = 50
