# SPDX-License-Identifier: Apache-2.0
"""Files that an m=message section offers or asks for (RFC 5547)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from sip.bodies.mediatype import media_type
from sip.bodies.sdp import Media, Sdp

from .chunk import ENDED, Chunk
from .errors import BadChunk, MediaError
from .party import Attribute

__all__ = [
    "FORBIDDEN",
    "FileCheck",
    "FileOffer",
    "FilePolicy",
    "FileWatch",
    "answer_attributes",
    "read_file",
    "rename_file",
    "safe_name",
]

#: What the receiver of a file must not say in an answer (8.3.1).
FORBIDDEN: Final = (b"file-icon", b"file-disposition", b"file-date")
#: Hashes that can be checked; others are passed over (IANA hash function textual names).
_HASHES: Final = {b"sha-1": sha1, b"sha-256": sha256}

_SELECTOR: Final = re.compile(
    rb'name:"(?P<name>[^"\x00\r\n]{1,1000})"'
    rb"|size:(?P<size>[0-9]{1,18})"
    rb'|type:(?P<type>[!#-\'*+.0-9A-Z^-~-]+/(?:[!#-\'*+.0-9A-Z^-~-]+)(?:;[^ "]+="[^"\r\n]*")*)'
    rb"|hash:(?P<algorithm>[!#-'*+.0-9A-Z^-~-]+):(?P<hash>[0-9A-F]{2}(?::[0-9A-F]{2})*)",
    re.IGNORECASE,
)
_RANGE: Final = re.compile(rb"([1-9][0-9]{0,17})-([0-9]{1,18}|\*)")
_TOKEN: Final = re.compile(rb"[!#-'*+.0-9A-Z^-~-]{1,256}", re.IGNORECASE)
_NAME_OCTETS: Final = 200
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileOffer:
    """What a section says of a file. selector: as it came, b"" where it only asks what is known.

    name: as its sender wrote it. size: octets. hashes: those that can be checked. start: the first
    octet that is to come, counted from 1; stop: the last one, None for the end. pushed: who speaks
    sends the file, and does not ask for it.
    """

    selector: bytes
    transfer_id: bytes
    name: bytes
    media_type: bytes
    size: int | None
    hashes: tuple[tuple[bytes, bytes], ...]
    start: int
    stop: int | None
    pushed: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What is the same when the transfer goes on after a break, under another id (8.1)."""
        return (self.hashes or (self.name, self.media_type), self.size)


def read_file(sdp: Sdp, media: Media) -> FileOffer | None:
    """Read the file of a section, None when it is about none. Raises: MediaError."""
    text = media.attribute(b"file-selector")
    if text is None:
        return None
    found: dict[str, bytes] = {}
    hashes: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(text):
        part = _SELECTOR.match(text, at)
        if part is None or (part.end() < len(text) and text[part.end()] != 0x20):
            raise MediaError("a=file-selector cannot be read")
        at = part.end() + 1
        kind = part.lastgroup or ""
        if kind == "hash":
            if part["algorithm"].lower() in _HASHES:
                digest = bytes.fromhex(part["hash"].replace(b":", b"").decode())
                hashes.append((part["algorithm"].lower(), digest))
        elif kind in found:
            raise MediaError(f"a=file-selector has two of {kind}")
        else:
            found[kind] = part[kind]
    start, stop = _range(media)
    transfer_id = media.attribute(b"file-transfer-id") or b""
    if transfer_id and _TOKEN.fullmatch(transfer_id) is None:
        raise MediaError("a=file-transfer-id cannot be read")
    sends = any(each.attribute(b"sendonly") is not None for each in (media, sdp.session))
    return FileOffer(
        text,
        transfer_id,
        unquote_to_bytes(found.get("name", b"")),
        media_type(found.get("type", b"")),
        int(found["size"]) if "size" in found else None,
        tuple(hashes),
        start,
        stop,
        sends,
    )


def _range(media: Media) -> tuple[int, int | None]:
    text = media.attribute(b"file-range")
    if text is None:
        return 1, None
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise MediaError("a=file-range cannot be read")
    stop = None if found[2] == b"*" else int(found[2])
    if stop is not None and stop < int(found[1]):
        raise MediaError("a=file-range ends before it begins")
    return int(found[1]), stop


