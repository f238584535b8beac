# SPDX-License-Identifier: Apache-2.0
"""How files that messages refer to stand on disk: octets, and beside them what they are.

A file is there when its description is: that is written last, and both are on disk before
anybody is told of the file.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["ContentDisk", "Kept", "sync"]

_log = logging.getLogger(__name__)

_DESCRIPTION = ".json"
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Kept:
    """One file. digest: SHA-256 of its octets, hexadecimal. expires_at: wall time.

    readers: who may fetch it beside its owner: AoRs of users and groups, ``*@DOMAIN`` for all of
    a domain. links: digest of each link that was made for one person, and whose it is.
    """

    owner: str
    content_type: str
    name: str
    size: int
    digest: str
    expires_at: float
    readers: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


class ContentDisk:
    """The folder of the files. All of it blocks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self) -> Iterator[tuple[str, Kept]]:
        """Give what an earlier run kept, and remove what it did not finish."""
        if not self.directory.is_dir():
            return
        for file in self.directory.iterdir():
            described = file.with_suffix(_DESCRIPTION)
            if file.suffix == _UNFINISHED or not described.is_file():
                file.unlink(missing_ok=True)
            elif file.suffix == _DESCRIPTION:
                kept = _read(file)
                if kept is not None and file.with_suffix("").is_file():
                    yield file.stem, kept
                else:
                    file.unlink(missing_ok=True)

    def of(self, owner: str) -> Iterator[tuple[Path, Kept]]:
        """Give the files of a user, also while a node works on them."""
        for file in self.directory.glob("*" + _DESCRIPTION):
            kept = _read(file)
            if kept is not None and kept.owner == owner:
                yield file.with_suffix(""), kept

    def begin(self, stem: str) -> BinaryIO:
        """Open a file that is not finished."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._create(stem + _UNFINISHED)

    def unfinished(self, stem: str) -> Path:
        """Return where a file is until it is finished."""
        return self.directory / (stem + _UNFINISHED)

    def finish(self, stem: str, kept: Kept) -> None:
        """Put a file in its place, then the description that makes it count."""
        self.unfinished(stem).rename(self.directory / stem)
        self.describe(stem, kept)

    def describe(self, stem: str, kept: Kept) -> None:
        """Write down what a file is, in the place of what was written before."""
        described = stem + _DESCRIPTION
        with self._create(described + _UNFINISHED) as file:
            file.write(json.dumps(asdict(kept)).encode())
            sync(file)
        (self.directory / (described + _UNFINISHED)).rename(self.directory / described)
        folder = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, stems: Sequence[str]) -> None:
        """Remove files. Raises: OSError."""
        for stem in stems:
            for suffix in (_DESCRIPTION, ""):
                (self.directory / (stem + suffix)).unlink(missing_ok=True)

    def discard(self, stem: str) -> None:
        """Remove a file and what is left of its making, as far as that can be done."""
        for suffix in (_DESCRIPTION, _DESCRIPTION + _UNFINISHED, _UNFINISHED, ""):
            with contextlib.suppress(OSError):
                (self.directory / (stem + suffix)).unlink(missing_ok=True)

    def _create(self, name: str) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return os.fdopen(os.open(self.directory / name, flags, 0o600), "wb")


def sync(file: BinaryIO) -> None:
    """Have what was written on disk."""
    file.flush()
    os.fsync(file.fileno())


def _read(file: Path) -> Kept | None:
    """Read a description; None for one that nobody of ours wrote."""
    try:
        fields = json.loads(file.read_bytes())
        fields["readers"] = tuple(fields.get("readers", ()))
        fields["links"] = tuple((stem, reader) for stem, reader in fields.get("links", ()))
        return Kept(**fields)
    except (OSError, ValueError, TypeError, AttributeError):
        _log.error("a description of a file cannot be read", extra={"file": file.name})
        return None
