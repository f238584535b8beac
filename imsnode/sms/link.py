# SPDX-License-Identifier: Apache-2.0
"""One connection to a message centre: bound, kept alive, opened again, with a window of requests.

Spec: SMPP 3.4 2 (sessions), 2.9 (windows), 4.11 (enquire_link), 7.2 (timers).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from secrets import randbelow

from .pdu import (
    HEAD,
    RESPONSE,
    BadPdu,
    Command,
    Head,
    Pdu,
    ShortMessage,
    Status,
    bind_transceiver,
    message_id,
    read_head,
)

__all__ = ["Answer", "Link", "LinkSettings", "LinkStats"]

_log = logging.getLogger(__name__)

_THROTTLED_S = 1.0
_LONGEST_PAUSE_S = 60.0
_CONNECT_S = 10.0
_TAKEN = 64  # messages of the centre that are worked on at a time

#: take(message): what the centre hears when everything is on disk that has to be.
Take = Callable[[ShortMessage], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where the centre is, and how it wants to be treated.

    rate: messages a second, 0: no limit. pause_s: before a link is made anew, doubled each time.
    """

    host: str
    port: int
    system_id: str
    password: str
    system_type: str = ""
    window: int = 10
    rate: float = 0.0
    enquire_s: float = 30.0
    answer_s: float = 30.0
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the centre says to a submit_sm. status: 0 taken; -1 it cannot be read."""

    status: int
    id: str = ""


class LinkStats:
    """Counters of one link, plain ints."""

    __slots__ = ("binds", "bound", "delivered", "refused", "submitted", "throttled")

    def __init__(self) -> None:
        self.bound = 0  # 1 while it is
        self.binds = 0
        self.submitted = 0  # taken by the centre
        self.refused = 0
        self.throttled = 0
        self.delivered = 0  # taken from the centre, receipts among them


class Link:
    """A client (ESME) of one message centre; `run` is its life.

    Args: take: gets what the centre delivers. It is answered when `take` is done.
    """

    def __init__(self, name: str, settings: LinkSettings, take: Take) -> None:
        self.name = name
        self.settings = settings
        self.stats = LinkStats()
        self.trouble = "not connected yet"
        self._take = take
        self._bound = asyncio.Event()
        self._window = asyncio.Semaphore(settings.window)
        self._waiting: dict[int, asyncio.Future[Pdu]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._sequence = 0
        self._free_at = 0.0
        self._heard = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_TAKEN)

    # ------------------------------------------------------------------ requests

    async def submit(self, message: ShortMessage) -> Answer:
        """Send one message when the window has room; again on the next link when one breaks."""
        async with self._window:
            answer = await self._answer_to(message.encode())
        if answer.status == Status.OK:
            self.stats.submitted += 1
        elif answer.status in (Status.THROTTLED, Status.QUEUE_FULL):
            self.stats.throttled += 1
            # Everybody slows down, not only who was told (5.1.3).
            self._free_at = max(self._free_at, self._now() + _THROTTLED_S)
        else:
            self.stats.refused += 1
        return answer

    async def _answer_to(self, body: bytes) -> Answer:
        while True:
            await self._bound.wait()
            await self._pace()
            try:
                answer = await self._ask(Command.SUBMIT_SM, body)
                taken = answer.status == Status.OK
                return Answer(answer.status, message_id(answer.body) if taken else "")
            except (OSError, TimeoutError):
                continue  # nobody knows whether it arrived: twice is better than never
            except BadPdu:
                return Answer(-1)

    async def _pace(self) -> None:
        wait = self._free_at - self._now()
        if self.settings.rate:
            self._free_at = max(self._free_at, self._now()) + 1 / self.settings.rate
        if wait > 0:
            await asyncio.sleep(wait)

    async def _ask(self, command: Command, body: bytes = b"") -> Pdu:
        """Send a request and wait for its answer. Raises: OSError, TimeoutError."""
        self._sequence = self._sequence % 0x7FFFFFFF + 1
        number = self._sequence
        answered: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            await self._send(Pdu(command, number, 0, body))
            async with asyncio.timeout(self.settings.answer_s):
                return await answered
        except TimeoutError:
            self._drop("the message centre does not answer")
            raise
        finally:
            del self._waiting[number]

    async def _send(self, pdu: Pdu) -> None:
        writer = self._writer
        if writer is None:
            raise ConnectionError("not connected")
        writer.write(pdu.encode())
        await writer.drain()

    # ---------------------------------------------------------------- connection

    async def run(self) -> None:
        """Stay bound for ever; cancelled, it takes its leave from the centre."""
        pause = self.settings.pause_s
        while True:
            before = self.stats.binds
            try:
                await self._session()
            except (OSError, TimeoutError, BadPdu, asyncio.IncompleteReadError) as error:
                self._ended(_words(error))
            if self.stats.binds > before:
                pause = self.settings.pause_s
            await asyncio.sleep(pause * (75 + randbelow(51)) / 100)  # links do not come in step
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _session(self) -> None:
        settings = self.settings
        async with asyncio.timeout(_CONNECT_S):
            reader, self._writer = await asyncio.open_connection(settings.host, settings.port)
        reading = asyncio.create_task(self._read(reader))
        try:
            body = bind_transceiver(settings.system_id, settings.password, settings.system_type)
            binding = asyncio.create_task(self._ask(Command.BIND_TRANSCEIVER, body))
            await asyncio.wait((binding, reading), return_when=asyncio.FIRST_COMPLETED)
            if not binding.done():
                binding.cancel()
                await reading
                raise ConnectionError("closed before the bind was answered")
            answer = binding.result()
            if answer.status != Status.OK:
                raise ConnectionError(f"bind refused with status 0x{answer.status:08x}")
            self.stats.binds += 1
            self.stats.bound = 1
            self.trouble = ""
            self._bound.set()
            _log.info("bound to message centre", extra={"smsc": self.name})
            await self._keep_alive(reading)
        except asyncio.CancelledError:
            await self._leave()
            raise
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading
            self._close()

    async def _keep_alive(self, reading: asyncio.Task[None]) -> None:
        """Ask whether the centre is there when nothing came for a while; ends with the session."""
        while True:
            self._heard = False
            await asyncio.wait((reading,), timeout=self.settings.enquire_s)
            if reading.done():
                reading.result()
                raise ConnectionError("closed by the message centre")
            if not self._heard:
                await self._ask(Command.ENQUIRE_LINK)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            head = read_head(await reader.readexactly(HEAD.size))
            body = await reader.readexactly(head.length - HEAD.size)
            self._heard = True
            if head.command & RESPONSE:
                answered = self._waiting.get(head.sequence)
                if answered is not None and not answered.done():
                    answered.set_result(Pdu(head.command, head.sequence, head.status, body))
            elif head.command == Command.DELIVER_SM:
                await self._room.acquire()
                self._spawn(self._delivered(head, body, self._writer))
            elif not await self._answered(head):
                return

    async def _answered(self, head: Head) -> bool:
        """Answer a request that has nothing to do with messages; False when it ends the session."""
        if head.command == Command.ENQUIRE_LINK:
            await self._send(Pdu(Command.ENQUIRE_LINK_RESP, head.sequence))
        elif head.command == Command.UNBIND:
            await self._send(Pdu(Command.UNBIND_RESP, head.sequence))
            return False
        else:
            nack = Pdu(Command.GENERIC_NACK, head.sequence, Status.INVALID_COMMAND)
            await self._send(nack)
        return True

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _delivered(
        self, head: Head, body: bytes, asked_by: asyncio.StreamWriter | None
    ) -> None:
        """Take a message of the centre, then answer it on the connection that it came over."""
        try:
            status = await self._take(ShortMessage.decode(body))
        except BadPdu:
            status = Status.PERMANENT
        except Exception:  # noqa: BLE001  # of one message: the link goes on (rule G1)
            _log.exception("message of the centre failed", extra={"smsc": self.name})
            status = Status.TEMPORARY
        finally:
            self._room.release()
        self.stats.delivered += status == Status.OK
        if self._writer is not asked_by:
            return  # the number means another message there; this one is delivered again
        with contextlib.suppress(OSError):
            # Without an answer the centre delivers it again.
            await self._send(Pdu(Command.DELIVER_SM_RESP, head.sequence, status, b"\0"))

    async def _leave(self) -> None:
        """Say goodbye; what is not answered comes again, or is sent again."""
        self._bound.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.stats.bound:
            with contextlib.suppress(OSError):
                self._sequence += 1
                await self._send(Pdu(Command.UNBIND, self._sequence))

    def _ended(self, reason: str) -> None:
        if self.trouble != reason:
            _log.warning("no message centre", extra={"smsc": self.name, "reason": reason})
        self.trouble = reason

    def _drop(self, reason: str) -> None:
        self.trouble = reason
        if self._writer is not None:
            self._writer.transport.abort()

    def _close(self) -> None:
        self._bound.clear()
        self.stats.bound = 0
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ConnectionError("connection lost"))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _words(error: BaseException) -> str:
    if isinstance(error, asyncio.IncompleteReadError):
        return "closed by the message centre"
    if isinstance(error, TimeoutError):
        return "the message centre does not answer"
    return str(error) or type(error).__name__
