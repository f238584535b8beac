# SPDX-License-Identifier: Apache-2.0
"""Drawing live traffic as a ladder: one column per party, one arrow per message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .output import printable

__all__ = ["Ladder"]

_MARGIN = 14  # the time and a blank
_WIDTH = 30
_NODE = "imsnode"


class Ladder:
    """Turns trace events into lines of a call flow.

    Parties get columns as they appear, the node the second one. With `columns` columns taken, the
    party that was silent longest gives its column up. Whenever the columns change, their heads
    are drawn again.
    """

    def __init__(self, columns: int = 5, *, text: bool = False, node: str = _NODE) -> None:
        """Args: columns: at least 2. text: draw the whole message under its arrow. node: name."""
        self._node = node
        self._columns = max(2, columns)
        self._text = text
        self._parties: list[str] = []
        self._seen: dict[str, int] = {}
        self._count = 0

    def feed(self, event: Mapping[str, object]) -> list[str]:
        """Give the lines that draw one event of the trace."""
        if "dir" in event:
            return self._message(event)
        if "lost" in event:
            return [f"{'':{_MARGIN}}({event['lost']} events were lost: the terminal is too slow)"]
        return [f"{'':{_MARGIN}}(the trace has {event['trace']})"]

    def _message(self, event: Mapping[str, object]) -> list[str]:
        incoming = event["dir"] == "in"
        remote = str(event["remote"])
        lines = self._place(remote)
        node, other = self._parties.index(self._node), self._parties.index(remote)
        source, target = (other, node) if incoming else (node, other)
        arrow = self._arrow(source, target, _label(str(event["start"])))
        note = f"{event['transport']} {event['size']}  {printable(str(event.get('call_id', '')))}"
        lines.append(f"{_clock(event):{_MARGIN}}{arrow}  {note}")
        if self._text:
            body = str(event.get("text", ""))
            lines += [f"{'':{_MARGIN}}  {printable(line)}" for line in body.split("\r\n") if line]
        return lines

    def _place(self, party: str) -> list[str]:
        """Make sure a party has a column; gives the heads when the columns have changed."""
        self._count += 1
        new = party not in self._parties
        self._seen[party] = self._count
        if not new:
            return []
        if not self._parties:
            self._parties = [party, self._node]
        elif len(self._parties) < self._columns:
            self._parties.append(party)
        else:
            others = [name for name in self._parties if name != self._node]
            oldest = min(others, key=lambda name: self._seen[name])
            self._parties[self._parties.index(oldest)] = party
            del self._seen[oldest]
        heads = "".join(f"{name:^{_WIDTH}}" for name in self._parties)
        return ["", f"{'':{_MARGIN}}{heads}".rstrip(), f"{'':{_MARGIN}}{self._bars()}"]

    def _bars(self) -> str:
        return "".join(f"{'|':^{_WIDTH}}" for _ in self._parties).rstrip()

    def _arrow(self, source: int, target: int, label: str) -> str:
        """Draw the bars with an arrow from one column to another."""
        row = list("".join(f"{'|':^{_WIDTH}}" for _ in self._parties))
        centre = _WIDTH // 2 - (1 - _WIDTH % 2)
        left, right = sorted((source * _WIDTH + centre, target * _WIDTH + centre))
        room = right - left - 1
        shaft = f" {label[: room - 5]} ".center(room - 1, "-")
        row[left + 1 : right] = f"{shaft}>" if source < target else f"<{shaft}"
        return "".join(row).rstrip()


def _label(start: str) -> str:
    """Shorten a start line: method and target of a request, status and reason of a response."""
    words = printable(start).split(" ")
    if words[0].startswith("SIP/"):
        return " ".join(words[1:])
    return " ".join(words[:2])


def _clock(event: Mapping[str, object]) -> str:
    at = event.get("at")
    if not isinstance(at, int | float):
        return ""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
