# SPDX-License-Identifier: Apache-2.0
"""What the pager service needs from the world around it.

Every ``done`` callback runs on the thread that called the port, after the call has returned
(never from inside it), exactly once. A port never raises for trouble of its own: it reports
failure through ``done``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sip.proxy import Fork, Target

from .screening import Content, Verdict
from .values import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    PendingMessage,
    StoredMessage,
    StoreResult,
    Waiting,
)

if TYPE_CHECKING:
    from .policy import Decision
    from .submission import Submission


class Clock(Protocol):
    """Time for work that a store's answer sets off; entry points get their time as arguments."""

    def now(self) -> float:
        """Return monotonic seconds, of the same clock as every ``now`` argument."""
        ...

    def wall(self) -> float:
        """Return epoch seconds."""
        ...


class Bindings(Protocol):
    """Where the devices of a local user are."""

    def targets(self, aor: str, now: float) -> Sequence[Target]:
        """Return the live bindings that can be sent to now, best first, one per device.

        A device that registered several flows (RFC 5626) appears once, with its best flow.
        The result is read before the next call and never changed.
        """
        ...

    def device_of(self, target: Target) -> str:
        """Return the instance id behind a target of ``targets``, "" when it gave none."""
        ...

    def absent_devices(self, aor: str, now: float) -> tuple[str, ...]:
        """Return the remembered instance ids without a live binding.

        Remembered means seen within the node's device memory (30 days). Called for every
        message: a lookup, not a search.
        """
        ...


