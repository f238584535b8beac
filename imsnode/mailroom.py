# SPDX-License-Identifier: Apache-2.0
"""Takes messages for service accounts from the store to whoever handles them.

A service account is a user without devices, so the pager stores its messages and answers 202
after the commit, recognises repeats, bounds its mailbox and ends what is too old. From here on
they go to a handler, in order, one at a time for each account; or they wait until they are fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pager import rules
from pager.policy import next_delay
from pager.ports import Clock, Ledger, MessageStore, Observer
from pager.replay import shown_sender
from pager.submission import Submission
from pager.values import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    MarkState,
    PendingMessage,
    StoredMessage,
)

from .received import Handler, Received

__all__ = ["EVENT_HEAD", "Mailroom", "MailroomStats", "Retry"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: Answers of a handler that are about the message itself: it would never be taken.
_NEVER = frozenset((400, 410, 413, 415, 422))
#: Of an event that waits for its account among the messages (`imsnode.tracking`).
EVENT_HEAD = b"Content-Type: application/vnd.imsnode.event+json"
_MARK_AGAIN_S = 2.0
_PAGE = 16
_LOOK_AGAIN_S = 30.0  # in case that nobody told of a message


@dataclass(frozen=True, slots=True)
class Retry:
    """Pauses after a failed attempt: the first, doubled each time up to the longest."""

    first_s: float = 5.0
    longest_s: float = 300.0


class MailroomStats:
    """Counters of all service accounts, plain ints."""

    __slots__ = ("attempts", "events_dropped", "fetched", "given_up", "retries", "taken")

    def __init__(self) -> None:
        self.attempts = 0
        self.taken = 0
        self.retries = 0
        self.given_up = 0
        self.fetched = 0
        self.events_dropped = 0


class Mailroom:
    """The mailboxes of service accounts; an observer of the pager.

    Args:
        uncount: takes a message off the pager's count of what waits for a recipient.
        observers: those of the pager, who hear of what is settled here too.
    """

    def __init__(
        self,
        store: MessageStore,
        ledger: Ledger,
        uncount: Callable[[str, bool], None],
        clock: Clock,
        retry: Retry,
        observers: Callable[[], Iterable[Observer]],
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.uncount = uncount
        self.clock = clock
        self.retry = retry
        self.observers = observers
        self.stats = MailroomStats()
        self.rooms: dict[str, Room] = {}

    def configure(self, handlers: Mapping[str, Handler | None]) -> None:
        """Serve exactly these accounts from now on; None: messages wait to be fetched."""
        for aor in [aor for aor in self.rooms if aor not in handlers]:
            self.rooms.pop(aor).close()
        for aor, handler in handlers.items():
            room = self.rooms.get(aor)
            if room is None:
                room = self.rooms[aor] = Room(self, aor)
            room.serve(handler)

    async def close(self) -> None:
        """Stop; what is under way counts as not taken."""
        tasks = [room.task for room in self.rooms.values() if room.task is not None]
        self.configure({})
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------ observer of the pager

    def answered(self, submission: Submission, now: float) -> None:
        """A message was stored: its room has something to do."""
        room = self.rooms.get(submission.recipient)
        if room is not None and submission.status == 202:
            room.news.set()

    def news(self, aor: str) -> None:
        """Something was put into the mailbox of an account."""
        room = self.rooms.get(aor)
        if room is not None:
            room.news.set()

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Copies of a message to a group were stored."""
        for copy in copies:
            room = self.rooms.get(copy.recipient)
            if room is not None:
                room.news.set()

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Devices are none of our business."""

    def recalled(self, gone: ExpiredMessage) -> None:
        """A message was taken back: over for us like one that is too old."""
        self.expired(gone, 0.0)

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """A message is over; whoever has it at the moment must not settle it."""
        room = self.rooms.get(gone.recipient)
        if room is not None and gone.seq in room.held:
            room.held.discard(gone.seq)


class Room:
    """The mailbox of one service account. held: messages whose fate is being decided.

    Args: who: stands for the handler in the ledger.
    """

    def __init__(self, mailroom: Mailroom, aor: str, who: str = "webhook") -> None:
        self.aor = aor
        self._who = who
        self.news = asyncio.Event()
        self.held: set[int] = set()
        self.task: asyncio.Task[None] | None = None
        self.handler: Handler | None = None
        self._mailroom = mailroom
        self._one_at_a_time = asyncio.Lock()

    def serve(self, handler: Handler | None) -> None:
        """Bring messages to a handler from now on, or keep them for those who fetch."""
        self.handler = handler
        self.news.set()
        if handler is None:
            self.close()
        elif self.task is None:
            self.task = asyncio.ensure_future(self._run())

    def close(self) -> None:
        """Bring nothing any more."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def fetch(self, limit: int) -> list[Received]:
        """Return the oldest messages that wait. Raises: LookupError when they cannot be read."""
        live = await self._live(limit)
        self._mailroom.stats.fetched += len(live)
        return [received(one.message) for one in live]

    async def acknowledge(self, identities: Iterable[str], limit: int) -> list[str]:
        """Settle messages that somebody fetched; returns those that were still waiting.

        Args: limit: how many may wait at all.
        """
        wanted = set(identities)
        done = []
        async with self._one_at_a_time:
            for one in await self._live(limit):
                if one.message.id in wanted:
                    self.held.add(one.seq)
                    try:
                        await self._settle(one, "api", 200, MarkState.ACCEPTED)
                    finally:
                        self.held.discard(one.seq)
                    done.append(one.message.id)
        return done

    # ------------------------------------------------------------ to the handler

    async def _run(self) -> None:
        delay = 0.0
        while True:
            try:
                delay = await self._step(delay)
            except LookupError:
                delay = self._longer(delay)
            except Exception:  # noqa: BLE001  # of a handler: the others go on (rule G1)
                _log.exception("a message for a service failed", extra={"service": self.aor})
                delay = self._longer(delay)
            if delay:
                self._mailroom.stats.retries += 1
                await asyncio.sleep(delay)

    async def _step(self, delay: float) -> float:
        """Bring one message, or wait for one; returns the pause that follows, 0.0 for none."""
        self.news.clear()
        async with self._one_at_a_time:
            live = await self._live(1)
            if live:
                return await self._bring(live[0], delay)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self.news.wait()
        return 0.0

    async def _bring(self, one: PendingMessage, delay: float) -> float:
        stats = self._mailroom.stats
        stats.attempts += 1
        self.held.add(one.seq)
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(status: int) -> None:
            if not answered.done():
                answered.set_result(status)

        try:
            assert self.handler is not None
            self.handler.take(received(one.message), done)
            status = await answered
            if 200 <= status < 300:
                stats.taken += 1
                await self._settle(one, self._who, status, MarkState.ACCEPTED)
            elif status in _NEVER:
                stats.given_up += 1
                await self._settle(one, self._who, status, MarkState.REFUSED)
            else:
                self._note(one, self._who, status, rules.TRY_AGAIN, rules.UNDECIDED, False)
                return self._longer(delay)
        finally:
            self.held.discard(one.seq)
        return 0.0

    def _longer(self, delay: float) -> float:
        retry = self._mailroom.retry
        return next_delay(delay, retry.first_s, retry.longest_s)

    # --------------------------------------------------------------- the store

    async def _live(self, limit: int) -> list[PendingMessage]:
        """Return the oldest messages whose deadline has not come, at most so many."""
        wall = self._mailroom.clock.wall()
        live: list[PendingMessage] = []
        after = 0
        while len(live) < limit:
            page = await self._pending(after, _PAGE)
            live += [one for one in page if one.message.expires_at > wall]
            if len(page) < _PAGE:
                break
            after = page[-1].seq
        return live[:limit]

    async def _pending(self, after: int, limit: int) -> list[PendingMessage]:
        read: asyncio.Future[list[PendingMessage] | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._mailroom.store.pending(self.aor, after, limit, _result_of(read))
        pending = await read
        if pending is None:
            raise LookupError("the store cannot be read")
        return pending

    async def _settle(self, one: PendingMessage, who: str, status: int, state: MarkState) -> None:
        """Record the fate of a message, until the store has it; it is told once."""
        mailroom = self._mailroom
        over = one.seq not in self.held  # its deadline came first, and is on record
        if not over:
            mailroom.uncount(self.aor, one.accepted)
            wall = mailroom.clock.wall()
            mark = DeliveryMark(one.message.id, one.seq, who, state, wall, status, True)
            while not await self._marked((mark,)):  # noqa: ASYNC110  # the store says no more
                await asyncio.sleep(_MARK_AGAIN_S)
        taken = state is MarkState.ACCEPTED
        rule = rules.DEVICE_ACCEPTED if taken else rules.DEVICE_REFUSED
        self._note(one, who, status, rule, rules.DELIVERED if taken else rules.REFUSED, not over)
        if not over:
            now = mailroom.clock.now()
            for observer in mailroom.observers():
                observer.concluded(one.message, who, status, True, now)

    async def _marked(self, marks: Sequence[DeliveryMark]) -> bool:
        marked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._mailroom.store.mark(marks, _result_of(marked))
        return await marked

    def _note(
        self, one: PendingMessage, who: str, status: int, rule: str, outcome: str, final: bool
    ) -> None:
        message = one.message
        if message.head == EVENT_HEAD:
            return  # no message that anybody sent
        step = (self._mailroom.clock.wall(), rules.ANSWERED, who, status, rule)
        self._mailroom.ledger.note(
            LedgerEntry(
                message.id,
                message.call_id,
                message.received_at,
                message.sender,
                message.recipient,
                len(message.body),
                [step],
                outcome,
                final,
            )
        )


def received(message: StoredMessage) -> Received:
    """Return a stored message as a handler gets it."""
    content_type = b"text/plain"
    for line in message.head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-type", b"c"):
            content_type = value.strip()
            break
    return Received(
        message.id,
        shown_sender(message.sender, message.head),
        message.recipient,
        content_type,
        message.received_at,
        message.expires_at,
        message.head,
        message.body,
    )


def _result_of(future: asyncio.Future[_T]) -> Callable[[_T], None]:
    """Return what sets a result, unless whoever waited for it has gone."""

    def set_result(value: _T) -> None:
        if not future.done():
            future.set_result(value)

    return set_result
