# SPDX-License-Identifier: Apache-2.0
"""The part of a mailbox that is in memory while it is being emptied.

Lane: one reachable device and what it gets next. Item: one stored message, shared by the lanes
that hold it. Mailbox: the lanes and items of one recipient. Data only; ``offline`` moves it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from sip.proxy import Target

from . import policy
from .values import PendingMessage, StoredMessage

if TYPE_CHECKING:
    from .offline import Attempt, Offline

# The kind of the one timer a lane has.
WAKE: Final = 1

# A device is its instance id, or, without one, the contact it can be reached at.
LaneKey = str | bytes


class Tried(Protocol):
    """An attempt that was begun before its message was stored; a branch of a fork is one."""

    @property
    def target(self) -> Target: ...

    @property
    def status(self) -> int: ...


class Item:
    """One stored message and what became of it so far.

    fresh: stored by this run and never read back, so its earlier attempts are all known.
    tried: devices an unanswered attempt may have reached. holders: lanes and running attempts
    that refer to it. unconfirmed: marks on their way to the store. While either is not 0 the
    item stays in its mailbox, so that a page read meanwhile cannot bring it back unsettled.
    """

    __slots__ = (
        "accepted",
        "finished",
        "fresh",
        "holders",
        "message",
        "seq",
        "settled",
        "tried",
        "unconfirmed",
    )

    def __init__(self, seq: int, message: StoredMessage) -> None:
        self.seq = seq
        self.message = message
        self.accepted = message.accepted
        self.settled: set[str] = set()
        self.tried: set[str] = set()
        self.fresh = True
        self.finished = False
        self.holders = 0
        self.unconfirmed = 0

    @classmethod
    def loaded(cls, pending: PendingMessage) -> Item:
        """Make an item from what the store says."""
        item = cls(pending.seq, pending.message)
        item.accepted = pending.accepted
        item.settled.update(pending.settled)
        item.fresh = False
        return item

    def standing(self, others: bool = False) -> policy.Standing:
        """Return the facts for the policy."""
        return policy.Standing(self.message.devices, self.settled, self.accepted, others)

    def concerns(self, device: str) -> bool:
        """Say whether a device should still get it."""
        return not self.finished and policy.concerns(self.standing(), device)

    def repeated(self, device: str) -> bool:
        """Say whether an earlier attempt may have reached the device."""
        return not self.fresh or device in self.tried or device in self.message.offered


class Lane:
    """One reachable device: messages for it, oldest first, and at most one on its way.

    cursor: everything up to this position of the store has been looked at. more: the store may
    hold more. loading: a page is on its way; reload: something was stored meanwhile; stale: the
    page is of no use any more. slot: the lane may hold a page; queued: it waits until it may.
    attempt: the message on its way. holds: branches of messages that were forwarded online,
    later stored, and still run toward this device. delay_s: the last pause after a failure.
    wake_at: end of that pause (monotonic), 0 when there is none. gone: not in use any more.
    """

    __slots__ = (
        "attempt",
        "box",
        "cursor",
        "delay_s",
        "device",
        "gone",
        "holds",
        "key",
        "loading",
        "more",
        "queue",
        "queued",
        "reload",
        "slot",
        "stale",
        "target",
        "wake_at",
    )

    def __init__(self, box: Mailbox, key: LaneKey, device: str, target: Target) -> None:
        self.box = box
        self.key = key
        self.device = device
        self.target = target
        self.queue: deque[Item] = deque()
        self.cursor = 0
        self.more = False
        self.loading = False
        self.reload = False
        self.stale = False
        self.slot = False
        self.queued = False
        self.attempt: Attempt | None = None
        self.holds: set[Tried] = set()
        self.delay_s = 0.0
        self.wake_at = 0.0
        self.gone = False

    @property
    def occupied(self) -> bool:
        """True while the next message may not be sent: one is under way, or a pause."""
        return bool(
            self.attempt is not None or self.holds or self.loading or self.queued or self.wake_at
        )

    @property
    def backlog(self) -> bool:
        """True while something older than a message that arrives now waits for the device."""
        return bool(self.queue or self.more or self.occupied)

    def moved_to(self, target: Target) -> bool:
        """Say whether ``target`` is another path than the one in use."""
        mine = self.target
        return target.uri != mine.uri or target.flow is not mine.flow

    def drop_page(self) -> None:
        """Let go of every message held for later."""
        while self.queue:
            self.box.release(self.queue.popleft())

    def rewind(self) -> None:
        """Read again from the oldest message on."""
        self.drop_page()
        self.cursor = 0
        self.more = True
        self.stale = self.loading

    def on_timer(self, kind: int, now: float) -> None:
        """End a pause, unless it was ended before or prolonged."""
        if self.wake_at and now >= self.wake_at and not self.gone:
            self.wake_at = 0.0
            self.box.engine.refresh(self.box, now)


class Mailbox:
    """The lanes of one recipient and the items they hold. reads: pages asked for, not yet here."""

    __slots__ = ("engine", "items", "lanes", "reads", "recipient")

    def __init__(self, engine: Offline, recipient: str) -> None:
        self.engine = engine
        self.recipient = recipient
        self.lanes: dict[LaneKey, Lane] = {}
        self.items: dict[int, Item] = {}
        self.reads = 0

    def hold(self, item: Item) -> Item:
        """Count one more holder; returns the item to use, the one known here when there is."""
        item = self.items.setdefault(item.seq, item)
        item.holders += 1
        return item

    def release(self, item: Item) -> None:
        """Count one holder less."""
        item.holders -= 1
        self.forget(item)

    def forget(self, item: Item) -> None:
        """Drop an item that nothing refers to any more."""
        if not item.holders and not item.unconfirmed and not self.reads:
            self.items.pop(item.seq, None)

    def tidy(self) -> None:
        """Drop every item that nothing refers to; after the last page under way is here."""
        if not self.reads:
            for item in [i for i in self.items.values() if not i.holders and not i.unconfirmed]:
                del self.items[item.seq]

    @property
    def idle(self) -> bool:
        """True when nothing is left to do for the devices that can be reached."""
        return not (self.items or self.reads or any(lane.backlog for lane in self.lanes.values()))
