# SPDX-License-Identifier: Apache-2.0
"""What passed between the devices of a flow and the server, and the ladder that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.flow import Flow

from ..cli.ladder import Ladder

__all__ = ["Tape"]

_MOST: Final = 200  # messages of one flow


class Tape:
    """Events as `imsnode trace` has them, seen from the server; devices go by their names.

    Args: server: what it is called in the ladder. wall: epoch seconds.
    """

    def __init__(self, server: str, wall: Callable[[], float]) -> None:
        self._server = server
        self._wall = wall
        self._events: list[dict[str, object]] = []

    def tap(self, device: str) -> Callable[[str, Flow, bytes, float], None]:
        """Return a listener to the wire of one device (`sip.aio.ports.Tap`)."""

        def heard(direction: str, flow: Flow, data: bytes, _now: float) -> None:
            self.note(device, direction, flow.transport, data)

        return heard

    def note(self, device: str, direction: str, transport: str, data: bytes) -> None:
        """Note a message that a device sent ("out") or got ("in")."""
        if len(self._events) >= _MOST or not data.strip():
            return
        head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")
        call_id = next((line for line in head if line.lower().startswith("call-id:")), "")
        self._events.append(
            {
                "at": self._wall(),
                "dir": "in" if direction == "out" else "out",
                "transport": transport,
                "remote": device,
                "start": head[0],
                "call_id": call_id.partition(":")[2].strip(),
                "size": len(data),
            }
        )

    def ladder(self) -> list[str]:
        """Return the lines that draw it."""
        ladder = Ladder(columns=4, node=self._server)
        return [line for event in self._events for line in ladder.feed(event)]
