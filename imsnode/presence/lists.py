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
_OPEN: Final = 16  # users whose documents of lists are kept open
_OCTETS: Final = 1 << 20  # of documents that the lists of one user may lead to
_REFERRED: Final = 500  # lists that rules refer to whose members are kept


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
        self._open: dict[str, _Folder] = {}

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
            if target.selector is None or target.selector.terminal is not None:
                return None
            document = self._folder(owner).document(target.own.owner, target.own.name)
            return None if document is None else document.find(target.selector)
        except (Refusal, StorageError) as error:
            _log.debug("list reference cannot be followed", extra={"reason": str(error)})
            return None

    def forget(self, owner: str) -> None:
        """Read the services of a user again when they are wanted."""
        for key in [key for key in self._read if key[0] == owner]:
            del self._read[key]
        self._open.pop(owner, None)
        if owner == GLOBAL:
            self._open.clear()

    def _folder(self, owner: str) -> _Folder:
        folder = self._open.get(owner)
        if folder is None:
            while len(self._open) >= _OPEN:
                del self._open[next(iter(self._open))]
            folder = self._open[owner] = _Folder(self._documents)
        return folder

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


class _Folder:
    """The documents that the lists of one user lead to, each read once, all within a bound."""

    def __init__(self, documents: DocumentSource) -> None:
        self._documents = documents
        self._read: dict[tuple[str, str], Document | None] = {}
        self._left = _OCTETS

    def document(self, owner: str, name: str) -> Document | None:
        """Return a document; None also for what is too much. Raises: Refusal, StorageError."""
        key = (owner, name)
        if key not in self._read:
            octets = self._documents.get(LISTS, owner, name)
            self._left -= len(octets or b"")
            if octets is None or self._left < 0:
                self._read[key] = None
            else:
                self._read[key] = Document(octets, Bounds())
        return self._read[key]


@dataclass(frozen=True, slots=True)
class ListSettings:
    """Bounds of lists. remotes, remotes_of_one: subscriptions to members that other servers serve,
    and those of them on behalf of one watcher.
    """

    limits: ListLimits = field(default_factory=ListLimits)
    remotes: int = 10_000
    remotes_of_one: int = 500


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
        self._referred: dict[tuple[str, str], frozenset[str]] = {}
        self.shelf = ListShelf(documents)
        types = {one.name: one.types[0] for one in members}
        self.remotes = BackendSubscriptions(
            proxy, way, types, settings.remotes, settings.remotes_of_one
        )
        self.packages = [
            ListPackage(one, self.shelf, is_local, self.remotes, settings.limits, expect)
            for one in members
        ]
        self.choose = ListChooser({one.inner.key: one for one in self.packages}, self.shelf)

    def configure(self, settings: ListSettings) -> None:
        """Put other bounds in force, for lists that are read from now on."""
        self._limits = settings.limits
        self.remotes.most = settings.remotes
        self.remotes.most_of_one = settings.remotes_of_one
        for package in self.packages:
            package.limits = settings.limits

    def is_member(self, owner: str, reference: str, watcher: str) -> bool:
        """Tell whether a list that a user's rules refer to names a watcher."""
        known = self._referred.get((owner, reference))
        if known is None:
            members = referred_members(reference, owner, self.shelf, self._limits)
            while len(self._referred) >= _REFERRED:
                del self._referred[next(iter(self._referred))]
            known = self._referred[owner, reference] = frozenset([one.key for one in members])
        return watcher in known

    def changed(self, owner: str, now: float, wall: float) -> None:
        """Find the members of a user's lists anew, and tell who follows them."""
        self.shelf.forget(owner)
        for key in [key for key in self._referred if owner in (key[0], GLOBAL)]:
            del self._referred[key]
        for package in self.packages:
            package.lists_changed(owner, now, wall)
