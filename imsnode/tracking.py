# SPDX-License-Identifier: Apache-2.0
"""What becomes of messages that service accounts sent, told to their webhooks.

An event is committed to the mailbox of its account like a message, so it is posted like one: in
order with what comes in, again until it is taken, also after a restart. What a crash cuts off
between a message's own commit and that of the event is told by the API alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from pager import rules
from pager.identity import MessageIds
from pager.keeper import Keeper
from pager.ports import Clock
from pager.submission import Submission
from pager.values import ExpiredMessage, StoredMessage, StoreKind, StoreResult

from .http.api.models import timestamp
from .http.api.received import MessageState, Reached, StateEvent
from .mailroom import EVENT_HEAD, MailroomStats

__all__ = ["Tracking"]

_log = logging.getLogger(__name__)

_AHEAD = 10_000  # events that wait to be committed


@dataclass(frozen=True, slots=True)
class _Event:
    """message_id: "" when only the IMDN Message-ID is known so far. at: wall time."""

    sender: str
    recipient: str
    message_id: str
    reached: Reached
    at: float
    status: int = 0
    device: str = ""
    imdn_id: str = ""


class Tracking:
    """`pager.ports.Observer` for the senders in ``watched``.

    Args:
        lifetime: seconds an event waits to be taken. find: the message id that belongs to an IMDN
            Message-ID, "" for none. news: told whose mailbox has something new.
    """

    def __init__(
        self,
        keeper: Keeper,
        ids: MessageIds,
        clock: Clock,
        lifetime: Callable[[], float],
        find: Callable[[str], Awaitable[str]],
        news: Callable[[str], None],
        stats: MailroomStats,
    ) -> None:
        self.watched: frozenset[str] = frozenset()
        self._keeper = keeper
        self._ids = ids
        self._clock = clock
        self._lifetime = lifetime
        self._find = find
        self._news = news
        self._stats = stats
        self._events: asyncio.Queue[_Event] = asyncio.Queue(_AHEAD)
        self._task: asyncio.Task[None] | None = None

    def watch(self, senders: frozenset[str]) -> None:
        """Tell exactly these senders from now on."""
        self.watched = senders
        if senders and self._task is None:
            self._task = asyncio.ensure_future(self._run())

    def close(self) -> None:
        """Tell nobody any more."""
        if self._task is not None:
            self._task.cancel()

    # ------------------------------------------------------------ pager.ports.Observer

    def answered(self, submission: Submission, now: float) -> None:
        """Tell what the sender heard, and what recipients say that they have seen."""
        notice = submission.notice
        sender, recipient = submission.sender, submission.recipient
        if notice is not None and notice.kind:
            if notice.kind == rules.IMDN and recipient in self.watched:
                for imdn_id, says in notice.told:
                    if says == rules.SAYS_DISPLAYED:
                        at = submission.wall(now)
                        seen = imdn_id.decode("utf-8", "replace")
                        event = _Event(recipient, sender, "", "displayed", at, imdn_id=seen)
                        self._put(event)
            return
        if sender in self.watched:
            status = submission.status
            reached: Reached = "stored" if status == 202 else "delivered"
            if status >= 300:
                reached = "failed"
            at = submission.wall(now)
            self._put(_Event(sender, recipient, submission.id, reached, at, status))

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Tell of every copy by its own id."""
        if copies and copies[0].sender in self.watched:
            at = self._clock.wall()
            for one in copies:
                self._put(_Event(one.sender, one.recipient, one.id, "stored", at, 202))

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Tell which device took a stored message, or that none will."""
        if message.sender not in self.watched:
            return
        at = self._clock.wall()
        if status < 300 or status == 482:
            self._put(_of(message, "delivered", at, status, device))
        elif final and not message.accepted:
            self._put(_of(message, "failed", at, status, device))

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """Tell that it was too late."""
        if gone.sender in self.watched and not gone.accepted:
            self._put(_of(gone, "expired", wall))

    def recalled(self, gone: ExpiredMessage) -> None:
        """Tell that it was taken back."""
        if gone.sender in self.watched:
            self._put(_of(gone, "recalled", self._clock.wall()))

    # ------------------------------------------------------------------------- commit

    def _put(self, event: _Event) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self._stats.events_dropped += 1

    async def _run(self) -> None:
        while True:
            event = await self._events.get()
            try:
                await self._keep(event)
            except Exception:  # noqa: BLE001  # the next one is told all the same (rule G1)
                _log.exception("an event could not be kept", extra={"service": event.sender})
                self._stats.events_dropped += 1

    async def _keep(self, event: _Event) -> None:
        """Commit an event to the mailbox of the account it is for."""
        if self._keeper.full(event.sender, False):
            self._stats.events_dropped += 1
            return
        identity = event.message_id or await self._find(event.imdn_id)
        told = StateEvent(
            type=f"message.{event.reached}",
            timestamp=timestamp(event.at),
            data=MessageState(
                id=identity,
                sender=event.sender,
                to=event.recipient,
                state=event.reached,
                sip_status=event.status,
                device=event.device,
                imdn_message_id=event.imdn_id,
            ),
        )
        body = told.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        wall = self._clock.wall()
        number = self._ids.next(wall)
        key = blake2b(number.encode(), digest_size=16, person=b"event").digest()
        kept: asyncio.Future[StoreResult] = asyncio.get_running_loop().create_future()
        self._keeper.store(
            StoredMessage(
                number, key, "", event.sender, number.encode(), 1, event.at,
                wall + self._lifetime(), EVENT_HEAD, body,
            ),
            kept.set_result,
        )  # fmt: skip
        result = await kept
        if result.kind is StoreKind.STORED:
            self._news(event.sender)
        else:
            self._keeper.uncount(event.sender, False)
            self._stats.events_dropped += 1


def _of(
    message: StoredMessage | ExpiredMessage, reached: Reached, at: float, status: int = 0,
    device: str = "",
) -> _Event:  # fmt: skip
    return _Event(message.sender, message.recipient, message.id, reached, at, status, device)
