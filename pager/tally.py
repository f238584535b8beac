# SPDX-License-Identifier: Apache-2.0
"""Receipts of lists: what the recipients of a message to many say reaches its sender together.

The node is the URI-list server of RFC 5438 8.3. A notification about such a message is kept before
its device has the answer, and goes on to the sender with others: when everybody has said what was
asked for, when as many wait as fit into one message, and else a while after the first. The
message that carries them is stored in the transaction that marks them as told, so that none is
lost and none is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from sip.bodies.cpim import CpimMessage, address_uri, compose
from sip.bodies.imdn import MEDIA_TYPE, Notification, build_imdn, notifications
from sip.bodies.imdn_request import DISPLAY, NAMESPACE, NEGATIVE_DELIVERY, POSITIVE_DELIVERY
from sip.bodies.mime import Part
from sip.bodies.multipart import join_parts
from sip.errors import ParseError
from sip.headers.date import format_date, format_timestamp
from sip.timers import TimerQueue

from . import policy, rules
from .fanout import Fanout
from .original import Original
from .ports import Clock, CopiesResult, Told
from .submission import Submission
from .values import Notice

_SEND: Final = 1
_SWEEP: Final = 2
_SWEEP_S: Final = 60.0
_AGAIN_S: Final = 2.0  # after the store failed
_REPEATS_S: Final = 3_600.0  # a device that did not get its answer may say it again so long
#: Notifications in one message, and octets of them: it has to pass where messages pass.
BATCH: Final = 50
BATCH_BYTES: Final = 24_000
_DOCUMENT_BYTES: Final = 2_048
_KINDS: Final = {"delivery": 1, "display": 2}
_TOLD_OF: Final = {1: POSITIVE_DELIVERY, 2: DISPLAY}


@dataclass(frozen=True, slots=True)
class TallySettings:
    """wait_s: from the first notification to the message that carries it; 0: nothing is gathered.

    keep_s: how long notifications about one message are gathered; later ones go on one by one.
    limit: messages whose notifications are gathered at a time; those of more go on one by one.
    lifetime_s: how long what is gathered waits for a sender who cannot be reached.
    """

    wait_s: float = 30.0
    keep_s: float = 86_400.0
    limit: int = 2_000
    lifetime_s: float = 604_800.0


@dataclass(frozen=True, slots=True)
class Counted:
    """A message to many whose notifications are gathered.

    author: the URI that its sender has inside the content. imdn_id, dated, original: its
    Message-ID, DateTime and Original-To. asked: bits of ``sip.bodies.imdn_request``. recipients:
    whose notifications count; () for the members of the group ``address``. total: how many they
    are. disclosed: the sender may know who they are (RFC 5438 14.2).
    """

    id: str
    sender: str
    address: str
    call_id: bytes
    author: bytes
    imdn_id: bytes
    dated: str
    original: str
    asked: int
    recipients: tuple[str, ...]
    total: int
    disclosed: bool
    until: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """One notification. kind: delivery or display. document: message/imdn+xml."""

    list_id: str
    recipient: str
    kind: str
    document: bytes
    failed: bool = False


class TallyStore(Protocol):
    """Receipts on a medium that survives the process."""

    def count(self, message: Counted) -> None:
        """Keep that the notifications of a message are gathered."""
        ...

    def keep(self, receipt: Receipt, done: Callable[[bool | None], None]) -> None:
        """Keep a notification; ``done`` follows the commit.

        It gets False when the recipient has said as much before, which changes nothing, None when
        nothing was committed.
        """
        ...

    def end(self, list_id: str) -> None:
        """Forget a message with its notifications."""
        ...


@dataclass(slots=True)
class Tally:
    """One message and what its recipients said.

    told: by recipient, bits of what they said. waiting: not told to the sender yet. until: wall
    time when it is forgotten. A repeat of what was told already is recognised until then.
    """

    tallies: Tallies
    message: Counted
    people: frozenset[str]
    told: dict[str, int] = field(default_factory=dict)
    waiting: list[Receipt] = field(default_factory=list)
    wait_until: float = 0.0
    sending: bool = False
    until: float = 0.0

    @property
    def complete(self) -> bool:
        """True when nobody is left who could say something that was asked for."""
        asked = [bit for bit, wanted in _TOLD_OF.items() if self.message.asked & wanted]
        if not asked or len(self.told) < self.message.total:
            return False
        return all(bits & sum(asked) == sum(asked) for bits in self.told.values())

    def heard(self, receipt: Receipt) -> None:
        """Count what somebody said; of a message that failed nothing more will be said."""
        bits = sum(_KINDS.values()) if receipt.failed else _KINDS[receipt.kind]
        self.told[receipt.recipient] = self.told.get(receipt.recipient, 0) | bits

    def on_timer(self, kind: int, now: float) -> None:
        """Send what waits."""
        if self.wait_until and now >= self.wait_until:
            self.tallies.send(self, now)


class Tallies:
    """All messages whose notifications are gathered.

    Args:
        is_member: tells whether an AoR is in a group. party: canonical AoR of a URI.
    """

    def __init__(
        self,
        fanout: Fanout,
        store: TallyStore,
        is_member: Callable[[str, str], bool],
        party: Callable[[bytes], str],
        timers: TimerQueue,
        clock: Clock,
        settings: TallySettings | None = None,
    ) -> None:
        self.fanout = fanout
        self.store = store
        self.settings = settings or TallySettings()
        self._is_member = is_member
        self._party = party
        self._timers = timers
        self._clock = clock
        self._by_imdn: dict[tuple[str, bytes], Tally] = {}
        self._by_call: dict[tuple[str, bytes], Tally] = {}

    def __len__(self) -> int:
        return len(self._by_imdn)

    def start(self, kept: Sequence[tuple[Counted, Sequence[tuple[Receipt, bool]]]]) -> None:
        """Take up what an earlier run gathered, each receipt with whether it was told."""
        now = self._clock.now()
        for message, receipts in kept:
            tally = self._add(message)
            for receipt, told in receipts:
                tally.heard(receipt)
                if not told:
                    tally.waiting.append(receipt)
            self._look(tally, now)
        self._timers.schedule(now + _SWEEP_S, self, _SWEEP)

    # --- the message

    def begin(
        self, original: Original, content: tuple[Notice, CpimMessage] | None,
        recipients: Sequence[str], known: bool, disclosed: bool,
    ) -> None:  # fmt: skip
        """Gather from now on what is said about a message, if its sender asked for anything.

        Args: content: what was read of it. known: the sender has the list and wrote it.
        """
        if content is None or not self.settings.wait_s:
            return
        notice, cpim = content
        asked = notice.asked & (POSITIVE_DELIVERY | NEGATIVE_DELIVERY | DISPLAY)
        key = original.sender, notice.id
        if not asked or not notice.id or key in self._by_imdn or len(self) >= self.settings.limit:
            return
        author, first = cpim.get(b"From"), cpim.get(b"Original-To", NAMESPACE)
        dated = cpim.get(b"DateTime") or format_timestamp(original.at)
        try:
            message = Counted(
                original.id, original.sender, original.address, original.call_id,
                address_uri(author) if author else original.sender.encode(), notice.id,
                dated.decode("ascii"), address_uri(first).decode("ascii") if first else "",
                asked, tuple(recipients) if known else (), len(recipients), disclosed,
                original.at + self.settings.keep_s,
            )  # fmt: skip
        except (ParseError, UnicodeDecodeError):
            return
        self._add(message)
        self.store.count(message)

    def _add(self, message: Counted) -> Tally:
        tally = Tally(self, message, frozenset(message.recipients), until=message.until)
        self._by_imdn[message.sender, message.imdn_id] = tally
        self._by_call[message.sender, message.call_id] = tally
        return tally

    # --- what is said about it

    def take(self, submission: Submission, cpim: CpimMessage, notice: Notice) -> bool:
        """Take a notification over if it is about a message to many; answer it when it is kept."""
        if len(notice.told) != 1:
            return False
        tally = self._by_imdn.get((submission.recipient, notice.told[0][0]))
        if tally is None or not self._counts(tally, submission.sender):
            return False
        (said,) = notifications(cpim)
        if said.kind not in _KINDS:
            return False
        document = self._document(tally, submission.sender, said, cpim.part)
        failed = said.kind == "delivery" and said.status != "delivered"
        receipt = Receipt(tally.message.id, submission.sender, said.kind, document, failed)

        def kept(new: bool | None) -> None:
            now = self._clock.now()
            if new is None:
                submission.refuse(None, _NOT_KEPT, now)
                return
            submission.drop(rules.GATHERED, now)
            self._heard(tally, receipt, new, now)

        self.store.keep(receipt, kept)
        return True

    def failed(self, sender: str, call_id: bytes, recipient: str) -> bool:
        """Gather that a copy reached nobody; False when nothing is gathered for its message."""
        tally = self._by_call.get((sender, call_id))
        if tally is None:
            return False
        if not tally.message.asked & NEGATIVE_DELIVERY:
            tally.told[recipient] = sum(_KINDS.values())
            self._look(tally, self._clock.now())
            return True
        said = Notification(
            "delivery", "failed", tally.message.imdn_id.decode("utf-8", "replace"),
            tally.message.dated, recipient, tally.message.original,
        )  # fmt: skip
        document = self._document(tally, recipient, said, None)
        receipt = Receipt(tally.message.id, recipient, "delivery", document, True)

        def kept(new: bool | None) -> None:
            if new is not None:
                self._heard(tally, receipt, new, self._clock.now())

        self.store.keep(receipt, kept)
        return True

    def _counts(self, tally: Tally, recipient: str) -> bool:
        if tally.people:
            return recipient in tally.people
        return self._is_member(tally.message.address, recipient)

    def _document(
        self, tally: Tally, recipient: str, said: Notification, part: Part | None
    ) -> bytes:
        """Return what the sender gets to read: who said it, unless that is not for them to know."""
        if not tally.message.disclosed:
            return build_imdn(replace(said, recipient_uri="", original_recipient_uri=""))
        if part is not None and len(part.content) <= _DOCUMENT_BYTES and said.recipient_uri:
            try:
                if self._party(said.recipient_uri.encode()) == recipient:
                    return part.content
            except ParseError:
                pass
        return build_imdn(replace(said, recipient_uri=recipient))

    def _heard(self, tally: Tally, receipt: Receipt, new: bool, now: float) -> None:
        # What is kept but was not counted was committed unheard: the repeat tells of it.
        if new or not tally.told.get(receipt.recipient, 0) & _KINDS[receipt.kind]:
            tally.heard(receipt)
            tally.waiting.append(receipt)
            self._look(tally, now)

    # --- what the sender is told

    def _look(self, tally: Tally, now: float) -> None:
        """Send now or in a while."""
        if not tally.waiting:
            if tally.complete:
                tally.until = min(tally.until, self._clock.wall() + _REPEATS_S)
        elif (
            tally.complete
            or _fitting(tally.waiting) < len(tally.waiting)
            or (len(tally.waiting) >= BATCH)
        ):
            self.send(tally, now)
        elif not tally.wait_until:
            tally.wait_until = now + self.settings.wait_s
            self._timers.schedule(tally.wait_until, tally, _SEND)

    def send(self, tally: Tally, now: float) -> None:
        """Tell the sender what waits, as far as it fits into one message."""
        if tally.sending or not tally.waiting:
            return
        if self.fanout.pager.keeper.full(tally.message.sender, False):
            tally.wait_until = now + self.settings.wait_s
            self._timers.schedule(tally.wait_until, tally, _SEND)
            return
        tally.wait_until = 0.0
        tally.sending = True
        batch = tally.waiting[: _fitting(tally.waiting)]
        told = Told([(one.list_id, one.recipient, one.kind) for one in batch])

        def done(result: CopiesResult) -> None:
            self._sent(tally, len(batch), result)

        original = self._message(tally.message, batch)
        self.fanout.send(original, [tally.message.sender], now, done, told)

    def _sent(self, tally: Tally, count: int, result: CopiesResult) -> None:
        tally.sending = False
        now = self._clock.now()
        if result.copies is None:
            tally.wait_until = now + _AGAIN_S
            self._timers.schedule(tally.wait_until, tally, _SEND)
            return
        del tally.waiting[:count]
        self._look(tally, now)

    def _message(self, message: Counted, batch: Sequence[Receipt]) -> Original:
        """Write the message from the list to the sender. Spec: RFC 5438 8.3."""
        wall = self._clock.wall()
        new_id = self.fanout.next_id(wall)
        mark = new_id.encode()
        kind, content = MEDIA_TYPE, batch[0].document
        if len(batch) > 1:
            parts = [
                Part(b"Content-Type: " + MEDIA_TYPE, (), receipt.document) for receipt in batch
            ]
            boundary, content = join_parts(parts, b"imdn-" + mark)
            kind = b'multipart/mixed;boundary="%b"' % boundary
        cpim = compose(
            (
                (b"From", b"<%b>" % message.address.encode()),
                (b"To", b"<%b>" % message.author),
                (b"NS", b"imdn <%b>" % NAMESPACE),
                (b"imdn.Message-ID", mark),
            ),
            (
                (b"Content-Type", kind),
                (b"Content-Disposition", b"notification"),
                (b"Content-Length", b"%d" % len(content)),
            ),
            content,
        )
        head = b"From: <%b>;tag=%b\r\nDate: %b\r\nContent-Type: message/cpim" % (
            message.address.encode(), mark, format_date(int(wall)),
        )  # fmt: skip
        return Original(
            new_id, message.address, message.address, mark, 1, b"imdn:" + mark, wall,
            wall + self.settings.lifetime_s, head, cpim.encode(), True, True, True,
        )  # fmt: skip

    # --- the end

    def _end(self, tally: Tally) -> None:
        message = tally.message
        self._by_imdn.pop((message.sender, message.imdn_id), None)
        self._by_call.pop((message.sender, message.call_id), None)
        self.store.end(message.id)

    def on_timer(self, kind: int, now: float) -> None:
        """Tell what is left of messages whose time is over, and forget them."""
        wall = self._clock.wall()
        for tally in [one for one in self._by_imdn.values() if one.until <= wall]:
            if tally.waiting:
                self.send(tally, now)
            else:
                self._end(tally)
        self._timers.schedule(now + _SWEEP_S, self, _SWEEP)


_NOT_KEPT: Final = policy.Decision(policy.Act.REFUSE, rules.COMMIT_FAILED, 503)


def _fitting(waiting: Sequence[Receipt]) -> int:
    """Count the notifications that go into the next message; at least one."""
    size = 0
    for count, receipt in enumerate(waiting[:BATCH]):
        size += len(receipt.document)
        if count and size > BATCH_BYTES:
            return count
    return min(len(waiting), BATCH)