def safe_name(name: bytes) -> str:
    """Return a name that no system takes for a place or a device, "" when nothing is left.

    The last part of a path, without control characters and what shells and file systems treat
    apart; at most 200 octets of UTF-8, its extension kept.
    """
    text = re.split(r"[/\\:]", name.decode("utf-8", "replace"))[-1]
    text = "".join(each for each in text if each.isprintable() and each not in '"<>|*?%')
    text = text.strip(" .")
    if _DEVICES.fullmatch(text):
        text = "_" + text
    stem, dot, extension = text.rpartition(".")
    if dot and len(extension) <= 16:
        room = _NAME_OCTETS - len(extension.encode()) - 1
        return stem.encode()[:room].decode("utf-8", "ignore") + "." + extension
    return text.encode()[:_NAME_OCTETS].decode("utf-8", "ignore")


def rename_file(media: Media, file: FileOffer) -> bool:
    """Make the name in a section one that is safe; False when it was."""
    name = safe_name(file.name).encode()
    if name == file.name:
        return False
    written = b'name:"' + quote_from_bytes(name or b"file", b" ()-_.,+@'!").encode() + b'"'
    text = re.sub(rb'name:"[^"]*"', lambda _: written, file.selector, count=1)
    media.set_attribute(b"file-selector", text)
    return True


def answer_attributes(file: FileOffer, section: Media) -> list[Attribute]:
    """Return what an answer repeats of the offer of a file (8.3.1): nothing it must not say."""
    said: list[Attribute] = [(b"file-selector", file.selector)]
    for name in (b"file-transfer-id", b"file-range"):
        value = section.attribute(name)
        if value:
            said.append((name, value))
    return said


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """Which files may be transferred. octets: of one, 0 for any; types: "image/*", () for any."""

    octets: int = 0
    types: Sequence[str] = ()

    @property
    def active(self) -> bool:
        """True when some file is refused."""
        return bool(self.octets or self.types)

    def refusal(self, file: FileOffer) -> str:
        """Say why a file may not be transferred, "" when it may.

        One whose size or type is not told may not, where that is what counts.
        """
        if self.octets and file.selector and (file.size is None or file.size > self.octets):
            return f"a file may have {self.octets} octets" + ("" if file.size else ", say how many")
        kind = file.media_type.decode("ascii", "replace")
        if self.types and file.selector and not any(_matches(kind, one) for one in self.types):
            return f"files of type {kind or 'unknown'} are not transferred"
        return ""


def _matches(kind: str, pattern: str) -> bool:
    if pattern in ("*", "*/*"):
        return True
    if pattern.endswith("/*"):
        return kind.startswith(pattern[:-1])
    return kind == pattern


class FileCheck:
    """Holds the octets of a file that come in order against what was said of it.

    position: octets that have come, from the beginning of the file.
    """

    def __init__(self, file: FileOffer) -> None:
        self.file = file
        self.position = 0
        self.broken = False
        self._digests = [(_HASHES[name](), wanted) for name, wanted in file.hashes]

    def feed(self, at: int, body: bytes) -> None:
        """Take octets that begin at `at`, counted from 0; what is not in order ends the check."""
        if at > self.position:
            self.broken = True
            return
        body = body[self.position - at :]  # what came before a break may come again
        self.position += len(body)
        for digest, _ in self._digests:
            digest.update(body)

    @property
    def too_long(self) -> bool:
        """True when more has come than was said."""
        return self.file.size is not None and self.position > self.file.size

    @property
    def differs(self) -> bool:
        """True when what has come is not the file; asked behind its last octet."""
        if self.broken:
            return False
        if self.file.size is not None and self.position != self.file.size:
            return True
        return any(digest.digest() != wanted for digest, wanted in self._digests)


class FileWatch:
    """Watches a file that passes: the tap of a leg (`anchor.Leg`). done: its last octet came."""

    def __init__(self, check: FileCheck, start: int) -> None:
        """Args: start: the first octet of the file that passes, counted from 1."""
        self.check = check
        self.done = False
        self._start = start

    def __call__(self, chunk: Chunk) -> None:
        """Take a piece of the file."""
        if chunk.method != b"SEND" or self.done:
            return
        try:
            at = chunk.byte_range().start - 1 + chunk.offset
        except BadChunk:  # the far end refuses it
            self.check.broken = True
            return
        self.check.feed(self._start - 1 + at, chunk.body)
        self.done = chunk.flag == ENDED

    @property
    def verdict(self) -> str:
        """What is to be said of the file, a word of `pager.rules`."""
        check = self.check
        if check.too_long:
            return "file-too-long"
        if not self.done or check.broken:
            return "file-unfinished" if not self.done else "file-unchecked"
        return "file-differs" if check.differs else "file-whole"
