# SPDX-License-Identifier: Apache-2.0
"""Files that messages refer to: found by links nobody can guess, by those they are for, for a time.

What a link is made of stands nowhere; its digest names the file. A link of the file itself is good
for its owner and its readers, who have to show who they are; a link that was made for one person
is good for whoever has it, until it is withdrawn (ADR 0018).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from .content_disk import ContentDisk, Kept, sync

__all__ = [
    "ContentRefused",
    "ContentSettings",
    "ContentStore",
    "Found",
    "Kept",
    "media_matches",
]

_log = logging.getLogger(__name__)

_LINK_OCTETS = 24  # of chance in a link
_UPLOAD_S = 600.0
_SWEEP_S = 60.0
_SWEPT = 32  # files at a time: removing them holds up the loop


class ContentRefused(Exception):
    """A file is not taken, or not shared.

    kind: type, size, quota, full, infected, unavailable or readers.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """What may be kept. Sizes in octets, times in seconds.

    domains: whose users may upload. types: media types taken, ``image/*`` for a whole family.
    scan: a command that gets the file as its last argument and ends with 0 when it is clean, with
    1 when it must not be passed on; empty for none. open: whoever has a link may fetch. readers:
    whom one file may be shared with.
    """

    domains: tuple[str, ...]
    file_bytes: int
    user_bytes: int
    total_bytes: int
    files: int
    lifetime_s: float
    types: tuple[str, ...]
    scan: tuple[str, ...] = ()
    scan_s: float = 30.0
    open: bool = False
    readers: int = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What a link leads to. person: for whom the link was made, "" when it is the file's own."""

    kept: Kept
    path: Path
    person: str = ""


