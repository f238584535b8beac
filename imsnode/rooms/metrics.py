# SPDX-License-Identifier: Apache-2.0
"""What is counted of rooms; 0 while there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..metrics import Metrics

if TYPE_CHECKING:
    from ..app import App
    from .rooms import Rooms

__all__ = ["room_metrics"]


def room_metrics(metrics: Metrics, app: App) -> None:
    """Register the counters; rooms may come about later."""

    def of(read: Callable[[Rooms], float]) -> Callable[[], float]:
        return lambda: 0 if app.rooms is None else read(app.rooms)

    def sessions(rooms: Rooms) -> int:
        return sum(len(live) for live in rooms.rooms.values())

    metrics.gauge("rooms", "Rooms.", of(lambda rooms: len(rooms.rooms)))
    metrics.gauge("room_sessions", "Sessions in rooms.", of(sessions))
    for name, text, read in (
        ("messages", "Messages rooms took.", lambda rooms: rooms.focus.switch.stats.messages),
        ("copies", "Chunks to participants.", lambda rooms: rooms.focus.switch.stats.copies),
        ("refused", "Requests rooms refused.", lambda rooms: rooms.focus.switch.stats.refused),
        ("by_message", "MESSAGEs rooms took.", lambda rooms: rooms.upkeep.door.taken),
        ("fed", "MESSAGEs to members.", lambda rooms: rooms.upkeep.feeds.sent),
        ("called", "Calls to members who return.", lambda rooms: rooms.upkeep.returns.called),
    ):
        metrics.counter(f"room_{name}", text, of(read))
