# SPDX-License-Identifier: Apache-2.0
"""Files that messages refer to: kept on disk, found by links nobody can guess, for some time.

A file is there when its description is: that is written last, and both are on disk before the
upload is answered. What a link is made of stands nowhere; its digest names the files.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

__all__ = ["ContentRefused", "ContentSettings", "ContentStore", "Kept", "media_matches"]

_log = logging.getLogger(__name__)

_DESCRIPTION = ".json"
_UNFINISHED = ".part"
_LINK_OCTETS = 24  # of chance in a link
_UPLOAD_S = 600.0
_SWEEP_S = 60.0
_SWEPT = 32  # files at a time: removing them holds up the loop


class ContentRefused(Exception):
    """A file is not taken. kind: type, size, quota, full, infected or unavailable."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """What may be kept. Sizes in octets, times in seconds.

    domains: whose users may upload. types: media types taken, ``image/*`` for a whole family.
    scan: a command that gets the file as its last argument and ends with 0 when it is clean, with
    1 when it must not be passed on; empty for none.
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


@dataclass(frozen=True, slots=True)
class Kept:
    """One file. digest: SHA-256 of its octets, hexadecimal. expires_at: wall time."""

    owner: str
    content_type: str
    name: str
    size: int
    digest: str
    expires_at: float


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
        self._directory = directory
        self._wall = wall
        self._kept: dict[str, Kept] = {}
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
        if not self._directory.is_dir():
            return
        for file in self._directory.iterdir():
            described = file.with_suffix(_DESCRIPTION)
            if file.suffix == _UNFINISHED or not described.is_file():
                file.unlink(missing_ok=True)
            elif file.suffix == _DESCRIPTION:
                kept = _read(file)
                if kept is not None and file.with_suffix("").is_file():
                    self._kept[file.stem] = kept
                    self._reserve(kept.owner, kept.size)
                else:
                    file.unlink(missing_ok=True)

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
        self, owner: str, content_type: str, name: str, length: int, chunks: AsyncIterable[bytes]
    ) -> tuple[str, Kept]:
        """Keep a file; durable when this returns.

        Args: length: octets as announced; another number of them is refused.
        Returns: the token of its link, and what is known of it.
        Raises: ContentRefused.
        """
        self._check(owner, content_type, length)
        self._reserve(owner, length)
        token = secrets.token_urlsafe(_LINK_OCTETS)
        stem = _stem(token)
        self._coming[stem] = owner
        try:
            async with asyncio.timeout(_UPLOAD_S):
                digest = await self._receive(stem, length, chunks)
            await self._scan(stem)
            expires_at = self._wall() + self.settings.lifetime_s
            kept = Kept(owner, content_type, name, length, digest, expires_at)
            await asyncio.to_thread(self._finish, stem, kept)
            if stem not in self._coming:
                raise ContentRefused("unavailable", "the user has been erased")
        except BaseException as error:
            self._reserve(owner, -length)
            await asyncio.to_thread(self._delete, stem)
            if isinstance(error, OSError):
                reason = error.strerror or "it took too long"
                _log.error("a file could not be kept", extra={"reason": reason})
                raise ContentRefused("unavailable", "the file could not be kept") from error
            raise
        finally:
            self._coming.pop(stem, None)
        self._kept[stem] = kept
        return token, kept

    def find(self, token: str) -> tuple[Kept, Path] | None:
        """Return what a link leads to; None for one that never was or has ended."""
        stem = _stem(token)
        kept = self._kept.get(stem)
        if kept is None or kept.expires_at <= self._wall():
            return None
        return kept, self._directory / stem

    def remove(self, token: str, owner: str) -> bool:
        """Remove a file of its owner; False when it is none of theirs. Blocks."""
        stem = _stem(token)
        kept = self._kept.get(stem)
        if kept is None or kept.owner != owner:
            return False
        self._forget(stem)
        return True

    async def erase(self, owner: str) -> int:
        """Remove all files of a user, those under way too; return how many there were.

        Raises: OSError when one cannot be removed; links to it have ended all the same.
        """
        stems = [stem for stem, kept in self._kept.items() if kept.owner == owner]
        for stem in stems:
            self._reserve(owner, -self._kept.pop(stem).size)
        self._coming = {stem: who for stem, who in self._coming.items() if who != owner}
        await asyncio.to_thread(self._unlink, stems)
        return len(stems)

    def _unlink(self, stems: Sequence[str]) -> None:
        for stem in stems:
            for suffix in (_DESCRIPTION, ""):
                (self._directory / (stem + suffix)).unlink(missing_ok=True)

    def sweep(self, limit: int) -> int:
        """Remove at most ``limit`` files that have expired and return how many; blocks."""
        wall = self._wall()
        over = [stem for stem, kept in self._kept.items() if kept.expires_at <= wall][:limit]
        for stem in over:
            self._forget(stem)
        return len(over)

    def _check(self, owner: str, content_type: str, length: int) -> None:
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

    async def _receive(self, stem: str, length: int, chunks: AsyncIterable[bytes]) -> str:
        """Write what comes, and return its digest."""
        hashed = sha256()
        received = 0
        with await asyncio.to_thread(self._create, stem + _UNFINISHED) as file:
            async for chunk in chunks:
                received += len(chunk)
                if received > length:
                    break
                hashed.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            if received != length:
                raise ContentRefused("size", "the file has another length than announced")
            await asyncio.to_thread(_sync, file)
        return hashed.hexdigest()

    def _create(self, name: str) -> BinaryIO:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return os.fdopen(handle, "wb")

    async def _scan(self, stem: str) -> None:
        """Let the configured command judge the file."""
        if not self.settings.scan:
            return
        file = self._directory / (stem + _UNFINISHED)
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

    def _finish(self, stem: str, kept: Kept) -> None:
        """Put the file in its place, then the description that makes it count."""
        (self._directory / (stem + _UNFINISHED)).rename(self._directory / stem)
        described = stem + _DESCRIPTION
        with self._create(described + _UNFINISHED) as file:
            file.write(json.dumps(asdict(kept)).encode())
            _sync(file)
        (self._directory / (described + _UNFINISHED)).rename(self._directory / described)
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _forget(self, stem: str) -> None:
        kept = self._kept.pop(stem)
        self._reserve(kept.owner, -kept.size)
        self._delete(stem)

    def _delete(self, stem: str) -> None:
        for suffix in (_DESCRIPTION, _DESCRIPTION + _UNFINISHED, _UNFINISHED, ""):
            with contextlib.suppress(OSError):
                (self._directory / (stem + suffix)).unlink(missing_ok=True)


def media_matches(content_type: str, wanted: str) -> bool:
    """Say whether a Content-Type is a wanted media type or of a wanted family."""
    media = content_type.partition(";")[0].strip().lower()
    family, _, kind = wanted.lower().partition("/")
    if kind == "*":
        return family in ("*", media.partition("/")[0])
    return media == wanted.lower()


def _stem(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _read(file: Path) -> Kept | None:
    """Read a description; None for one that nobody of ours wrote."""
    try:
        return Kept(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        _log.error("a description of a file cannot be read", extra={"file": file.name})
        return None