class ContentStore:
    """The files of a node; what they are is in memory, what they hold on disk.

    Args: wall: epoch seconds.
    """

    def __init__(
        self,
        directory: Path,
        settings: ContentSettings,
        wall: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._disk = ContentDisk(directory)
        self._wall = wall
        self._kept: dict[str, Kept] = {}
        self._links: dict[str, str] = {}  # those made for one person, and their files
        self._changing = asyncio.Lock()  # descriptions are written one after the other
        self._used: dict[str, int] = {}  # octets by owner, uploads under way included
        self._total = 0
        self._coming: dict[str, str] = {}  # owners of uploads under way
        self._timer: asyncio.TimerHandle | None = None

    @property
    def files(self) -> int:
        """How many files are kept."""
        return len(self._kept)

    @property
    def octets(self) -> int:
        """How many octets are kept or reserved."""
        return self._total

    def load(self) -> None:
        """Learn what an earlier run kept, and remove what it did not finish; blocks."""
        for stem, kept in self._disk.load():
            self._add(stem, kept)
            self._reserve(kept.owner, kept.size)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Learn what is kept, and remove what has expired now and from time to time; blocks."""
        self.load()
        self._sweep_on(loop)

    def _sweep_on(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = 1.0 if self.sweep(_SWEPT) == _SWEPT else _SWEEP_S
        self._timer = loop.call_later(pause, self._sweep_on, loop)

    def stop(self) -> None:
        """Remove nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def may_upload(self, owner: str) -> bool:
        """Say whether the domain of a user allows it."""
        return owner.rpartition("@")[2] in self.settings.domains

    async def put(
        self,
        owner: str,
        content_type: str,
        name: str,
        length: int,
        chunks: AsyncIterable[bytes],
        readers: Sequence[str] = (),
        exact: bool = True,
    ) -> tuple[str, Kept]:
        """Keep a file; durable when this returns.

        Args: length: octets as announced, of which another number is refused; at most so many
            unless ``exact``.
        Returns: the token of its link, and what is known of it.
        Raises: ContentRefused.
        """
        self.admits(owner, content_type, length)
        reserved = length
        self._reserve(owner, reserved)
        token = secrets.token_urlsafe(_LINK_OCTETS)
        stem = _stem(token)
        self._coming[stem] = owner
        try:
            async with asyncio.timeout(_UPLOAD_S):
                size, digest = await self._receive(stem, length, chunks)
            if exact and size != length:
                raise ContentRefused("size", "the file has another length than announced")
            await self._scan(stem)
            expires_at = self._wall() + self.settings.lifetime_s
            kept = Kept(owner, content_type, name, size, digest, expires_at, tuple(readers))
            await asyncio.to_thread(self._disk.finish, stem, kept)
            if stem not in self._coming:
                raise ContentRefused("unavailable", "the user has been erased")
        except BaseException as error:
            self._reserve(owner, -reserved)
            await asyncio.to_thread(self._disk.discard, stem)
            if isinstance(error, OSError):
                reason = error.strerror or "it took too long"
                _log.error("a file could not be kept", extra={"reason": reason})
                raise ContentRefused("unavailable", "the file could not be kept") from error
            raise
        finally:
            self._coming.pop(stem, None)
        self._reserve(owner, size - reserved)
        self._add(stem, kept)
        return token, kept

    def find(self, token: str) -> Found | None:
        """Return what a link leads to; None for one that never was or has ended."""
        stem, person = _stem(token), ""
        if stem in self._links:
            link, stem = stem, self._links[stem]
            person = dict(self._kept[stem].links)[link]
        kept = self._kept.get(stem)
        if kept is None or kept.expires_at <= self._wall():
            return None
        return Found(kept, self._disk.directory / stem, person)

    def owned(self, token: str, owner: str) -> Kept | None:
        """Return a file by its own link, if it is this owner's."""
        kept = self._kept.get(_stem(token))
        return kept if kept is not None and kept.owner == owner else None

    def remove(self, token: str, owner: str) -> bool:
        """Remove a file of its owner; False when it is none of theirs. Blocks."""
        if self.owned(token, owner) is None:
            return False
        self._forget(_stem(token))
        return True

    # --- who may fetch

    def unshared(self, owner: str, tokens: Iterable[str], reader: str) -> list[str]:
        """Return those tokens of an owner's files that somebody may not fetch yet."""
        found = {token: self.owned(token, owner) for token in tokens}
        return [
            token
            for token, kept in found.items()
            if kept is not None and reader != owner and reader not in kept.readers
        ]

    async def share(self, token: str, owner: str, readers: Iterable[str]) -> bool:
        """Let more people fetch a file; durable when this returns. False: it is not there.

        Raises: ContentRefused.
        """

        def more(kept: Kept) -> Kept:
            return replace(kept, readers=tuple(dict.fromkeys((*kept.readers, *readers))))

        return await self._change(token, owner, more)

    async def link_for(self, token: str, owner: str, person: str) -> str:
        """Make a link that is good for whoever has it, in the name of one person.

        Returns: its token; "" when there is no such file. Raises: ContentRefused.
        """
        made = secrets.token_urlsafe(_LINK_OCTETS)
        link = (_stem(made), person)

        def more(kept: Kept) -> Kept:
            return replace(kept, links=(*kept.links, link))

        return made if await self._change(token, owner, more) else ""

    async def withdraw(self, token: str, owner: str, person: str) -> bool:
        """Let somebody fetch a file no more; their own links end. False: they could not.

        Raises: ContentRefused.
        """
        kept = self.owned(token, owner)
        if kept is None or not (
            person in kept.readers or any(person == name for _, name in kept.links)
        ):
            return False
        return await self._change(token, owner, lambda kept: _without(kept, person))

    async def _change(self, token: str, owner: str, change: Callable[[Kept], Kept]) -> bool:
        """Write a file's description anew, if it is changed."""
        stem = _stem(token)
        async with self._changing:
            kept = self.owned(token, owner)
            if kept is None:
                return False
            changed = change(kept)
            most = self.settings.readers
            if _shares(changed) > max(most, _shares(kept)):
                raise ContentRefused("readers", f"a file may be shared with {most} people")
            if changed != kept:
                await self._describe(stem, changed)
            return self._kept.get(stem) is changed or changed == kept

    async def _describe(self, stem: str, kept: Kept) -> None:
        try:
            await asyncio.to_thread(self._disk.describe, stem, kept)
        except OSError as error:
            _log.error("a file could not be shared", extra={"reason": error.strerror})
            raise ContentRefused("unavailable", "what is known of the file is not kept") from error
        if stem in self._kept:
            self._add(stem, kept)
        else:  # removed meanwhile
            await asyncio.to_thread(self._disk.discard, stem)

    def _add(self, stem: str, kept: Kept) -> None:
        self._drop_links(stem)
        self._kept[stem] = kept
        for link, _ in kept.links:
            self._links[link] = stem

    def _drop_links(self, stem: str) -> None:
        known = self._kept.get(stem)
        for link, _ in known.links if known is not None else ():
            self._links.pop(link, None)

    # --- the end

    async def erase(self, owner: str) -> int:
        """Remove all files of a user, those under way too; return how many there were.

        The user is no reader of anybody's files any more.

        Raises: OSError when one cannot be removed; links to it have ended all the same.
        """
        stems = [stem for stem, kept in self._kept.items() if kept.owner == owner]
        for stem in stems:
            self._drop_links(stem)
            self._reserve(owner, -self._kept.pop(stem).size)
        self._coming = {stem: who for stem, who in self._coming.items() if who != owner}
        await asyncio.to_thread(self._disk.remove, stems)
        async with self._changing:
            for stem, kept in list(self._kept.items()):
                changed = _without(kept, owner)
                if changed != kept:
                    self._add(stem, changed)
                    await asyncio.to_thread(self._disk.describe, stem, changed)
        return len(stems)

    def sweep(self, limit: int) -> int:
        """Remove at most ``limit`` files that have expired and return how many; blocks."""
        wall = self._wall()
        over = [stem for stem, kept in self._kept.items() if kept.expires_at <= wall][:limit]
        for stem in over:
            self._forget(stem)
        return len(over)

    def admits(self, owner: str, content_type: str, length: int) -> None:
        """Return when a file may be kept. Raises: ContentRefused."""
        settings = self.settings
        if not any(media_matches(content_type, one) for one in settings.types):
            raise ContentRefused("type", f"files of this type are not taken: {content_type}")
        if length > settings.file_bytes:
            raise ContentRefused("size", f"a file may have {settings.file_bytes} octets")
        if self._used.get(owner, 0) + length > settings.user_bytes:
            raise ContentRefused("quota", f"a user may keep {settings.user_bytes} octets")
        if self._total + length > settings.total_bytes or len(self._kept) >= settings.files:
            raise ContentRefused("full", "the node keeps as many files as it may")

    def _reserve(self, owner: str, octets: int) -> None:
        self._total += octets
        used = self._used.get(owner, 0) + octets
        if used:
            self._used[owner] = used
        else:
            self._used.pop(owner, None)

    async def _receive(self, stem: str, most: int, chunks: AsyncIterable[bytes]) -> tuple[int, str]:
        """Write what comes, and return how many octets it was and their digest."""
        hashed = sha256()
        received = 0
        with await asyncio.to_thread(self._disk.begin, stem) as file:
            async for chunk in chunks:
                received += len(chunk)
                if received > most:
                    raise ContentRefused("size", "the file is longer than announced or allowed")
                hashed.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(sync, file)
        return received, hashed.hexdigest()

    async def _scan(self, stem: str) -> None:
        """Let the configured command judge the file."""
        if not self.settings.scan:
            return
        file = self._disk.unfinished(stem)
        devnull = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self.settings.scan, str(file), stdin=devnull, stdout=devnull, stderr=devnull
        )
        try:
            code = await asyncio.wait_for(process.wait(), self.settings.scan_s)
        except TimeoutError:
            code = -1
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if code == 1:
            raise ContentRefused("infected", "the file must not be passed on")
        if code:
            _log.error("the scan of a file failed", extra={"exit_code": code})
            raise ContentRefused("unavailable", "the file could not be examined")

    def _forget(self, stem: str) -> None:
        self._drop_links(stem)
        kept = self._kept.pop(stem)
        self._reserve(kept.owner, -kept.size)
        self._disk.discard(stem)


def media_matches(content_type: str, wanted: str) -> bool:
    """Say whether a Content-Type is a wanted media type or of a wanted family."""
    media = content_type.partition(";")[0].strip().lower()
    family, _, kind = wanted.lower().partition("/")
    if kind == "*":
        return family in ("*", media.partition("/")[0])
    return media == wanted.lower()


def _stem(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _shares(kept: Kept) -> int:
    return len(kept.readers) + len(kept.links)


def _without(kept: Kept, person: str) -> Kept:
    """Return what is known of a file that somebody may fetch no more."""
    return replace(
        kept,
        readers=tuple(who for who in kept.readers if who != person),
        links=tuple((link, who) for link, who in kept.links if who != person),
    )
