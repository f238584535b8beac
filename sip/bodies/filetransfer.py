# SPDX-License-Identifier: Apache-2.0
"""A file to be fetched by HTTP: application/vnd.gsma.rcs-ft-http+xml (RCC.07)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ParseError
from ..grammar import parse_uint
from .xml import Element, add, child, new_root, parse_xml, text_of, write_xml, written

__all__ = ["MEDIA_TYPE", "File", "FileTransfer", "build_file_transfer", "parse_file_transfer"]

MEDIA_TYPE: Final = b"application/vnd.gsma.rcs-ft-http+xml"

_WHERE: Final = "rcs-ft-http"
_URN: Final = "urn:gsma:params:xml:ns:rcs:rcs:fthttp"
_NS: Final = f"{{{_URN}}}"
_SIZE_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class File:
    """Where a file is. size: octets. until: when the link ends, RFC 3339; "" when not said."""

    url: str
    size: int
    content_type: str
    until: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class FileTransfer:
    """A file and perhaps a small picture of it."""

    file: File
    thumbnail: File | None = None


def parse_file_transfer(body: bytes) -> FileTransfer:
    """Read a document.

    Raises: ParseError.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _NS + "file":
        raise ParseError(_WHERE, "rcs-ft-http document has another root element")
    infos = {info.get("type"): info for info in root.findall(_NS + "file-info")}
    if "file" not in infos:
        raise ParseError(_WHERE, "rcs-ft-http document names no file")
    thumbnail = infos.get("thumbnail")
    return FileTransfer(_read(infos["file"]), _read(thumbnail) if thumbnail is not None else None)


def build_file_transfer(transfer: FileTransfer) -> bytes:
    """Write a document."""
    root = new_root(_URN, "file")
    if transfer.thumbnail is not None:
        _write(root, "thumbnail", transfer.thumbnail)
    _write(root, "file", transfer.file)
    return write_xml(root)


def _read(info: Element) -> File:
    data = child(info, _NS + "data")
    url = (data.get("url") or "") if data is not None else ""
    if data is None or not url.startswith(("https://", "http://")):
        raise ParseError(_WHERE, "rcs-ft-http document has no HTTP link")
    size = text_of(child(info, _NS + "file-size")).encode()
    return File(
        url,
        parse_uint(size, _SIZE_MAX, "rcs-ft-http file-size"),
        text_of(child(info, _NS + "content-type")),
        data.get("until") or "",
        text_of(child(info, _NS + "file-name")),
    )


def _write(root: Element, kind: str, file: File) -> None:
    info = add(root, "file-info")
    info.set("type", kind)
    fields = (
        ("file-size", str(file.size)),
        ("file-name", file.name),
        ("content-type", file.content_type),
    )
    for name, text in fields:
        if text:
            add(info, name, text)
    data = add(info, "data")
    data.set("url", written(file.url))
    if file.until:
        data.set("until", written(file.until))
