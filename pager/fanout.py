# SPDX-License-Identifier: Apache-2.0
"""One message to many: copies that are stored together and then delivered like any stored message.

What the copies have in common is made once. A copy is stored before it is tried, so the sender
can be answered, and a job can go on behind it, as soon as one transaction is over; who can be
reached gets theirs in the same moment. The key of a copy says which message it is of and for whom:
the same message sent again makes no second copy (threats.md D3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sip.forward import Target
from sip.ids import IdSource
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message

from . import rules
from .contents import stored_notice
from .identity import MessageIds, copy_key
from .mailbox import Item
from .original import Original, with_lines
from .parcels import Parcels
from .policy import Act, Decision
from .ports import Advance, Bundle, CopiesResult, CopyStore, Told
from .replay import shown_sender
from .service import Pager
from .settings import StoreMode
from .values import LedgerEntry, Step, StoredMessage, StoreKind, StoreResult

#: Copies that are committed in one transaction.
BATCH: Final = 256
_PRIVACY: Final = b"privacy"


class Fanout:
    """Makes, stores and delivers copies.

    Args:
        known: tells whether an AoR can get a copy at all.
        store: commits copies; may be that of the pager.

    unreached(sender, Call-ID, recipient): hears who gets no copy, but for those who want none and
    do not want it known.
    """

    def __init__(
        self, pager: Pager, store: CopyStore, known: Callable[[str], bool], ids: IdSource
    ) -> None:
        self.pager = pager
        self.store = store
        self.known = known
        self.ids = ids
        self.unreached: Callable[[str, bytes, str], object] = _nobody_hears
        self.parcels = Parcels(pager, pager.proxy, store)
        self._ids = MessageIds(ids.token(5))

    def next_id(self, wall: float) -> str:
        """Return a new message id."""
        return self._ids.next(wall)

    def send(
        self,
        original: Original,
        recipients: Sequence[str],
        now: float,
        done: Callable[[CopiesResult], None],
        advance: Advance | Told | None = None,
    ) -> None:
        """Store a copy for each recipient in one transaction, and deliver where one can.

        ``done`` follows the commit and comes before the first copy is sent. Who is not known any
        more, has a full mailbox or does not want it is left out, which the ledger tells; who is in
        a domain that never stores gets theirs after the commit if they can be reached.

        Args: advance: goes into the same transaction, which does not happen when it cannot.
        """
        pager = self.pager
        keeper, settings, known = pager.keeper, pager.settings, self.known
        wall = pager.clock.wall()
        storing = original.lasting and settings.mode_for(original.address) is not StoreMode.OFF
        by_domain = settings.domain_modes
        screened = pager.screen is not None and not original.own
        kind = original.content_type if screened else None
        sending = _Sending(self, original, isinstance(advance, Told), done)
        left_out = sending.left_out
        for recipient in recipients:
            if not known(recipient):
                left_out.append((recipient, rules.NO_SUCH_USER, True))
                continue
            if screened:
                unwanted = self._unwanted(original, kind, recipient, now, wall)
                if unwanted is not None:
                    left_out.append((recipient, unwanted.rule, unwanted.act is Act.REFUSE))
                    continue
            if by_domain:
                storing = original.lasting and settings.mode_for(recipient) is not StoreMode.OFF
            if not storing:
                sending.direct.append(recipient)
            elif keeper.full(recipient, False):
                left_out.append((recipient, rules.MAILBOX_FULL, True))
            else:
                sending.take(recipient, now, wall)
        bundle = None
        if advance is not None:
            advance.skipped = len(sending.left_out)
        if not isinstance(advance, Told):
            bundle = Bundle(
                original.identity, original.sender, original.head, original.body,
                original.to_each, sending.carried,
            )  # fmt: skip
        self.store.store_copies(sending.copies, advance, sending.committed, bundle)

    def _reaches(self, recipient: str, targets: Sequence[Target], octets: int) -> bool:
        """Say whether a copy can go to the one device of somebody, who has nothing to get before.

        Args: octets: of its head and body.
        """
        offline = self.pager.offline
        return (
            len(targets) == 1
            and recipient not in offline.boxes
            and recipient not in offline.held
            and recipient not in self.pager.on_their_way
            and recipient not in self.pager.bridged
            and self.parcels.fits(octets, recipient, targets[0])
        )

    def _unwanted(
        self, original: Original, kind: bytes | None, recipient: str, now: float, wall: float
    ) -> Decision | None:
        """Return the decision of the screen that somebody gets no copy, None when there is none."""
        pager, sender = self.pager, original.sender
        if pager.screen is None or not (
            pager.screens_all or recipient in pager.screened or sender in pager.screened
        ):
            return None
        verdict = pager.screen.judge(kind, original.body, sender, recipient, now, wall)
        if verdict is None or verdict.decision.act not in (Act.REFUSE, Act.IGNORE):
            return None
        return verdict.decision

    def _copy(
        self, original: Original, recipient: str, devices: tuple[str, ...], wall: float
    ) -> StoredMessage:
        head = original.head
        if original.added is not None and recipient in original.added:
            head = with_lines(head, original.added[recipient])
        if original.to_each:
            head = b"To: <%b>\r\n%b" % (recipient.encode(), head)
        return StoredMessage(
            self._ids.next(wall),
            copy_key(original.identity, original.sender, recipient),
            original.sender,
            recipient,
            original.call_id,
            original.cseq,
            original.at,
            original.expires_at,
            head,
            original.body,
            devices,
        )

    def kept(
        self,
        original: Original,
        copies: Sequence[StoredMessage],
        results: Sequence[StoreResult],
        parcel: int = 0,
        aims: Sequence[Target] = (),
    ) -> None:
        """Tell of the copies that are kept, and send them to whoever can be reached.

        Args:
            parcel: the record with those that have no number of their own. aims: their targets.
        """
        pager = self.pager
        note, keeper, stats = pager.ledger.note, pager.keeper, pager.stats
        targets, adopt = pager.bindings.targets, pager.offline.adopt
        now, wall = pager.clock.now(), pager.clock.wall()
        at, size = original.at, len(original.body)
        if original.expires_at - wall < pager.settings.expire_every_s:
            keeper.schedule_expiry(original.expires_at)
        # Entries are never changed: those of all copies have the same steps and the same notice.
        notice = stored_notice(original.head, original.body)
        steps: list[Step] = [
            (at, rules.RECEIVED, "", 0, rules.COPY),
            (wall, rules.STORED, "", 0, rules.COPY),
        ]
        if shown_sender(original.sender, original.head) != original.sender:
            steps.insert(1, (at, rules.CONCEALED, "", 0, rules.PRIVACY))
        kept: list[StoredMessage] = []
        carried: list[StoredMessage] = []
        reachable: list[Item] = []
        for copy, result in zip(copies, results, strict=True):
            if result.kind is not StoreKind.STORED:
                keeper.uncount(copy.recipient, False)
                stats.duplicates += 1
                continue
            kept.append(copy)
            if parcel and not result.seq:
                carried.append(copy)
                continue
            note(
                LedgerEntry(
                    copy.id, copy.call_id, at, copy.sender, copy.recipient, size, steps,
                    rules.STORED, False, notice,
                )
            )  # fmt: skip
            if targets(copy.recipient, now):
                reachable.append(Item(result.seq, copy))
        stats.stored += len(kept) - len(carried)
        for observer in pager.observers:
            observer.copied(kept, original.id, now)
        for item in reachable:
            adopt(item, (), now)
        if carried:
            self.parcels.begin(parcel, carried, aims, steps, notice, now)

    def leave_out(self, original: Original, recipient: str, rule: str, told: bool = True) -> None:
        """Tell the ledger that somebody gets no copy; ``told``: the sender may hear of it too."""
        wall = self.pager.clock.wall()
        self.pager.ledger.note(
            LedgerEntry(
                self._ids.next(wall),
                original.call_id,
                original.at,
                original.sender,
                recipient,
                len(original.body),
                [(original.at, rules.RECEIVED, "", 0, rules.COPY),
                 (wall, rules.NOT_STORED, "", 0, rule)],
                rules.REJECTED,
            )
        )  # fmt: skip
        if told:
            self.unreached(original.sender, original.call_id, recipient)

    def send_unstored(self, original: Original, recipient: str, now: float) -> None:
        """Send a copy that is never stored, to who can be reached now."""
        if not self.pager.bindings.targets(recipient, now):
            self.leave_out(
                original, recipient, rules.STORE_OFF if original.lasting else rules.NOT_STORABLE
            )
            return
        wall = self.pager.clock.wall()
        copy = self._copy(original, recipient, (), wall)
        lines = [line.partition(b":") for line in copy.head.split(b"\r\n")]
        data = build_request(
            "MESSAGE",
            recipient.encode(),
            [
                (b"Via", b"SIP/2.0/TCP localhost.invalid;branch=" + self.ids.branch()),
                (b"Max-Forwards", b"70"),
                (b"Call-ID", self.ids.call_id()),
                (b"CSeq", b"1 MESSAGE"),
                *[(name.strip(), value.strip()) for name, _, value in lines],
            ],
            copy.body,
        )
        request = parse_message(data, Limits())
        if isinstance(request, Request):
            waiting = Unheard(self, original, recipient, request)
            self.pager.originate(waiting, request, original.sender, recipient, now, wall)


class _Sending:
    """Copies on their way to the store.

    copies: to be stored. carried: to be kept together, and sent to ``aims``. direct: who gets a
    copy that is never stored. left_out: who gets none, by which rule, and whether the sender may
    hear of it.
    """

    __slots__ = (
        "aims",
        "carried",
        "carrying",
        "copies",
        "direct",
        "done",
        "fanout",
        "left_out",
        "octets",
        "original",
    )

    def __init__(
        self,
        fanout: Fanout,
        original: Original,
        single: bool,
        done: Callable[[CopiesResult], None],
    ) -> None:
        self.fanout = fanout
        self.original = original
        self.done = done
        # Of a private message each hop decides what it may show, as a fork does.
        self.carrying = not (single or original.added or _PRIVACY in original.head.lower())
        self.octets = len(original.head) + len(original.body)
        self.copies: list[StoredMessage] = []
        self.carried: list[StoredMessage] = []
        self.aims: list[Target] = []
        self.direct: list[str] = []
        self.left_out: list[tuple[str, str, bool]] = []

    def take(self, recipient: str, now: float, wall: float) -> None:
        """Make the copy of somebody, to be stored or to be sent at once."""
        fanout = self.fanout
        bindings = fanout.pager.bindings
        targets = bindings.targets(recipient, now)
        devices = bindings.absent_devices(recipient, now)
        at_once = self.carrying and not devices and fanout._reaches(recipient, targets, self.octets)
        if targets:
            here = [bindings.device_of(target) for target in targets]
            devices = (*devices, *[device for device in here if device])
        copy = fanout._copy(self.original, recipient, devices, wall)
        if at_once:
            self.carried.append(copy)
            self.aims.append(targets[0])
        else:
            fanout.parcels.secure(now, recipient)  # what they get before comes before
            fanout.pager.keeper.count(recipient)
            self.copies.append(copy)

    def committed(self, result: CopiesResult) -> None:
        """Answer first, then send."""
        fanout, original = self.fanout, self.original
        self.done(result)
        keeper = fanout.pager.keeper
        if result.copies is None:
            for copy in self.copies:
                keeper.uncount(copy.recipient, False)
            return
        if not result.parcel:
            for copy in self.carried:
                keeper.count(copy.recipient)
        copies = [*self.copies, *self.carried]
        fanout.kept(original, copies, result.copies, result.parcel, self.aims)
        for recipient, rule, told in self.left_out:
            fanout.leave_out(original, recipient, rule, told)
        now = fanout.pager.clock.now()
        for recipient in self.direct:
            fanout.send_unstored(original, recipient, now)


class Unheard:
    """Stands where the sender of a copy would wait for its answer: the ledger hears of it."""

    __slots__ = ("fanout", "original", "recipient", "request")

    def __init__(
        self, fanout: Fanout, original: Original, recipient: str, request: Request
    ) -> None:
        self.fanout = fanout
        self.original = original
        self.recipient = recipient
        self.request = request

    def respond(self, data: bytes, status: int, now: float) -> bool:
        """Take an answer."""
        if status >= 300:
            original = self.original
            self.fanout.unreached(original.sender, original.call_id, self.recipient)
        return status >= 200


def _nobody_hears(_sender: str, _call_id: bytes, _recipient: str) -> None:
    """Nobody asked to be told."""
