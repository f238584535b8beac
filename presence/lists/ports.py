# SPDX-License-Identifier: Apache-2.0
"""What lists need from the world: the documents that hold them, and members elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sip.bodies.xml import Element

__all__ = ["Backend", "Follower", "ListDocuments", "Service", "State"]


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One <service> of rls-services (RFC 4826 4). owner: canonical AoR of who keeps it.

    packages: event packages it serves, () for all. element: the <list> with its members, or the
    <resource-list> that names one.
    """

    uri: str
    owner: str
    packages: tuple[str, ...]
    element: Element


@dataclass(frozen=True, slots=True)
class State:
    """The subscription to one member (RFC 4662 5.5).

    state: active, pending or terminated. reason: of terminated. content: b"" unless active.
    etag: equal for equal states.
    """

    state: str
    reason: str = ""
    content_type: bytes = b""
    content: bytes = b""
    etag: bytes = b""


class ListDocuments(Protocol):
    """The documents of users that hold lists; asked for every list subscription, so at once."""

    def service(self, uri: str) -> Service | None:
        """Return the list service at a canonical URI."""
        ...

    def element(self, reference: str, owner: str) -> Element | None:
        """Return the element a resource-lists document has at an XCAP URI.

        Args:
            reference: absolute, or relative to the XCAP root (RFC 4826 3.2). A URI of another root
                gives None: nothing is fetched from elsewhere.
            owner: whose documents may be read, beside those of the global tree.
        """
        ...


class Follower(Protocol):
    """Who is told of members that other servers serve."""

    def told(self, uri: str, state: State, now: float) -> None:
        """The member has this state now."""
        ...


class Backend(Protocol):
    """Subscriptions to members that other servers serve (RFC 4662 4.4)."""

    def follow(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Have ``follower`` told of every change, until `leave`."""
        ...

    def leave(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Take back `follow`."""
        ...
