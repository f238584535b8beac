# SPDX-License-Identifier: Apache-2.0
"""What XCAP documents that the server makes are made of: the documents of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from presence.xcap import Entry, Server, Usage

from .storage import Documents as Shelf

__all__ = ["StoredLibrary"]


class StoredLibrary:
    """The `presence.xcap.Library` of a store; its methods block. root: URI of the XCAP root."""

    def __init__(self, server: Server, shelf: Shelf, root: Callable[[], str]) -> None:
        self._server = server
        self._shelf = shelf
        self._root = root

    @property
    def root(self) -> str:
        """URI of the XCAP root."""
        return self._root()

    def usages(self) -> Iterable[Usage]:
        """Give every usage of the server."""
        return self._server.usages.values()

    def documents(self, auid: str, name: str) -> Iterable[tuple[str, bytes]]:
        """Give the documents of that name of all users."""
        return self._shelf.named(auid, name)

    def directory(self, owner: str) -> Iterable[Entry]:
        """Give what a user has."""
        return (entry for _, entry in self._shelf.entries(owner))
