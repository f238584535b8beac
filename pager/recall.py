# SPDX-License-Identifier: Apache-2.0
"""Taking messages back: removed wherever they have not been delivered, told per recipient.

What a device has taken stays taken. The store decides, in the order of its commits; what is in
memory follows it, and an attempt that is under way when the store decides can no longer be
stopped, so it is reported as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from . import rules
from .identity import imdn_key
from .keeper import Keeper
from .offline import Offline
from .ports import Clock, Ledger
from .values import ExpiredMessage, LedgerEntry

__all__ = ["Recall", "RecallState", "RecallStore", "Withdrawal", "Withdrawn", "recall_entry"]


class RecallState(StrEnum):
    """What came of a recall at one recipient.

    REMOVED: nobody has it and nobody will get it. PARTLY: a device has it, the others will not
    get it. ON_ITS_WAY: removed while an attempt to deliver it was under way. TOO_LATE: delivered,
    refused or expired before. UNKNOWN: no such message of this sender is kept: it was never
    stored, or long ago. FAILED: the store could not commit it; nothing has changed.
    """

    REMOVED = "removed"
    PARTLY = "partly"
    ON_ITS_WAY = "on-its-way"
    TOO_LATE = "too-late"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Which message to settle: that of ``recipient`` with this key, or else with this id.

    sender: who must have sent it, "" for anybody. at: wall time.
    """

    recipient: str
    sender: str
    at: float
    key: bytes = b""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What the store says. message: what it settled, now or by an earlier recall; else None.

    again: an earlier recall did it.
    """

    state: RecallState
    message: ExpiredMessage | None = None
    again: bool = False


class RecallStore(Protocol):
    """The part of the message store that a recall needs."""

    def withdraw(self, wish: Withdrawal, done: Callable[[Withdrawn], None]) -> None:
        """Settle a message that waits; ``done`` comes after the commit, as in MessageStore.

        Gives REMOVED, PARTLY, TOO_LATE, UNKNOWN or FAILED.
        """
        ...


class Recall:
    """Recalls messages; runs on the thread of the pager service.

    heard: is told what was settled, for those who deliver otherwise than to devices. unseen: is
    told what was settled and nobody has got or may still get. repeated: is told what an earlier
    recall has settled. secure: has what is on its way to
    somebody stored, so that it can be taken back.
    """

    def __init__(
        self, store: RecallStore, keeper: Keeper, offline: Offline, ledger: Ledger, clock: Clock
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._offline = offline
        self._ledger = ledger
        self._clock = clock
        self.heard: Callable[[ExpiredMessage], None] | None = None
        self.unseen: Callable[[ExpiredMessage], None] | None = None
        self.repeated: Callable[[ExpiredMessage], None] | None = None
        self.secure: Callable[[float, str], None] | None = None

    def by_imdn(
        self, imdn_id: bytes, sender: str, recipient: str, done: Callable[[RecallState], None]
    ) -> None:
        """Recall the message that its sender named so (imdn.Message-ID)."""
        key = imdn_key(imdn_id, sender, recipient)
        self._withdraw(Withdrawal(recipient, sender, self._clock.wall(), key=key), done)

    def by_id(
        self, message_id: str, sender: str, recipient: str, done: Callable[[RecallState], None]
    ) -> None:
        """Recall the message that this node named so; ``sender`` as in Withdrawal."""
        wish = Withdrawal(recipient, sender, self._clock.wall(), message_id=message_id)
        self._withdraw(wish, done)

    def _withdraw(self, wish: Withdrawal, done: Callable[[RecallState], None]) -> None:
        if self.secure is not None:
            self.secure(self._clock.now(), wish.recipient)
        self._store.withdraw(wish, lambda withdrawn: done(self._settled(wish, withdrawn)))

    def _settled(self, wish: Withdrawal, withdrawn: Withdrawn) -> RecallState:
        """Follow the store: what it has settled is delivered no more."""
        gone = withdrawn.message
        if gone is None:
            return withdrawn.state
        item, busy = self._offline.withdrawn(gone.recipient, gone.seq)
        if withdrawn.again and (item is None or item.finished):
            if self.repeated is not None:
                self.repeated(gone)
            return withdrawn.state
        if item is not None and item.finished:
            return RecallState.TOO_LATE  # its end was decided before and is on its way to the store
        accepted = gone.accepted
        if item is not None:
            item.finished = True
            accepted = item.accepted
        self._keeper.uncount(gone.recipient, accepted)
        if self.heard is not None:
            self.heard(gone)
        self._ledger.note(recall_entry(wish, gone))
        if busy:
            return RecallState.ON_ITS_WAY
        if accepted:
            return RecallState.PARTLY
        if self.unseen is not None:
            self.unseen(gone)
        return RecallState.REMOVED


def recall_entry(wish: Withdrawal, gone: ExpiredMessage) -> LedgerEntry:
    """Return what the ledger says of a message that was taken back."""
    rule = rules.BY_SENDER if wish.sender else rules.BY_OPERATOR
    return LedgerEntry(
        gone.id,
        gone.call_id,
        wish.at,
        gone.sender,
        gone.recipient,
        gone.size,
        [(wish.at, rules.RECALLED, "", 0, rule)],
        rules.RECALLED,
    )
