# SPDX-License-Identifier: Apache-2.0
"""Messages to phones behind a message centre: from the store, through a link, settled.

A message waits in the store like one for a user who is away, in the mailbox of its number. It is
settled when the centre has taken all its parts, and what the centre called them is on disk.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence

from imsnode.mailroom import Room
from imsnode.received import Received
from imsnode.storage import Sent
from sip.bodies.segments import GSM7, UCS2, Place, cut, place_header
from sip.uri import parse_uri

from .content import read_content
from .link import Answer, Link
from .pdu import ShortMessage, Status, Tag, address_of

__all__ = ["NumberRoom", "Sender"]

_UNSUITABLE = 415
_TOO_LONG = 413
_GONE = 410
_LATER = 503
_UDHI = 0x40
#: What the centre says of a message that would never be taken; anything else may pass.
_PASSING = frozenset(
    (-1, Status.SYSTEM_ERROR, Status.QUEUE_FULL, Status.THROTTLED, Status.TEMPORARY)
)
_KEEPING_S = 1.0  # how long a receipt waits for its message to be on disk
_ids = itertools.count(1)


class NumberRoom(Room):
    """The mailbox of one number, as long as something waits in it. emptied: told of its end."""

    emptied: Callable[[str], None]

    async def _step(self, delay: float) -> float:
        if not self.news.is_set() and not await self._live(1):
            if self.news.is_set():
                return 0.0
            self.close()
            self.emptied(self.aor)
            await asyncio.sleep(0)
        return await super()._step(delay)


class Sender:
    """Takes messages to one centre (`imsnode.received.Handler`).

    Args: long: as in the configuration. source: stands for senders without a number. receipts: ask
        for them. keep: puts on disk what the centre took. wall: epoch seconds.
    """

    def __init__(
        self,
        link: Link,
        long: str,
        source: str,
        receipts: bool,
        keep: Callable[[Sequence[Sent]], Awaitable[None]],
        wall: Callable[[], float],
    ) -> None:
        self.link = link
        self._long = long
        self._source = source
        self._receipts = receipts
        self._keep = keep
        self._wall = wall
        self._tasks: set[asyncio.Task[None]] = set()
        # Messages that the centre has begun to take, by what it calls their parts.
        self._unkept: dict[str, asyncio.Future[None]] = {}

    def take(self, message: Received, done: Callable[[int], None]) -> None:
        """Take one message; done when the centre has it."""
        task = asyncio.ensure_future(self._take(message, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is under way; it stays in the store."""
        for task in self._tasks:
            task.cancel()

    async def kept(self, ids: Sequence[str]) -> bool:
        """Wait a moment for a message that the centre took to be on disk; False: it is not yet.

        A centre may say what became of one part before it has the others.
        """
        waiting = {self._unkept[one] for one in ids if one in self._unkept}
        if waiting:
            await asyncio.wait(waiting, timeout=_KEEPING_S)
        return all(one.done() for one in waiting)

    async def _take(self, message: Received, done: Callable[[int], None]) -> None:
        status = _LATER
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            status = await self._send(message, over)
        finally:
            over.set_result(None)
            done(status)

    async def _submit(self, part: ShortMessage, over: asyncio.Future[None]) -> Answer:
        answer = await self.link.submit(part)
        if answer.status == Status.OK:
            self._unkept[answer.id] = over
            over.add_done_callback(lambda _: self._unkept.pop(answer.id, None))
        return answer

    async def _send(self, message: Received, over: asyncio.Future[None]) -> int:
        content = read_content(message.content_type, message.body)
        if content is None:
            return _UNSUITABLE
        try:
            parts = self._parts(message, content.text)
        except ValueError:
            return _TOO_LONG
        answers = await asyncio.gather(*(self._submit(part, over) for part in parts))
        taken = [answer for answer in answers if answer.status == Status.OK]
        if len(taken) < len(parts):
            return _status(answers)
        if self._receipts:
            await self._keep(
                [self._sent(message, one.id, content.asked, len(parts)) for one in taken]
            )
        return 200

    def _sent(self, message: Received, identity: str, asked: bytes, total: int) -> Sent:
        return Sent(
            self.link.name, identity, message.id, message.sender, message.recipient, b"", asked,
            total, self._wall(),
        )  # fmt: skip

    def _parts(self, message: Received, text: str) -> list[ShortMessage]:
        """Cut a message as the centre wants it. Raises: ValueError when it is too long."""
        coding, pieces = cut(text)
        if len(pieces) > 1 and self._long == "payload":
            pieces = [b"".join(pieces)]
        total = len(pieces)
        reference = next(_ids) & 0xFF
        made = []
        for number, piece in enumerate(pieces, 1):
            esm_class = 0
            optional: dict[int, bytes] = {}
            if total > 1 and self._long == "udh":
                esm_class = _UDHI
                piece = place_header(Place(reference, total, number)) + piece
            elif total > 1:
                optional = {
                    Tag.SAR_REFERENCE: reference.to_bytes(2, "big"),
                    Tag.SAR_TOTAL: bytes((total,)),
                    Tag.SAR_NUMBER: bytes((number,)),
                }
            made.append(
                ShortMessage(
                    address_of(self._number(message.sender)),
                    address_of(_user(message.recipient)),
                    piece,
                    esm_class,
                    GSM7 if coding == GSM7 else UCS2,
                    int(self._receipts),
                    validity=_validity(message.expires_at - self._wall()),
                    optional=optional,
                )
            )
        return made

    def _number(self, sender: str) -> str:
        user = _user(sender)
        if user.startswith("+") and user[1:].isdigit():
            return user
        return self._source or user[:11]


def _user(aor: str) -> str:
    uri = parse_uri(aor.encode())
    return (uri.user or b"").decode("ascii", "replace")


def _status(answers: Sequence[Answer]) -> int:
    """Return what the store is told of a message that was not taken as a whole."""
    if any(answer.status in _PASSING for answer in answers):
        return _LATER
    return _GONE


def _validity(seconds: float) -> str:
    """Return how long the centre may try, relative (SMPP 3.4 7.1.1.2); at most 30 days."""
    left = int(max(60.0, min(seconds, 30 * 86400.0)))
    days, rest = divmod(left, 86400)
    hours, rest = divmod(rest, 3600)
    return f"0000{days:02d}{hours:02d}{rest // 60:02d}{rest % 60:02d}000R"
