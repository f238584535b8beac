# SPDX-License-Identifier: Apache-2.0
"""Bookkeeping over the message store: counts, marks that must not get lost, the expiry sweep."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Protocol

from sip.timers import TimerQueue

from . import rules
from .contents import stored_notice
from .mailbox import Item, Mailbox
from .ports import Clock, Ledger, MessageStore, Observer
from .settings import PagerSettings
from .stats import PagerStats
from .values import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    MarkState,
    StoredMessage,
    StoreResult,
)

_SWEEP: Final = 1
_REPEAT_MARKS: Final = 2
_SWEEP_LIMIT: Final = 500
_SWEEP_PAUSE_S: Final = 1.0
_REPEAT_AFTER_S: Final = 2.0


class SweepUser(Protocol):
    """Whoever holds items in memory and must hear that they expired."""

    def expired(self, recipient: str, seq: int) -> bool:
        """Take note; False when the item's fate was decided already."""
        ...


class _Marking:
    """One mark on its way to the store."""

    __slots__ = ("box", "item", "keeper", "mark")

    def __init__(self, keeper: Keeper, box: Mailbox, item: Item, mark: DeliveryMark) -> None:
        self.keeper = keeper
        self.box = box
        self.item = item
        self.mark = mark

    def done(self, committed: bool) -> None:
        self.keeper.marked(self, committed)


