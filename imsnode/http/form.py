# SPDX-License-Identifier: Apache-2.0
"""multipart/form-data as it comes (RFC 7578), so that a file need not fit into memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import Headers

__all__ = ["BadForm", "FormPart", "boundary_of", "form_parts"]

_HEAD_BYTES = 4096
_PREAMBLE_BYTES = 4096
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?![^\s;]))""", re.IGNORECASE)
# Bounded, so that a head without sense takes no time (threats.md S8).
_PARAMETER = re.compile(r""";\s{0,8}(\w{1,40})=(?:"([^"]*)"|([^\s;"]*))""")


class BadForm(Exception):
    """A form breaks the rules, or does not come to its end."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part. name, filename: "" when not given; size: as it announces it, None if it does not.

    Its octets have to be read before the next part is asked for; what is left is passed over.
    """

    name: str
    filename: str
    content_type: str
    size: int | None
    chunks: AsyncIterator[bytes]

    async def text(self, most: int) -> str:
        """Read a short value. Raises: BadForm."""
        octets = bytearray()
        async for chunk in self.chunks:
            octets += chunk
            if len(octets) > most:
                raise BadForm(f"{self.name} is too long")
        return octets.decode("utf-8", "replace")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a form. Raises: BadForm."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadForm("the form has no boundary")
    return (found[1] or found[2]).encode("latin-1", "replace")


async def form_parts(stream: AsyncIterable[bytes], boundary: bytes) -> AsyncIterator[FormPart]:
    """Cut a form into its parts. Raises: BadForm."""
    cutter = _Cutter(stream, boundary)
    preamble = 0
    async for chunk in cutter.until_delimiter():
        preamble += len(chunk)
        if preamble > _PREAMBLE_BYTES:
            raise BadForm("the form does not begin with its boundary")
    while not await cutter.at_end():
        part = _part(await cutter.head(), cutter.until_delimiter())
        yield part
        async for _ in part.chunks:
            pass


class _Cutter:
    """What has come of a form and was not given on."""

    def __init__(self, stream: AsyncIterable[bytes], boundary: bytes) -> None:
        self._stream = aiter(stream)
        self._buffer = bytearray(b"\r\n")  # a boundary begins a line, the first one too
        self._delimiter = b"\r\n--" + boundary

    async def until_delimiter(self) -> AsyncIterator[bytes]:
        """Give what comes before the next boundary, and pass that over."""
        size = len(self._delimiter)
        while True:
            at = self._buffer.find(self._delimiter)
            whole = at if at >= 0 else len(self._buffer) - size + 1
            if whole > 0:
                chunk = bytes(self._buffer[:whole])
                del self._buffer[:whole]
                yield chunk
            if at >= 0:
                del self._buffer[:size]
                return
            await self._more()

    async def at_end(self) -> bool:
        """Say whether the boundary just read was the last; else pass over its line end."""
        while len(self._buffer) < 2:
            await self._more()
        mark = bytes(self._buffer[:2])
        if mark not in (b"--", b"\r\n"):
            raise BadForm("a boundary is no line of its own")
        del self._buffer[:2]
        return mark == b"--"

    async def head(self) -> bytes:
        """Return the header lines of a part."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_BYTES:
                raise BadForm("the header lines of a part are too long")
            await self._more()
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        return head

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._stream)
        except StopAsyncIteration:
            raise BadForm("the form does not come to its end") from None


def _part(head: bytes, chunks: AsyncIterator[bytes]) -> FormPart:
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    fields = Headers(raw=[(name.strip().lower(), value.strip()) for name, _, value in lines])
    disposition = fields.get("content-disposition", "").encode("latin-1").decode("utf-8", "replace")
    given = {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(disposition)}
    size = fields.get("content-length", "")
    return FormPart(
        given.get("name", ""),
        given.get("filename", ""),
        fields.get("content-type", "text/plain"),
        int(size) if size.isdecimal() and len(size) < 20 else None,
        chunks,
    )
