# SPDX-License-Identifier: Apache-2.0
"""What an event package is to the framework: a record of values and a few questions (RFC 6665 5).

Addresses of record are canonical text; bodies, media types and entity tags are octets, media types
in lower case without parameters.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .notifier import Notifier
    from .subscription import Subscription

__all__ = ["Body", "Decision", "EventPackage", "Refused", "Standing", "Terms", "entity_tag"]


class Standing(IntEnum):
    """How a watcher stands with a resource, by the values of RFC 5025 3.2.1; the highest wins."""

    BLOCK = 0
    CONFIRM = 10
    POLITE = 20
    ALLOW = 30


@dataclass(frozen=True, slots=True)
class Decision:
    """What a watcher may see.

    view: selects the view of the state; the package knows what it means. rule: what decided, for
    `presence show`. until: wall seconds when it has to be asked again.
    """

    standing: Standing
    view: Hashable = None
    rule: str = ""
    until: float = inf


class Body:
    """The content of a NOTIFY; never changed and shared by all who see the same.

    etag: of the state it shows, equal for equal states (RFC 5839); b"" when there is none. tail:
    the end of its NOTIFYs, made at the first.
    """

    __slots__ = ("content", "content_type", "etag", "tail")

    def __init__(self, content_type: bytes, content: bytes, etag: bytes = b"") -> None:
        self.content_type = content_type
        self.content = content
        self.etag = etag
        self.tail = b""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a SUBSCRIBE asked for; kept as long as the subscription.

    event: the Event value as it came. accept: media types in their order, () for the package's
    default. content_type, body: of the SUBSCRIBE. eventlist: the watcher supports lists (RFC 4662).
    """

    event: bytes
    accept: tuple[bytes, ...] = ()
    content_type: bytes = b""
    body: bytes = b""
    eventlist: bool = False


class Refused(Exception):
    """A request that is not taken: the answer to it. lines: header lines. body: with its type."""

    def __init__(
        self,
        status: int,
        reason: bytes | None = None,
        lines: Sequence[bytes] = (),
        body: tuple[bytes, bytes] | None = None,
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.lines = tuple(lines)
        self.content_type = None if body is None else body[0]
        self.body = b"" if body is None else body[1]


class EventPackage(Protocol):
    """One event package. Nothing here may block; state comes from what the package keeps.

    key: of the package among all; the name, unless there are several kinds of it (lists). name: as
    in Event, lower case. lines: header lines of its 200s and NOTIFYs beside the usual.
    types: media types of its bodies, the default first.
    expires_*: seconds. interval_s: between two NOTIFYs of a subscription unless its watcher asks
    otherwise.
    """

    key: str
    name: str
    lines: tuple[bytes, ...]
    types: tuple[bytes, ...]
    expires_default: int
    expires_min: int
    expires_max: int
    interval_s: float

    def joined(self, notifier: Notifier) -> None:
        """Learn who tells the watchers; called once, before anything else."""
        ...

    def admits(self, resource: str) -> bool:
        """Tell whether there is such a resource; False is a 404."""
        ...

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Decide what `watcher` may see; "" is a watcher without identity."""
        ...

    def open(self, sub: Subscription, wall: float) -> None:
        """Read `sub.terms`: set `sub.kind`, the type of its bodies, and `sub.interest`.

        Called for a new subscription, after a refresh with a new body, and after a restart.
        Raises: Refused.
        """
        ...

    def close(self, sub: Subscription) -> None:
        """Let go of what `open` took."""
        ...

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return the state for this subscription; full when `sub.memo` is None.

        Never called for a pending subscription, nor while a NOTIFY waits for its answer.
        """
        ...

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of the state as this subscription sees it; b"" for none."""
        ...


def entity_tag(content: bytes) -> bytes:
    """Return an entity tag that is equal for equal octets."""
    return blake2b(content, digest_size=8).hexdigest().encode("ascii")
