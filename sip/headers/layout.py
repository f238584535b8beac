# SPDX-License-Identifier: Apache-2.0
"""Which header stands on which line.

A sender writes the same header names in the same order again and again, so what follows from the
names alone (canonical names, positions, what is missing or repeated) is worked out once per order.
"""

from __future__ import annotations

from typing import Final

from .. import octets
from ..errors import ParseError
from .names import CHECKED, KNOWN, SINGLE, canonical_name

_REQUIRED: Final = (("via", "Via"), ("from", "From"), ("to", "To"), ("call-id", "Call-ID"),
                    ("cseq", "CSeq"))  # fmt: skip

# Headers that say how a request is to be forwarded, or that not everybody may see; most requests
# have none of them.
_STEERING: Final = frozenset(
    {"accept-contact", "max-breadth", "p-charging-vector", "p-served-user", "privacy",
     "proxy-require", "route"}
)  # fmt: skip
#: Headers that mean something between servers of one network and are nobody else's business
#: (RFC 5502 7.2, RFC 7315 4.4 to 4.6): they end where it does.
BORDER: Final = frozenset(
    {"p-access-network-info", "p-charging-function-addresses", "p-charging-vector",
     "p-served-user", "p-visited-network-id"}
)  # fmt: skip

# Layouts by number of lines, the more often matched ones in front. A flood of odd messages pushes
# out the rear ones, which costs the next good message of that kind some microseconds.
_PER_COUNT: Final = 16
_MOST_LINES: Final = 40
_LONGEST_NAME: Final = 64
_layouts: Final[dict[int, list[Layout]]] = {}


class Layout:
    """Canonical ``names`` in wire order and the line numbers the parser needs; -1 means absent.

    ``starts`` is how each line begins, with its colon and one blank if there is one, ``cuts`` how
    long that is; ``at`` maps a name to its first line, ``repeated`` are the names that have more.
    ``contact``: its line where there is one and no more.
    ``steered``: some header says how the message is to be forwarded (`_STEERING`). ``inner``: some
    header is for this network alone (`BORDER`).
    Shared between messages and never changed.
    """

    __slots__ = ("at", "call_id", "checked", "contact", "content_length", "content_type", "cseq",
                 "cuts", "inner", "max_forwards", "more_vias", "names", "repeated", "sender",
                 "starts", "steered", "target", "via")  # fmt: skip

    def __init__(self, starts: tuple[bytes, ...], names: tuple[str, ...]) -> None:
        at: dict[str, int] = {}
        repeated: set[str] = set()
        for index, name in enumerate(names):
            if name not in at:
                at[name] = index
                continue
            repeated.add(name)
            if name in SINGLE:
                printed = SINGLE[name]
                close = name == "content-length"
                raise ParseError(printed, f"{printed} appears twice", close=close)
        for name, printed in _REQUIRED:
            if name not in at:
                raise ParseError(printed, f"{printed} is missing")
        self.starts: tuple[bytes, ...] = starts
        self.cuts: tuple[int, ...] = tuple(map(len, starts))
        self.names: tuple[str, ...] = names
        self.at: dict[str, int] = at
        self.repeated: frozenset[str] = frozenset(repeated)
        self.via: int = at["via"]
        self.sender: int = at["from"]
        self.target: int = at["to"]
        self.call_id: int = at["call-id"]
        self.cseq: int = at["cseq"]
        self.contact: int = -1 if "contact" in repeated else at.get("contact", -1)
        self.max_forwards: int = at.get("max-forwards", -1)
        self.content_length: int = at.get("content-length", -1)
        self.content_type: int = at.get("content-type", -1)
        self.more_vias: tuple[int, ...] = tuple(
            index for index, name in enumerate(names) if name == "via" and index != self.via
        )
        self.steered: bool = not _STEERING.isdisjoint(names)
        self.inner: bool = not BORDER.isdisjoint(names)
        self.checked: tuple[str, ...] = tuple(name for name in at if name in CHECKED)


def find_layout(lines: list[bytes]) -> Layout | None:
    """Return the layout these header lines follow when it has been seen lately.

    A match vouches for every line: it starts with a known good name and its colon, so none is a
    continuation of the one before.
    """
    known = _layouts
    candidates = known.get(len(lines))
    if candidates is not None:
        for place in range(len(candidates)):
            layout = candidates[place]
            if octets.all_start(lines, layout.starts):
                if place:
                    candidates[place] = candidates[place - 1]
                    candidates[place - 1] = layout
                return layout
    return None


def layouts_of(count: int) -> list[Layout] | None:
    """Return the layouts of so many lines that are known, the more often matched ones in front."""
    return _layouts.get(count)


def learn_layout(lines: list[bytes]) -> Layout:
    """Work out the layout of header lines, each a whole logical line, and remember it.

    Raises: ParseError for a line without colon, a malformed name, a required header that is missing
    or one that appears twice in any spelling.
    """
    starts: list[bytes] = []
    names: list[str] = []
    for line in lines:
        raw, colon, value = line.partition(b":")
        if not colon:
            raise ParseError("header", "Header line has no colon")
        starts.append(raw + (b": " if value.startswith(b" ") else colon))
        names.append(KNOWN.get(raw) or canonical_name(raw))
    layout = Layout(tuple(starts), tuple(names))
    if len(names) <= _MOST_LINES and max(map(len, starts)) <= _LONGEST_NAME:
        candidates = _layouts.setdefault(len(names), [])
        if len(candidates) >= _PER_COUNT:
            candidates.pop()
        candidates.append(layout)
    return layout
