# SPDX-License-Identifier: Apache-2.0
"""The node's XCAP documents: read from memory, changed one after the other, told of when kept."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from presence.xcap import (
    GLOBAL,
    Change,
    Conditions,
    Content,
    Limits,
    Own,
    Refusal,
    Server,
    Stored,
    Target,
)

from .library import StoredLibrary
from .storage import DocumentKey, DocumentWrite, Outcome
from .storage import Documents as Shelf

__all__ = ["DocumentListener", "Documents", "Given", "Kept"]

_log = logging.getLogger(__name__)

_HOMES = 65_536  # users whose documents are known by name
_LARGE = 16_384  # octets of content from which a request is worked on beside the loop
_TRIES = 4
_REFUSED = {
    Outcome.FULL: (403, "the user has as many documents as allowed"),
    Outcome.GONE: (404, "there is no such user"),
    Outcome.FAILED: (503, "documents cannot be written now"),
}


class DocumentListener(Protocol):
    """Wants to know what changed."""

    def document_changed(
        self, auid: str, xui: str, path: str, old: str | None, new: str | None, now: float
    ) -> None:
        """Take note of a change that is kept, before whoever asked for it is answered.

        Args: xui: the owner, "" for the global tree. old, new: entity tags, None for no document.
        """
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What a GET gives, with the entity tag of its document."""

    content: Content
    etag: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a PUT or DELETE left. etag: "" when the document is gone."""

    created: bool
    etag: str


async def _nothing_to_do(_owner: str) -> None:
    return


class _Turn:
    """Who changes one document, and who waits for it."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Documents:
    """Documents of one store, and the XCAP server in front of them.

    Args:
        root: URI of the XCAP root as documents and notifications name it.
        cache_bytes: octets of documents kept in memory.
        token: gives an entity tag that no document ever had. clock: monotonic and wall seconds.
        is_used: says whether a user or service has a URI.
    """

    def __init__(
        self,
        server: Server,
        shelf: Shelf,
        root: Callable[[], str],
        cache_bytes: int,
        token: Callable[[], str],
        now: Callable[[], float],
        wall: Callable[[], float],
        is_used: Callable[[str], bool],
    ) -> None:
        self.server = server
        self.cache_bytes = cache_bytes
        self._shelf = shelf
        self._library = StoredLibrary(server, shelf, root)
        self._token = token
        self._now = now
        self._wall = wall
        self._is_used = is_used
        self._claims: dict[str, DocumentKey] = {}
        self._uris: dict[DocumentKey, tuple[str, ...]] = {}
        self._take_claims(shelf.claims())
        self._listeners: list[DocumentListener] = []
        #: Waits until what a change of an owner's documents brings about has been done, before
        #: whoever made it is answered.
        self.settle: Callable[[str], Awaitable[None]] = _nothing_to_do
        self._homes: OrderedDict[str, dict[tuple[str, str], str]] = OrderedDict()
        self._octets: OrderedDict[DocumentKey, Stored] = OrderedDict()
        self._cached = 0
        self._written = 0  # changes, and refreshes, since the start
        self._turns: dict[object, _Turn] = {}
        self._made: dict[DocumentKey, tuple[int, Stored]] = {}
        self._changes: dict[str, int] = {}  # of documents of a usage since the start

    @property
    def root(self) -> str:
        """URI of the XCAP root."""
        return self._library.root

    # ------------------------------------------------------------------ for the node

    def configure(self, limits: Limits, cache_bytes: int) -> None:
        """Take other limits; what is kept already stays."""
        self.server.limits = limits
        self.cache_bytes = cache_bytes

    def observe(self, listener: DocumentListener) -> None:
        """Tell somebody of every change from now on."""
        self._listeners.append(listener)

    def get(self, auid: str, xui: str, path: str) -> bytes | None:
        """Return the octets of a document. Raises: StorageError."""
        stored = self._current((xui, auid, path))
        return None if stored is None else stored.octets

    def etag(self, auid: str, xui: str, path: str) -> str | None:
        """Return the entity tag of a document. Raises: StorageError."""
        return self._home(xui).get((auid, path))

    def names(self, auid: str, xui: str) -> tuple[str, ...]:
        """Return the names of all documents that a user has in a usage. Raises: StorageError."""
        return tuple(sorted(name for usage, name in self._home(xui) if usage == auid))

    def expect(self, owners: Sequence[str], kinds: Sequence[tuple[str, str]]) -> None:
        """Read at once what is asked for soon: documents of these usages and names.

        Raises: StorageError.
        """
        new = [owner for owner in owners if owner not in self._homes]
        if not new:
            return
        homes = self._shelf.homes(new)
        for owner in new:
            self._homes[owner] = homes.get(owner, {})
        wanted = [(owner, *kind) for owner in new for kind in kinds if kind in self._homes[owner]]
        for key, stored in self._shelf.read_all(wanted):
            self._put(key, stored)
        while len(self._homes) > _HOMES:
            self._homes.popitem(last=False)

    def service(self, uri: str) -> tuple[str, str] | None:
        """Return whose document, and under which name, claims a URI (rls-services)."""
        key = self._claims.get(uri)
        return None if key is None else (key[0], key[2])

    async def refresh(self, owners: Iterable[str] | None) -> None:
        """Read again what users have, None for all: a command changed it beside the node.

        Raises: StorageError.
        """
        known = list(self._homes if owners is None else owners)
        loop = asyncio.get_running_loop()
        fresh = await loop.run_in_executor(None, self._shelf.homes, known)
        claims = await loop.run_in_executor(None, self._shelf.claims)
        self._take_claims(claims)
        self._written += 1
        for owner in known:
            now = fresh.get(owner, {})
            for (auid, name), etag in self._homes.pop(owner, {}).items():
                if now.get((auid, name)) != etag:
                    self._drop((owner, auid, name))
                    self._tell((owner, auid, name), etag, now.get((auid, name)))

    def _forget(self, owner: str) -> None:
        """Read a user's documents again when they are wanted."""
        self._written += 1
        for auid, name in self._homes.pop(owner, {}):
            self._drop((owner, auid, name))
        self._take_claims(self._shelf.claims())

    # ------------------------------------------------------------------ for clients

    async def read(self, target: Target, conditions: Conditions) -> Given:
        """Answer a GET. Raises: Refusal, StorageError."""
        if target.usage.is_computed(target.own):
            loop = asyncio.get_running_loop()
            stored: Stored | None = await loop.run_in_executor(None, self._computed, target)
        else:
            stored = await self._fetched(target.key)
        given = self.server.get
        if target.selector is None or stored is None or len(stored.octets) < _LARGE:
            content = given(target, stored, conditions)
        else:
            loop = asyncio.get_running_loop()
            content = await loop.run_in_executor(None, given, target, stored, conditions)
        assert stored is not None
        return Given(content, stored.etag)

    async def put(self, target: Target, body: bytes, conditions: Conditions) -> Kept:
        """Answer a PUT, after the commit. Raises: Refusal, StorageError."""

        def change(stored: Stored | None) -> Change:
            return self.server.put(target, body, stored, conditions, self._taken_for(target.key))

        return await self._change(target, change, len(body))

    async def delete(self, target: Target, conditions: Conditions) -> Kept:
        """Answer a DELETE, after the commit. Raises: Refusal, StorageError."""

        def change(stored: Stored | None) -> Change:
            return self.server.delete(target, stored, conditions, self._taken_for(target.key))

        return await self._change(target, change, 0)

    async def _change(
        self, target: Target, change: Callable[[Stored | None], Change], size: int
    ) -> Kept:
        """Work out a change and have it written, alone with the document until it is."""
        async with self._turn(target):
            for _ in range(_TRIES):
                stored = await self._fetched(target.key)
                # A whole document does not depend on what was there.
                if target.selector is not None and stored is not None:
                    work = size + len(stored.octets)
                else:
                    work = size
                if work < _LARGE:
                    wanted = change(stored)
                else:
                    loop = asyncio.get_running_loop()
                    wanted = await loop.run_in_executor(None, change, stored)
                if stored is not None and wanted.octets == stored.octets:
                    return Kept(False, stored.etag)
                outcome, etag = await self._write(target, stored, wanted)
                if outcome is Outcome.DONE:
                    await self.settle(target.own.owner)
                    return Kept(wanted.created, etag)
                if outcome in _REFUSED:
                    raise Refusal(*_REFUSED[outcome])
                self._forget(target.own.owner)
        raise Refusal(503, "the document changes all the time")

    @asynccontextmanager
    async def _turn(self, target: Target) -> AsyncIterator[None]:
        """Wait until nobody else changes the document, nor any other that may claim URIs."""
        key: object = target.usage.auid if target.usage.claims_uris else target.key
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]

    async def _write(
        self, target: Target, stored: Stored | None, change: Change
    ) -> tuple[Outcome, str]:
        key = target.key
        uris = change.claims if target.usage.claims_uris else None
        found = stored.etag if stored else ""
        new = Stored(self._token(), change.octets or b"", self._wall())
        most = self.server.limits.documents
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def written(outcome: Outcome) -> None:
            # Here, not where the future is waited for: a client that went away changes nothing.
            if outcome is Outcome.DONE:
                self._take(key, found, None if change.octets is None else new, change.claims)
            if not done.done():
                done.set_result(outcome)

        write = DocumentWrite(key, found, new.etag, change.octets, new.changed, uris, most)
        self._shelf.submit(write, written)
        return await done, "" if change.octets is None else new.etag

    def _take(
        self, key: DocumentKey, found: str, stored: Stored | None, claims: tuple[str, ...]
    ) -> None:
        """Take over what the store has now."""
        owner, auid, name = key
        self._written += 1
        self._drop(key)
        home = self._homes.get(owner)
        if stored is not None:
            self._put(key, stored)
            if home is not None:
                home[auid, name] = stored.etag
        elif home is not None:
            home.pop((auid, name), None)
        for uri in self._uris.pop(key, ()):
            del self._claims[uri]
        if claims:
            self._uris[key] = claims
            self._claims.update(dict.fromkeys(claims, key))
        self._tell(key, found or None, stored.etag if stored else None)

    def _take_claims(self, claims: dict[str, DocumentKey]) -> None:
        self._claims = claims
        self._uris = {}
        for uri, key in claims.items():
            self._uris[key] = (*self._uris.get(key, ()), uri)

    def _tell(self, key: DocumentKey, old: str | None, new: str | None) -> None:
        owner, auid, name = key
        self._changes[auid] = self._changes.get(auid, 0) + 1
        now = self._now()
        for listener in self._listeners:
            try:
                listener.document_changed(auid, owner, name, old, new, now)
            except Exception:  # noqa: BLE001 - one listener must not take it from the others
                _log.exception("a change of a document was not taken up")

    def _taken_for(self, key: DocumentKey) -> Callable[[str], bool]:
        def taken(uri: str) -> bool:
            return self._claims.get(uri, key) != key or self._is_used(uri)

        return taken

    # ------------------------------------------------------------------ memory

    def _home(self, owner: str) -> dict[tuple[str, str], str]:
        home = self._homes.get(owner)
        if home is None:
            home = self._homes[owner] = self._shelf.home(owner)
            if len(self._homes) > _HOMES:
                self._homes.popitem(last=False)
        else:
            self._homes.move_to_end(owner)
        return home

    def _current(self, key: DocumentKey) -> Stored | None:
        stored = self._octets.get(key)
        if stored is not None:
            self._octets.move_to_end(key)
            return stored
        if (key[1], key[2]) not in self._home(key[0]):
            return None
        stored = self._shelf.read(key)
        if stored is not None:
            self._put(key, stored)
        return stored

    async def _fetched(self, key: DocumentKey) -> Stored | None:
        """Return a document as `_current` does; the store is read beside the loop."""
        owner = key[0]
        loop = asyncio.get_running_loop()
        if owner not in self._homes:
            before = self._written
            homes = await loop.run_in_executor(None, self._shelf.homes, (owner,))
            if before != self._written:
                return self._current(key)  # it may be of before a change
            self._homes.setdefault(owner, homes.get(owner, {}))
            while len(self._homes) > _HOMES:
                self._homes.popitem(last=False)
        if key not in self._octets and (key[1], key[2]) in self._home(owner):
            before = self._written
            found = await loop.run_in_executor(None, self._read_beside, key)
            if before == self._written and found is not None and key not in self._octets:
                self._put(key, found)
        return self._current(key)

    def _read_beside(self, key: DocumentKey) -> Stored | None:
        return next((stored for _, stored in self._shelf.read_all((key,))), None)

    def _put(self, key: DocumentKey, stored: Stored) -> None:
        self._octets[key] = stored
        self._cached += len(stored.octets)
        while self._cached > self.cache_bytes and len(self._octets) > 1:
            _, oldest = self._octets.popitem(last=False)
            self._cached -= len(oldest.octets)

    def _drop(self, key: DocumentKey) -> None:
        stored = self._octets.pop(key, None)
        if stored is not None:
            self._cached -= len(stored.octets)

    # ------------------------------------------------------------------ documents the node makes

    def _computed(self, target: Target) -> Stored:
        """Make a document, or give it again when nothing it is made of has changed."""
        own: Own = target.own
        count = self._changes.get(target.usage.auid, 0)
        made = self._made.get(target.key) if own.owner == GLOBAL else None
        if made is not None and made[0] == count:
            return made[1]
        octets = target.usage.computed(own, self._library)
        stored = Stored(sha256(octets).hexdigest()[:16], octets)
        if own.owner == GLOBAL:
            self._made[target.key] = (count, stored)
        return stored