class Keeper:
    """Counts what waits per recipient and carries marks and deadlines to the store.

    The counts include messages whose commit is under way, so that a burst cannot overfill a
    mailbox. A mark that failed is repeated until it is committed or the program ends; then the
    next run delivers once more under the same identity, which the device recognises.
    """

    def __init__(
        self,
        store: MessageStore,
        ledger: Ledger,
        clock: Clock,
        timers: TimerQueue,
        settings: PagerSettings,
        stats: PagerStats,
    ) -> None:
        self.store_port = store
        self.settings = settings
        self.user: SweepUser | None = None
        self.observers: tuple[Observer, ...] = ()
        # Told whose number of messages that nobody has taken is another now.
        self.counted: Callable[[str], None] | None = None
        self._ledger = ledger
        self._clock = clock
        self._timers = timers
        self._stats = stats
        self._open: dict[str, int] = {}
        self._copies: dict[str, int] = {}
        self._failed: list[_Marking] = []
        self._near: list[float] = []
        self._sweep_at = 0.0
        self._sweeping = False

    def start(self, now: float) -> None:
        """Read the counts and begin to sweep; blocks while the store counts."""
        for recipient, waiting in self.store_port.waiting_counts().items():
            if waiting.open:
                self._open[recipient] = waiting.open
            if waiting.copies:
                self._copies[recipient] = waiting.copies
        self._sweep_soon(now + _SWEEP_PAUSE_S)

    def waits(self, recipient: str) -> bool:
        """Say whether anything waits for a recipient."""
        return recipient in self._open or recipient in self._copies

    def waiting(self, recipient: str) -> int:
        """Count what waits for a recipient."""
        return self._open.get(recipient, 0) + self._copies.get(recipient, 0)

    def untaken(self, recipient: str) -> int:
        """Count the messages that no device of a recipient has taken."""
        return self._open.get(recipient, 0)

    def recipients(self) -> int:
        """Count the recipients somebody waits for."""
        return len(self.waiting_recipients())

    def waiting_recipients(self) -> set[str]:
        """Return everybody a message waits for."""
        return self._open.keys() | self._copies.keys()

    def full(self, recipient: str, accepted: bool) -> bool:
        """Say whether one more message has no room; ``accepted`` as in StoredMessage."""
        counts = self._copies if accepted else self._open
        return counts.get(recipient, 0) >= self.settings.mailbox_messages

    def store(self, message: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        """Commit a message; ``done`` follows the commit.

        Who gets another result than STORED calls ``uncount``.
        """
        if message.accepted:
            _add(self._copies, message.recipient, 1)
        else:
            self._count(message.recipient, 1)
        self.store_port.store(message, done)

    def count(self, recipient: str, accepted: bool = False) -> None:
        """Count a message that is stored, or about to be, by another way than ``store``."""
        if accepted:
            _add(self._copies, recipient, 1)
        else:
            self._count(recipient, 1)

    def schedule_expiry(self, expires_at: float) -> None:
        """Let a sweep of its own follow a deadline (wall time) that is near."""
        at = self._clock.now() + max(expires_at - self._clock.wall(), 0.0)
        heappush(self._near, at)
        self._sweep_soon(at + _SWEEP_PAUSE_S)

    def settle(
        self, box: Mailbox, item: Item, device: str, state: MarkState, status: int, opened: bool
    ) -> None:
        """Record a device's fate, which ``item`` shows already.

        Args:
            opened: nobody had taken the message before.
        """
        message = item.message
        if item.finished:
            self.uncount(message.recipient, not opened)
        elif opened and item.accepted:
            self.uncount(message.recipient, False)
            _add(self._copies, message.recipient, 1)
        mark = DeliveryMark(
            message.id, item.seq, device, state, self._clock.wall(), status, item.finished
        )
        item.unconfirmed += 1
        marking = _Marking(self, box, item, mark)
        self.store_port.mark((mark,), marking.done)

    def marked(self, marking: _Marking, committed: bool) -> None:
        """Take the store's answer to a mark."""
        if committed:
            marking.item.unconfirmed -= 1
            marking.box.forget(marking.item)
            marking.box.engine.close_if_idle(marking.box)
            return
        self._stats.store_failures += 1
        if not self._failed:
            self._timers.schedule(self._clock.now() + _REPEAT_AFTER_S, self, _REPEAT_MARKS)
        self._failed.append(marking)

    def uncount(self, recipient: str, accepted: bool) -> None:
        """Count one waiting message less."""
        if accepted:
            _add(self._copies, recipient, -1)
        else:
            self._count(recipient, -1)

    def _count(self, recipient: str, change: int) -> None:
        _add(self._open, recipient, change)
        if self.counted is not None:
            self.counted(recipient)

    def on_timer(self, kind: int, now: float) -> None:
        """Sweep, or repeat the marks that failed."""
        if kind == _REPEAT_MARKS:
            failed, self._failed = self._failed, []
            for marking in failed:
                self.store_port.mark((marking.mark,), marking.done)
        elif now >= self._sweep_at and not self._sweeping:
            self._sweeping = True
            self._sweep_at = 0.0
            self.store_port.expire(self._clock.wall(), _SWEEP_LIMIT, self._swept)

    def _sweep_soon(self, at: float) -> None:
        if not self._sweep_at or at < self._sweep_at - _SWEEP_PAUSE_S:
            self._sweep_at = at
            self._timers.schedule(at, self, _SWEEP)

    def _swept(self, expired: list[ExpiredMessage] | None) -> None:
        self._sweeping = False
        now = self._clock.now()
        while self._near and self._near[0] <= now - _SWEEP_PAUSE_S:
            heappop(self._near)
        at = now + self.settings.expire_every_s
        if expired is not None and len(expired) >= _SWEEP_LIMIT:
            at = now
        elif self._near:
            at = min(at, self._near[0] + _SWEEP_PAUSE_S)
        self._sweep_soon(at)
        if expired is None:
            self._stats.store_failures += 1
            return
        wall = self._clock.wall()
        for gone in expired:
            if self.user is not None and not self.user.expired(gone.recipient, gone.seq):
                continue
            self.uncount(gone.recipient, gone.accepted)
            self._stats.expired += 1
            self._ledger.note(
                LedgerEntry(
                    gone.id,
                    gone.call_id,
                    wall,
                    gone.sender,
                    gone.recipient,
                    gone.size,
                    [(wall, rules.EXPIRED, "", 0, rules.DEADLINE)],
                    rules.EXPIRED,
                    True,
                    stored_notice(gone.head, gone.body),
                )
            )
            for observer in self.observers:
                observer.expired(gone, wall)


def _add(counts: dict[str, int], recipient: str, change: int) -> None:
    count = counts.get(recipient, 0) + change
    if count > 0:
        counts[recipient] = count
    else:
        counts.pop(recipient, None)
