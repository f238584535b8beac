# SPDX-License-Identifier: Apache-2.0
"""One piece of published event state, and what the compositor needs around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .compositor import Compositor

__all__ = ["KeptPublication", "Publication", "PublicationStore", "PublishedPackage"]


@dataclass(frozen=True, slots=True)
class KeptPublication:
    """A publication as the store has it; expires_at and since are wall seconds."""

    package: str
    resource: str
    etag: bytes
    since: float
    expires_at: float
    content_type: bytes
    body: bytes


class PublicationStore(Protocol):
    """Keeps publications by number."""

    def append(
        self, number: int, kept: KeptPublication | None, done: Callable[[bool], None]
    ) -> None:
        """Keep the whole of a publication, None to forget it; ``done(True)`` after the commit."""
        ...


class PublishedPackage(Protocol):
    """An event package whose state is published (RFC 3903 4.1, 12.2)."""

    key: str
    published: tuple[bytes, ...]
    """Media types it takes, lower case."""

    def composed(self, compositor: Compositor) -> None:
        """Learn who keeps the publications; called once, before anything else."""
        ...

    def admits(self, resource: str) -> bool:
        """Tell whether there is such a resource; False is a 404."""
        ...

    def parse(
        self, resource: str, content_type: bytes, body: bytes, before: object | None
    ) -> tuple[object, bytes, bytes]:
        """Read a body; `before` is what an earlier one of the same publication was read as.

        Returns: what it means, and the whole state as type and octets to keep, which are others
        than those that came when these are a change to what was there (RFC 5264).
        Raises: presence.event.package.Refused, sip.errors.ParseError.
        """
        ...

    def published_changed(self, resource: str, now: float) -> None:
        """Take note that the publications of a resource have changed."""
        ...


class Publication:
    """What one client publishes about a resource; expires_at and since in monotonic seconds.

    armed: for when the timer of its end is set. parsed: what the package read. busy: a change of it
    is being committed under another entity tag, so the one here is stale already.
    """

    __slots__ = (
        "armed", "body", "busy", "content_type", "etag", "expires_at", "number", "owner", "package",
        "parsed", "resource", "since",
    )  # fmt: skip

    def __init__(
        self,
        owner: Expiring,
        number: int,
        package: PublishedPackage,
        resource: str,
        now: float,
    ) -> None:
        self.owner = owner
        self.number = number
        self.package = package
        self.resource = resource
        self.since = now
        self.expires_at = now
        self.armed = inf
        self.etag = b""
        self.content_type = b""
        self.body = b""
        self.parsed: object = None
        self.busy = False

    def on_timer(self, kind: int, now: float) -> None:
        """Pass the end of its life on."""
        self.owner.expire(self, now)


class Expiring(Protocol):
    """Who is told when the time of a publication may have come."""

    def expire(self, publication: Publication, now: float) -> None: ...
