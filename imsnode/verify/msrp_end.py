# SPDX-License-Identifier: Apache-2.0
"""One end of an MSRP session on a socket of its own, as a client has it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from session_msrp.errors import MediaError
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.media import ACTPASS, Description, is_session, new_media, read_media, we_connect
from session_msrp.outbox import Outgoing
from session_msrp.printing import print_request
from session_msrp.reassembly import Message
from session_msrp.session import Delivered, Event, Received, Reported, Session
from session_msrp.session import Failed as Undelivered
from session_msrp.uri import MsrpUri, parse_uri
from sip.bodies.sdp import Sdp, Section, parse_sdp
from sip.errors import BadMessage

from .outcome import Failed
from .tape import Tape

__all__ = ["MsrpEnd"]

_READ: Final = 65536
_Found = TypeVar("_Found")


class MsrpEnd:
    """Listens from the start, and connects where the descriptions say so (RFC 6135).

    Args: host: address of this machine. types, attributes: of its description. tape, name: where
        what passes is noted, and under which name.
    """

    def __init__(
        self, host: str, tape: Tape, name: str, patience: float, types: bytes = b"*",
        attributes: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:  # fmt: skip
        self._host = host
        self._tape = tape
        self._name = name
        self._patience = patience
        self._types = types
        self._attributes = attributes
        self._framer = Framer(Limits())
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._happened = asyncio.Event()
        self._events: list[Event] = []
        self._statuses: dict[bytes, int] = {}
        self.connects = False
        self.session: Session
        self.peer: Description
        self.own: MsrpUri

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, self._host, 0)
        port = self._server.sockets[0].getsockname()[1]
        name = f"[{self._host}]" if ":" in self._host else self._host
        self.own = parse_uri(f"msrp://{name}:{port}/{secrets.token_hex(10)};tcp".encode())

    async def close(self) -> None:
        """End everything."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()

    # -- descriptions ------------------------------------------------------------------------------

    def description(self, setup: bytes = ACTPASS) -> bytes:
        """Return this end's SDP."""
        media = new_media(self.own, self._host, self._types, setup)
        for name, value in self._attributes:
            media.set_attribute(name, value)
        family = b"IP6" if ":" in self._host else b"IP4"
        origin = b"- 1 1 IN %b %b" % (family, self._host.encode())
        session = Section([(b"v", b"0"), (b"o", origin), (b"s", b"-"), (b"t", b"0 0")])
        return Sdp(session, [media]).print()

    def agree(self, body: bytes, offered: bool) -> bytes:
        """Take the other side's SDP; returns the answer where it was an offer. Raises: Failed."""
        try:
            sdp = parse_sdp(body)
            media = next(each for each in sdp.media if is_session(each) and each.port)
            self.peer = read_media(sdp, media)
        except StopIteration:
            raise Failed("the session description has no m=message section") from None
        except (BadMessage, MediaError) as error:
            raise Failed(f"the session description cannot be read: {error.reason}") from error
        path = b" ".join(uri.raw for uri in self.peer.path)
        self.session = Session(self.own.raw, path, _new_tid, Limits(), self._types.split())
        ours = ACTPASS if offered else b"passive" if self.peer.setup != b"passive" else b"active"
        self.connects = we_connect(ours, self.peer.setup, offered=offered)
        return b"" if offered else self.description(ours)

    async def connect(self) -> None:
        """Open the connection, or wait until the other side has. Raises: Failed."""
        try:
            async with asyncio.timeout(self._patience):
                if self.connects:
                    streams = await asyncio.open_connection(*self.peer.path[0].address)
                    self._keep(self._run(*streams))
                    await self._connected.wait()
                    await self.send(None)
                else:
                    await self._connected.wait()
        except (TimeoutError, OSError) as error:
            what = str(error) or "nobody connected"
            raise Failed(f"the MSRP connection of {self._name} fails: {what}") from error

    # -- octets ------------------------------------------------------------------------------------

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is None:
            await self._run(reader, writer)
        else:
            writer.close()

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._connected.set()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_READ):
                self._framer.feed(data)
                while (chunk := self._framer.next()) is not None:
                    self._tape.note(self._name, "in", "MSRP", chunk.raw)
                    if chunk.status:
                        self._statuses[chunk.tid] = chunk.status
                    self._events += self.session.receive(chunk, time.monotonic())
                    self._happened.set()
                await self._pump()

    async def _pump(self) -> None:
        writer = self._writer
        while writer is not None and (octets := self.session.take(time.monotonic())) is not None:
            await self._write(octets)

    async def _write(self, octets: bytes) -> None:
        assert self._writer is not None
        self._tape.note(self._name, "out", "MSRP", octets)
        self._writer.write(octets)
        await self._writer.drain()

    # -- what flows do -----------------------------------------------------------------------------

    async def send(
        self, body: bytes | None, kind: bytes = b"text/plain", *, success_report: bool = False
    ) -> None:
        """Send a message."""
        number = secrets.token_hex(8).encode()
        self.session.send(Outgoing(number, kind, body, success_report=success_report))
        await self._pump()

    async def message(self) -> Message:
        """Wait for a message. Raises: Failed."""
        found = await self._event(lambda event: event if isinstance(event, Received) else None)
        if found is None:
            raise Failed(f"{self._name} gets no message")
        return found.message

    async def delivered(self) -> bool:
        """Say whether the next hop answers what was sent."""
        return await self._event(
            lambda event: (isinstance(event, Delivered) and event.message.body is not None) or None
        ) is not None  # fmt: skip

    async def refused(self) -> int:
        """Wait until a message is refused; returns the status, 0 when it is not."""
        return await self._event(
            lambda event: event.status if isinstance(event, Undelivered) else None
        ) or 0  # fmt: skip

    async def reported(self) -> bool:
        """Say whether a report of success comes."""
        return await self._event(
            lambda event: (isinstance(event, Reported) and event.status == 200) or None
        ) is not None  # fmt: skip

    async def nickname(self, value: bytes) -> int:
        """Ask for a nickname; returns the answer, 0 for none."""
        tid = secrets.token_hex(8).encode()
        lines = (b"Use-Nickname: " + value,)
        await self._write(print_request(tid, b"NICKNAME", self.session.path, self.own.raw, lines))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while tid not in self._statuses:
                    self._happened.clear()
                    await self._happened.wait()
        return self._statuses.get(tid, 0)

    async def _event(self, wanted: Callable[[Event], _Found | None]) -> _Found | None:
        """Wait for an event; None when none comes in time."""
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    for event in self._events:
                        found = wanted(event)
                        if found is not None:
                            self._events.remove(event)
                            return found
                    self._happened.clear()
                    await self._happened.wait()
        except TimeoutError:
            return None


def _new_tid() -> bytes:
    return secrets.token_hex(8).encode()
