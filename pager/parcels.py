# SPDX-License-Identifier: Apache-2.0
"""Copies that go straight to devices which can be reached, kept meanwhile as one record.

A parcel is committed once for all its copies and settled once, when the devices have answered or
have had their time. Whose device did not take it gets a stored message like any other, under the
same id, hence with the same identity toward the device: it recognises what it has already. A
parcel that was not settled when the program ended is turned into stored messages as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sip.forward import Proxy, Target
from sip.message import Response
from sip.transaction.client import TIMEOUT, ClientTransaction

from . import rules
from .identity import delivery_call_id
from .mailbox import Item
from .ports import Settled
from .shared import Shared
from .values import LedgerEntry, Notice, Step, StoredMessage, StoreKind, StoreResult

_SETTLE: Final = 1
#: Devices have so long until the copies they did not take are stored. A crash repeats what was
#: taken meanwhile, so it is short.
PATIENCE_S: Final = 1.0
_AGAIN_S: Final = 2.0  # after the store failed
#: Octets of a request beside its stored head, its body and the addresses; Via and Call-ID bounded.
_FRAME: Final = 320

# What becomes of a parcel. SENT: devices are answering. SETTLING: the store has been asked. OVER:
# the store has it, late answers go to the mailboxes.
_SENT: Final = 0
_SETTLING: Final = 1
_OVER: Final = 2


class ParcelStore(Protocol):
    """The part of `pager.ports.CopyStore` that ends parcels."""

    def settle(
        self, settled: Settled, done: Callable[[Sequence[StoreResult] | None], None]
    ) -> None: ...


class Carried:
    """One copy on its way to the one device of its recipient.

    It stands for the branch of a fork where a mailbox takes the copy over. status: the final
    status, 0 while there is none. item: the copy once it is stored.
    """

    __slots__ = ("copy", "item", "parcel", "status", "target")

    def __init__(self, parcel: Parcel, copy: StoredMessage, target: Target) -> None:
        self.parcel = parcel
        self.copy = copy
        self.target = target
        self.status = 0
        self.item: Item | None = None

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Take the device's answer."""
        if response.status >= 200 and not self.status:
            self.parcel.ended(self, response.status, now)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Take silence as 408, a lost flow as 503."""
        if not self.status:
            self.parcel.ended(self, 408 if kind == TIMEOUT else 503, now)


class Parcel:
    """The copies of one batch that are on their way.

    id: of the record. ahead: wall time less monotonic time, which step together until it is
    settled. steps, notice: what the ledger says of every copy so far. open: copies without an
    answer. failed: the store could not settle it. unsent: copies that no device could be sent.
    late: those that were sent in vain, or may have been, when the parcel was settled.
    """

    __slots__ = (
        "ahead",
        "at",
        "carried",
        "delivered",
        "failed",
        "id",
        "late",
        "notice",
        "open",
        "parcels",
        "phase",
        "size",
        "steps",
        "unsent",
    )

    def __init__(
        self, parcels: Parcels, parcel_id: int, at: float, steps: list[Step], notice: Notice | None
    ) -> None:
        self.parcels = parcels
        self.id = parcel_id
        self.at = at
        self.steps = steps
        self.notice = notice
        self.ahead = 0.0
        self.size = 0
        self.open = 0
        self.delivered = 0
        self.failed = False
        self.phase = _SENT
        self.carried: list[Carried] = []
        self.late: list[Carried] = []
        self.unsent: list[StoredMessage] = []

    def send(self, copies: Sequence[StoredMessage], targets: Sequence[Target], now: float) -> None:
        """Send every copy to its target."""
        parcels = self.parcels
        pager = parcels.pager
        boxes, carrier = pager.offline.boxes, pager.offline.carrier
        on_their_way = pager.on_their_way
        body = copies[0].body
        tail = b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        self.size = len(body)
        self.ahead = pager.clock.wall() - now
        self.open = len(copies) + 1  # so that it is not settled before all are sent
        for copy, target in zip(copies, targets, strict=True):
            on_their_way[copy.recipient] = self
            if copy.recipient in boxes or (
                carrier is not None and carrier.wants(copy, target, now)
            ):
                # Something older waits for the device by now, or it takes this in a session.
                self.unsent.append(copy)
                self.open -= 1
            else:
                one = Carried(self, copy, target)
                self.carried.append(one)
                self._send(one, tail, now)
        pager.stats.attempts += len(self.carried)
        self.open -= 1
        if not self.open:
            self.settle(now)

    def _send(self, one: Carried, tail: bytes, now: float) -> None:
        """Send one copy as `Fork` would, but for what all copies have in common."""
        copy, target, proxy = one.copy, one.target, self.parcels.proxy
        flow = target.flow
        branch = proxy.ids.branch()
        routes = b""
        if target.routes:
            routes = b"".join([b"Route: %b\r\n" % route for route in target.routes])
        data = b"".join(
            (
                b"MESSAGE ", target.uri, b" SIP/2.0\r\n", flow.via_line(branch),
                b"\r\nMax-Forwards: 70\r\n", routes,
                b"Call-ID: ", delivery_call_id(copy.id, self.parcels.device_of(target)),
                b"\r\nCSeq: 1 MESSAGE\r\n", copy.head, tail,
            )
        )  # fmt: skip
        proxy.endpoint.create_client(data, "MESSAGE", branch, flow, one, now, None)

    def ended(self, one: Carried, status: int, now: float) -> None:
        """Take the outcome of one copy."""
        one.status = status
        if self.phase == _SENT:
            if status < 300:
                self._delivered(one, now)
            self.open -= 1
            if not self.open:
                self.settle(now)
        elif one.item is not None:
            self.parcels.pager.offline.branch_ended(one.item, one, now)

    def _delivered(self, one: Carried, now: float) -> None:
        pager = self.parcels.pager
        copy = one.copy
        pager.on_their_way.pop(copy.recipient, None)
        self.delivered += 1
        pager.stats.delivered += 1
        device = self.parcels.device_of(one.target)
        step = (self.ahead + now, rules.ANSWERED, device, one.status, rules.DEVICE_ACCEPTED)
        # Field by field, as `Submission` does: one for every copy.
        entry = LedgerEntry.__new__(LedgerEntry)
        entry.message_id = copy.id
        entry.call_id = copy.call_id
        entry.at = self.at
        entry.sender = copy.sender
        entry.recipient = copy.recipient
        entry.size = self.size
        entry.steps = [*self.steps, step]
        entry.outcome = rules.DELIVERED
        entry.final = True
        entry.notice = self.notice
        entry.charging = None
        pager.ledger.note(entry)
        for observer in pager.observers:
            observer.concluded(copy, device, one.status, True, now)

    def on_timer(self, kind: int, now: float) -> None:
        """Give up waiting for devices, or ask the store again."""
        self.settle(now)

    def settle(self, now: float) -> None:
        """Have the store end it, and keep what no device has taken; again where that failed."""
        if self.phase != _SENT:
            if self.failed:
                self._ask()
            return
        self.phase = _SETTLING
        self.late = [one for one in self.carried if not 200 <= one.status < 300]
        self.carried = []  # which point back: without a circle they are freed at once
        keeper = self.parcels.pager.keeper
        for copy in self._left():
            keeper.count(copy.recipient)
        self._ask()

    def _left(self) -> list[StoredMessage]:
        """Return the copies to be stored."""
        return [*[one.copy for one in self.late], *self.unsent]

    def _ask(self) -> None:
        self.failed = False
        settled = Settled(self.id, self.delivered, self._left())
        self.parcels.store.settle(settled, self._settled)

    def _settled(self, results: Sequence[StoreResult] | None) -> None:
        """Hand what is stored now to the mailboxes."""
        pager = self.parcels.pager
        now, wall = pager.clock.now(), pager.clock.wall()
        if results is None:
            pager.stats.store_failures += 1
            self.failed = True
            self.parcels.timers.schedule(now + _AGAIN_S, self, _SETTLE)
            return
        self.phase = _OVER
        self.parcels.open.pop(self, None)
        left, late = self._left(), self.late
        self.late = []
        for place, (copy, result) in enumerate(zip(left, results, strict=True)):
            pager.on_their_way.pop(copy.recipient, None)
            if result.kind is not StoreKind.STORED:
                pager.keeper.uncount(copy.recipient, False)
                pager.stats.duplicates += 1
                continue
            pager.stats.stored += 1
            if copy.expires_at - wall < pager.settings.expire_every_s:
                pager.keeper.schedule_expiry(copy.expires_at)
            pager.ledger.note(
                LedgerEntry(
                    copy.id, copy.call_id, self.at, copy.sender, copy.recipient, self.size,
                    self.steps, rules.STORED, False, self.notice,
                )
            )  # fmt: skip
            item = Item(result.seq, copy)
            if place < len(late):
                self._hand_over(late[place], item, now)
            else:
                pager.offline.adopt(item, (), now)

    def _hand_over(self, one: Carried, item: Item, now: float) -> None:
        """Let the mailbox of the recipient go on with a copy and the attempt made for it."""
        offline = self.parcels.pager.offline
        # The mailbox takes over an attempt that is under way; then it hears how that ended.
        status, one.status = one.status, 0
        one.item = offline.adopt(item, (one,), now)
        one.status = status
        if status:
            offline.branch_ended(one.item, one, now)


class Parcels:
    """All parcels on their way.

    open: those that are not settled, oldest first.
    """

    def __init__(self, pager: Shared, proxy: Proxy, store: ParcelStore) -> None:
        self.pager = pager
        self.proxy = proxy
        self.store = store
        self.timers = proxy.endpoint.timers
        self.device_of = pager.bindings.device_of
        self.open: dict[Parcel, None] = {}
        self._udp_octets = proxy.config.udp_octets

    def fits(self, octets: int, recipient: str, target: Target) -> bool:
        """Say whether a copy can leave at once: what is too large for UDP takes another way.

        Args: octets: of its head and body.
        """
        if target.flow.reliable or target.bound:
            return True
        frame = _FRAME + len(target.uri) + len(recipient)
        if target.routes:
            frame += sum([len(route) + 9 for route in target.routes])
        return octets + frame <= self._udp_octets

    def begin(
        self,
        parcel_id: int,
        copies: Sequence[StoredMessage],
        targets: Sequence[Target],
        steps: list[Step],
        notice: Notice | None,
        now: float,
    ) -> None:
        """Send the copies of a parcel that has been committed, each to its target."""
        parcel = Parcel(self, parcel_id, copies[0].received_at, steps, notice)
        self.open[parcel] = None
        self.timers.schedule(now + PATIENCE_S, parcel, _SETTLE)
        parcel.send(copies, targets, now)

    def secure(self, now: float, recipient: str = "") -> None:
        """Settle the parcel with a copy for somebody, or all of them, as they are."""
        one = self.pager.on_their_way.get(recipient)
        for parcel in list(self.open) if not recipient else [one] if one is not None else []:
            parcel.settle(now)
