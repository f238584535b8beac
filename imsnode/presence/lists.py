# SPDX-License-Identifier: Apache-2.0
"""Lists of users as list subscriptions see them: out of their XCAP documents."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from presence.lists.backend import BackendSubscriptions
from presence.lists.choose import ListChooser
from presence.lists.members import ListLimits, referred_members
from presence.lists.package import ListPackage, MemberPackage
from presence.lists.ports import Service
from presence.lists.services import read_services
from presence.xcap import GLOBAL, Bounds, Document, Refusal, Server
from sip.bodies.xml import Element
from sip.errors import ParseError
from sip.flow import Flow
from sip.forward import Proxy

from ..documents import Documents
from ..storage import StorageError

__all__ = ["LISTS", "SERVICES", "ListSettings", "ListShelf", "Lists"]

_log = logging.getLogger(__name__)

#: Usages of the lists themselves, and of the services that make resources of them.
LISTS: Final = "resource-lists"
SERVICES: Final = "rls-services"

_KEPT: Final = 1_000  # users whose services are kept read


class DocumentSource(Protocol):
    """Where documents come from: `imsnode.documents.Documents`, or a store at rest."""

    server: Server

    def get(self, auid: str, xui: str, path: str) -> bytes | None: ...
    def service(self, uri: str) -> tuple[str, str] | None: ...


class ListShelf:
    """`presence.lists.ports.ListDocuments` over the documents of the node."""

    def __init__(self, documents: DocumentSource) -> None:
        self._documents = documents
        self._read: dict[tuple[str, str], dict[str, Service]] = {}

    def service(self, uri: str) -> Service | None:
        """Return the list service at a canonical URI."""
        claimed = self._documents.service(uri)
        return None if claimed is None else self._services(*claimed).get(uri)

    def element(self, reference: str, owner: str) -> Element | None:
        """Return the element a resource-lists document has at an XCAP URI."""
        path, _, query = self._below_root(reference).partition("?")
        try:
            target = self._documents.server.locate(path.encode("utf-8"), query.encode("utf-8"))
            if target.usage.auid != LISTS or target.own.owner not in (owner, GLOBAL):
                return None
            octets = self._documents.get(LISTS, target.own.owner, target.own.name)
            if octets is None or target.selector is None or target.selector.terminal is not None:
                return None
            return Document(octets, Bounds()).find(target.selector)
        except (Refusal, StorageError) as error:
            _log.warning("list reference cannot be followed", extra={"reason": str(error)})
            return None

    def forget(self, owner: str) -> None:
        """Read the services of a user again when they are wanted."""
        for key in [key for key in self._read if key[0] == owner]:
            del self._read[key]

    def _services(self, owner: str, name: str) -> dict[str, Service]:
        known = self._read.get((owner, name))
        if known is not None:
            return known
        try:
            octets = self._documents.get(SERVICES, owner, name)
            services = () if octets is None else read_services(octets, owner)
        except (ParseError, StorageError) as error:
            _log.warning("list services cannot be read", extra={"reason": str(error)})
            return {}
        while len(self._read) >= _KEPT:
            del self._read[next(iter(self._read))]
        self._read[owner, name] = found = {one.uri: one for one in services}
        return found

    def _below_root(self, reference: str) -> str:
        """Return the path below the XCAP root; hosts have several names and are not compared."""
        scheme, slashes, rest = reference.partition("://")
        if not slashes or scheme.lower() not in ("http", "https"):
            return reference
        path = "/" + rest.partition("/")[2]
        root = self._documents.server.root.rstrip("/") + "/"
        return path.removeprefix(root) if path.startswith(root) else ""


@dataclass(frozen=True, slots=True)
class ListSettings:
    """Bounds of lists. remotes: subscriptions to members that other servers serve."""

    limits: ListLimits = field(default_factory=ListLimits)
    remotes: int = 10_000


class Lists:
    """List packages beside those of single resources, kept in step with documents.

    Args:
        inner: packages whose resources may be on lists.
        way: finds the flow to the server of a foreign domain. expect: as of `ListPackage`.
    """

    def __init__(
        self,
        inner: Iterable[MemberPackage],
        documents: Documents,
        is_local: Callable[[str], bool],
        proxy: Proxy,
        way: Callable[[str, float], Flow | None],
        settings: ListSettings,
        expect: Callable[[list[str]], None],
    ) -> None:
        members = list(inner)
        self._limits = settings.limits
        self.shelf = ListShelf(documents)
        types = {one.name: one.types[0] for one in members}
        self.remotes = BackendSubscriptions(proxy, way, types, settings.remotes)
        self.packages = [
            ListPackage(one, self.shelf, is_local, self.remotes, settings.limits, expect)
            for one in members
        ]
        self.choose = ListChooser({one.inner.key: one for one in self.packages}, self.shelf)

    def configure(self, settings: ListSettings) -> None:
        """Put other bounds in force, for lists that are read from now on."""
        self._limits = settings.limits
        self.remotes.most = settings.remotes
        for package in self.packages:
            package.limits = settings.limits

    def is_member(self, owner: str, reference: str, watcher: str) -> bool:
        """Tell whether a list that a user's rules refer to names a watcher."""
        members = referred_members(reference, owner, self.shelf, self._limits)
        return any(one.key == watcher for one in members)

    def changed(self, owner: str, now: float, wall: float) -> None:
        """Find the members of a user's lists anew, and tell who follows them."""
        self.shelf.forget(owner)
        for package in self.packages:
            package.lists_changed(owner, now, wall)