class MessageStore(Protocol):
    """Messages that wait, on a medium that survives the process (threats.md D1, D3, D6)."""

    def store(self, message: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        """Keep a message; ``done`` comes after the commit and not before.

        A key already known (settled ones are remembered for at least 24 h) gives DUPLICATE with
        the first id and changes nothing. A store that cannot commit gives FAILED. FULL is for a
        store that enforces a bound of its own; the service counts mailboxes itself.
        """
        ...

    def mark(
        self, marks: Sequence[DeliveryMark], done: Callable[[bool], None] | None = None
    ) -> None:
        """Record fates in one transaction; ``done(False)`` when it did not commit.

        The service repeats marks that failed, so a mark for a settled or unknown message, and
        the same mark twice, is success and changes nothing.
        """
        ...

    def pending(
        self,
        recipient: str,
        after_seq: int,
        limit: int,
        done: Callable[[list[PendingMessage] | None], None],
    ) -> None:
        """Read unsettled messages with seq above ``after_seq``, lowest first, at most ``limit``.

        None: the store could not be read. Expired messages may be among them. A read sees every
        ``store`` and ``mark`` whose ``done`` has run.
        """
        ...

    def expire(
        self, before_wall: float, limit: int, done: Callable[[list[ExpiredMessage] | None], None]
    ) -> None:
        """Settle at most ``limit`` unsettled messages with expires_at <= ``before_wall``.

        Gives those settled by this call, each exactly once, after the commit; None on failure.
        """
        ...

    def waiting_counts(self) -> dict[str, Waiting]:
        """Count unsettled messages per recipient; called once, at start, may block."""
        ...

    def recent_keys(self, since_wall: float, limit: int) -> Iterable[tuple[bytes, bytes]]:
        """Give (call_id, key) of at most ``limit`` newest messages received since ``since_wall``.

        Settled ones included, oldest first; called once, at start, may block.
        """
        ...


@dataclass
class Advance:
    """How far a job has come, committed together with the copies of its batch.

    before, after: the last recipient that had been taken up before this batch, and after it.
    total: recipients of the whole job, as known now. skipped: of this batch, who get no copy.
    ended: wall time, when the job is done with it.
    """

    job: str
    before: str
    after: str
    total: int
    ended: float | None = None
    skipped: int = 0


@dataclass
class Told:
    """Receipts that the one copy of a batch tells of, marked so in the same transaction.

    receipts: (id of the message to many, who said something about it, kind) of each. skipped: 1
    when nobody gets the copy.
    """

    receipts: Sequence[tuple[str, str, str]]
    skipped: int = 0


@dataclass
class Bundle:
    """What the copies of one batch have in common, and those of them that are kept together.

    identity, head, body, to_each: as in `pager.fanout.Original`. copies: those whose devices get
    them at once; they are one record until it is settled.
    """

    identity: bytes
    sender: str
    head: bytes
    body: bytes
    to_each: bool
    copies: Sequence[StoredMessage]


@dataclass
class Settled:
    """How a parcel ended. delivered: copies a device took. left: those to be stored one by one."""

    parcel: int
    delivered: int
    left: Sequence[StoredMessage]


@dataclass
class CopiesResult:
    """What became of a batch.

    copies: one result each, in order, those of the bundle last; None when nothing of it was
    committed. parcel: the record that keeps the copies of the bundle, 0 when each of them is a
    message by itself. stopped: because the job was ended or taken forward by somebody else;
    otherwise the store is in trouble.
    """

    copies: Sequence[StoreResult] | None
    stopped: bool = False
    detail: str = ""
    parcel: int = 0


class CopyStore(Protocol):
    """Stores many copies of one message at once."""

    def store_copies(
        self,
        copies: Sequence[StoredMessage],
        advance: Advance | Told | None,
        done: Callable[[CopiesResult], None],
        bundle: Bundle | None = None,
    ) -> None:
        """Store all of them in one transaction, each as ``MessageStore.store`` does.

        Nobody for whom a copy with the same identity was kept before, in whatever form, gets
        another: such copies are duplicates. With ``advance`` the same transaction takes the job
        forward; a job that does not run, or does not stand where ``before`` says, leaves nothing
        stored, but one that stands where ``after`` says has had this batch: all copies are
        duplicates. With ``Told`` it marks those receipts.
        """
        ...

    def settle(
        self, settled: Settled, done: Callable[[Sequence[StoreResult] | None], None]
    ) -> None:
        """End a parcel and store the copies that are left, in one transaction.

        ``done`` gets a result for each of these; None when nothing was committed.
        """
        ...


class Carried(Protocol):
    """One attempt to deliver a stored message by another way than a MESSAGE.

    One of the two is called once, after ``Carrier.carry`` has returned.
    """

    def done(self, status: int, now: float) -> None:
        """Take the outcome, as the final status a MESSAGE would have had."""
        ...

    def otherwise(self, now: float, content: tuple[bytes, bytes] | None = None) -> None:
        """Send it as a MESSAGE after all.

        Args: content: Content-Type and octets that stand for its own, which are too large for one.
        """
        ...


class Carrier(Protocol):
    """Another way to some devices than a MESSAGE: a session."""

    def wants(self, message: StoredMessage, target: Target, now: float) -> bool:
        """Say whether a message to a device is one to carry."""
        ...

    def carry(self, message: StoredMessage, target: Target, carried: Carried, now: float) -> bool:
        """Take a stored message to a device; False for one that goes as a MESSAGE."""
        ...


class Waker(Protocol):
    """Wakes devices that sleep, for messages that may not be stored (RFC 8599)."""

    def expect(self, fork: Fork, recipient: str, device: str, now: float) -> int:
        """Wake the sleeping devices of a user, or one of them, and let the fork expect them.

        Returns: how many.
        """
        ...

    def hold(self, fork: Fork, recipient: str, device: str, now: float) -> None:
        """Let the fork, which was started, wait for them."""
        ...


class Ledger(Protocol):
    """The append-only story of every message (design.md D4)."""

    def note(self, entry: LedgerEntry) -> None:
        """Take one entry; cheap, bounded, never fails toward the caller."""
        ...


class Examiner(Protocol):
    """Reads what messages carry, where that may concern the node itself."""

    def examine(self, submission: Submission, network: bool) -> Decision | None:
        """Read a message before it goes anywhere; called for any type of content but text.

        May set ``submission.notice`` and change the body of ``submission.request``.

        Args:
            network: it came from a client, False for one that the node made.
        Returns: a decision to refuse it, None to go on.
        """
        ...


class Screen(Protocol):
    """Who may send what to whom, asked before anything is done for a message."""

    def judge(
        self,
        content_type: bytes | None,
        body: bytes,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
    ) -> Verdict | None:
        """Judge one message, or one copy of a message to many; None lets it pass.

        Of a copy HOLD asks nothing: what is stored for a user on hold is not sent.
        """
        ...

    def limit(
        self,
        content_type: bytes | None,
        body: bytes,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
    ) -> Verdict | None:
        """Judge a message to somebody elsewhere, by what its sender may do alone."""
        ...

    def withdraw(self, sender: str, recipient: str) -> None:
        """Give a stranger back the one message it may send: it was not delivered."""
        ...

    def unwanted(
        self, message_id: str, sender: str, recipient: str, head: bytes, body: bytes
    ) -> None:
        """A device said that the message is unwanted (607, RFC 8197)."""
        ...


class ContentRule(Protocol):
    """Judges what messages say; loaded by name (entry points ``imsnode.content_rules``)."""

    def judge(self, content: Content) -> str:
        """Return "" to let a message pass, else a few words for the ledger that say why not.

        It runs in the way of every message and is cut off when its time is over.
        """
        ...


class Observer(Protocol):
    """Hears what becomes of messages, on the thread of the service and in the order of events.

    What it does must not fail and not take long: it stands in the way of every message.
    """

    def answered(self, submission: Submission, now: float) -> None:
        """The sender has an answer: ``submission.status``; its request can still be read.

        2xx other than 202: a device took it. 202: it is stored. Anything else: it was refused,
        and nothing more is done for it.
        """
        ...

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Copies of a message to a list, a group or a broadcast have been stored.

        Args:
            copies: alike but for recipient, id and To. parent_id: the message they are copies
                of, or the job. What becomes of them is heard like that of any stored message.
        """
        ...

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """A device took a stored message (2xx, 482) or refused it for good.

        Args:
            device: instance id, "" when it gave none. final: nobody else will be tried.
        """
        ...

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """The deadline of a stored message came before any device that still waited for it."""
        ...
