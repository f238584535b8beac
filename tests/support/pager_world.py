# SPDX-License-Identifier: Apache-2.0
"""A node with the pager service between simulated senders and devices, on a virtual network.

The node is reduced to what the service needs: no authentication, bindings set by the test. The
store keeps what was committed over a restart of the node and can be slow, failing or cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from imsnode.receipts import Courier
from pager import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    MarkState,
    Pager,
    PagerSettings,
    PendingMessage,
    StoredMessage,
    StoreKind,
    StoreResult,
    Waiting,
)
from pager.contents import told_of
from pager.jobs import Job
from pager.ports import Advance, Bundle, CopiesResult, Settled, Told
from pager.recall import Recall, RecallState, Withdrawal, Withdrawn
from pager.receipts import Receipts
from pager.tally import Counted, Receipt
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request, Response, build_request
from sip.proxy import OwnNames, Proxy, Refusal, Target
from sip.testing import SimNetwork, SimNode
from sip.tokens import FlowTokens
from sip.transaction import ClientTransaction, ServerTransaction

NODE = "192.0.2.1"
ALICE = "sip:alice@ims.test"
BOB = "sip:bob@ims.test"


@dataclass
class Row:
    """One message on the virtual disk."""

    seq: int
    message: StoredMessage
    accepted: bool
    fates: dict[str, DeliveryMark] = field(default_factory=dict)
    settled: bool = False
    recalled: bool = False


class MemoryStore:
    """MessageStore on the virtual clock.

    delay_s: what every operation takes. failing: operations fail. Operations that were under way
    when the node ended never happened; ``lose_answer`` makes commits happen without an answer.
    """

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.rows: dict[int, Row] = {}
        self.keys: dict[bytes, str] = {}
        self.jobs: dict[str, str] = {}  # running ones, and where they are
        self.counted: dict[str, Counted] = {}
        self.receipts: dict[tuple[str, str, str], Receipt] = {}  # no document: told
        self.parcels: dict[int, list[StoredMessage]] = {}
        self.taken: list[StoredMessage] = []  # of parcels
        self.delay_s = 0.003
        self.failing = False
        self.lose_answer = False
        self.life = 0
        self.reads = 0
        self._seq = 0

    def _later(self, act: Callable[[], Callable[[], None]]) -> None:
        life = self.life

        def run() -> None:
            if self.life == life:
                answer = act()
                if not self.lose_answer:
                    answer()

        self.network.call_at(self.network.now + self.delay_s, run)

    def store(self, message: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        def act() -> Callable[[], None]:
            result = self._store(message)
            return lambda: done(result)

        self._later(act)

    def store_copies(
        self,
        copies: Sequence[StoredMessage],
        advance: Advance | Told | None,
        done: Callable[[CopiesResult], None],
        bundle: Bundle | None = None,
    ) -> None:
        carried = bundle.copies if bundle is not None else ()
        given = [*copies, *carried]

        def act() -> Callable[[], None]:
            if self.failing:
                return lambda: done(CopiesResult(None, detail="no space left"))
            if isinstance(advance, Told):
                for key in advance.receipts:
                    self.receipts[key] = replace(self.receipts[key], document=b"")
            elif advance is not None:
                place = self.jobs.get(advance.job)
                if place == advance.after != advance.before:
                    again = [StoreResult(StoreKind.DUPLICATE, copy.id) for copy in given]
                    return lambda: done(CopiesResult(again))
                if place != advance.before:
                    return lambda: done(CopiesResult(None, stopped=True))
                self.jobs[advance.job] = advance.after
                if advance.ended is not None:
                    del self.jobs[advance.job]
            if any(copy.key in self.keys for copy in carried) or not carried:
                each = [self._store(copy) for copy in given]
                return lambda: done(CopiesResult(each))
            results = [self._store(copy) for copy in copies]
            results += [StoreResult(StoreKind.STORED, copy.id) for copy in carried]
            self.keys.update((copy.key, copy.id) for copy in carried)
            number = self._seq = self._seq + 1
            self.parcels[number] = list(carried)
            return lambda: done(CopiesResult(results, parcel=number))

        self._later(act)

    def settle(
        self, settled: Settled, done: Callable[[Sequence[StoreResult] | None], None]
    ) -> None:
        def act() -> Callable[[], None]:
            if self.failing:
                return lambda: done(None)
            results = self._settle(settled.parcel, settled.left)
            return lambda: done(results)

        self._later(act)

    def _settle(self, number: int, left: Sequence[StoredMessage]) -> list[StoreResult]:
        self.taken += [one for one in self.parcels.pop(number) if one not in left]
        for copy in left:
            del self.keys[copy.key]
        return [self._store(copy) for copy in left]

    def recover(self) -> None:
        """Turn what an earlier run carried into stored messages."""
        for number, copies in list(self.parcels.items()):
            self._settle(number, copies)

    def begin(self, job: Job, done: Callable[[bool], None]) -> None:
        def act() -> Callable[[], None]:
            if not self.failing:
                self.jobs.setdefault(job.original.id, job.cursor)
            committed = not self.failing
            return lambda: done(committed)

        self._later(act)

    # --- pager.tally.TallyStore

    def count(self, message: Counted) -> None:
        def act() -> Callable[[], None]:
            if not self.failing:
                self.counted.setdefault(message.id, message)
            return lambda: None

        self._later(act)

    def keep(self, receipt: Receipt, done: Callable[[bool | None], None]) -> None:
        def act() -> Callable[[], None]:
            key = (receipt.list_id, receipt.recipient, receipt.kind)
            new = None if self.failing else key not in self.receipts
            if new:
                self.receipts[key] = receipt
            return lambda: done(new)

        self._later(act)

    def end(self, list_id: str) -> None:
        def act() -> Callable[[], None]:
            self.counted.pop(list_id, None)
            for key in [key for key in self.receipts if key[0] == list_id]:
                del self.receipts[key]
            return lambda: None

        self._later(act)

    def gathered(self) -> list[tuple[Counted, list[tuple[Receipt, bool]]]]:
        return [
            (message, [(r, not r.document) for r in self.receipts.values() if r.list_id == name])
            for name, message in self.counted.items()
        ]

    def _store(self, message: StoredMessage) -> StoreResult:
        if self.failing:
            return StoreResult(StoreKind.FAILED, detail="no space left")
        known = self.keys.get(message.key)
        if known is not None:
            return StoreResult(StoreKind.DUPLICATE, known)
        self._seq += 1
        self.keys[message.key] = message.id
        self.rows[self._seq] = Row(self._seq, message, message.accepted)
        return StoreResult(StoreKind.STORED, message.id, self._seq)

    def mark(
        self, marks: Sequence[DeliveryMark], done: Callable[[bool], None] | None = None
    ) -> None:
        def act() -> Callable[[], None]:
            committed = not self.failing
            if committed:
                for mark in marks:
                    row = self.rows[mark.seq]
                    row.fates.setdefault(mark.device, mark)
                    row.accepted = row.accepted or mark.state is MarkState.ACCEPTED
                    row.settled = row.settled or mark.settles
            return lambda: done(committed) if done is not None else None

        self._later(act)

    def pending(
        self,
        recipient: str,
        after_seq: int,
        limit: int,
        done: Callable[[list[PendingMessage] | None], None],
    ) -> None:
        self.reads += 1

        def act() -> Callable[[], None]:
            if self.failing:
                return lambda: done(None)
            page = [
                PendingMessage(row.seq, row.message, row.accepted, tuple(row.fates))
                for row in self.waiting(recipient)
                if row.seq > after_seq
            ][:limit]
            return lambda: done(page)

        self._later(act)

    def expire(
        self, before_wall: float, limit: int, done: Callable[[list[ExpiredMessage] | None], None]
    ) -> None:
        def act() -> Callable[[], None]:
            if self.failing:
                return lambda: done(None)
            over = [r for r in self.waiting() if r.message.expires_at <= before_wall][:limit]
            for row in over:
                row.settled = True
            gone = [_gone(r) for r in over]
            return lambda: done(gone)

        self._later(act)

    def withdraw(self, wish: Withdrawal, done: Callable[[Withdrawn], None]) -> None:
        def act() -> Callable[[], None]:
            result = Withdrawn(RecallState.FAILED) if self.failing else self._withdraw(wish)
            return lambda: done(result)

        self._later(act)

    def _withdraw(self, wish: Withdrawal) -> Withdrawn:
        for row in self.rows.values():
            m = row.message
            named = m.key == wish.key if wish.key else m.id == wish.message_id
            if not named or m.recipient != wish.recipient or wish.sender not in ("", m.sender):
                continue
            if row.settled:
                again = row.recalled
                state = RecallState.REMOVED if again else RecallState.TOO_LATE
                return Withdrawn(state, _gone(row) if again else None, again)
            row.settled = True
            row.recalled = not row.accepted
            state = RecallState.PARTLY if row.accepted else RecallState.REMOVED
            return Withdrawn(state, _gone(row))
        return Withdrawn(RecallState.UNKNOWN)

    def waiting(self, recipient: str = "") -> list[Row]:
        return [
            row
            for row in self.rows.values()
            if not row.settled and recipient in ("", row.message.recipient)
        ]

    def waiting_counts(self) -> dict[str, Waiting]:
        counts: dict[str, Waiting] = {}
        for row in self.waiting():
            seen = counts.get(row.message.recipient, Waiting(0, 0))
            counts[row.message.recipient] = (
                replace(seen, copies=seen.copies + 1)
                if row.accepted
                else replace(seen, open=seen.open + 1)
            )
        return counts

    def recent_keys(self, since_wall: float, limit: int) -> Iterable[tuple[bytes, bytes]]:
        recent = [r for r in self.rows.values() if r.message.received_at >= since_wall]
        return [(row.message.call_id, row.message.key) for row in recent[-limit:]]


def _gone(row: Row) -> ExpiredMessage:
    m = row.message
    told = told_of(m.head, m.body)
    return ExpiredMessage(
        m.id, row.seq, m.call_id, m.sender, m.recipient, len(m.body), row.accepted, *told
    )


class MemoryLedger:
    """Keeps every entry."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []

    def note(self, entry: LedgerEntry) -> None:
        self.entries.append(entry)

    def of(self, message_id: str) -> list[LedgerEntry]:
        return [entry for entry in self.entries if entry.message_id == message_id]

    def outcomes(self) -> list[str]:
        return [entry.outcome for entry in self.entries]

    def rules(self) -> list[str]:
        return [step[4] for entry in self.entries for step in entry.steps]


class Phone:
    """A device: shows each message once, answers repeats under another branch with 482.

    answer: status for what is shown. delay_s: how long it thinks. answers: statuses for the next
    messages instead, which are not shown when they are failures.
    """

    def __init__(self, world: World, name: str, host: str, aor: str, instance: str) -> None:
        self.world = world
        self.aor = aor
        self.instance = instance
        self.node: SimNode = world.network.node(name, host, user=self)
        self.uri = b"sip:%b@%b:5060" % (name.encode(), host.encode())
        self.answer = 200
        self.answers: list[int] = []
        self.delay_s = 0.0
        self.silent = False
        self.received: list[Request] = []
        self.shown: list[bytes] = []
        self.identities: set[tuple[bytes, int, bytes]] = set()

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if self.silent:
            return
        server_tx = self.node.endpoint.accept(request, flow, now)
        self.received.append(request)
        identity = (request.call_id, request.cseq, request.from_tag)
        if identity in self.identities:
            status = 482
        else:
            status = self.answers.pop(0) if self.answers else self.answer
            if status < 300 or status >= 600:
                self.identities.add(identity)
                self.shown.append(request.body)
        if not self.delay_s:
            self.node.endpoint.respond(server_tx, status, now)
            return
        network = self.world.network
        endpoint = self.node.endpoint

        def later() -> None:
            if self.node.endpoint is endpoint:
                endpoint.respond(server_tx, status, network.now)

        network.call_at(now + self.delay_s, later)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("a MESSAGE is never cancelled")

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        pass


class Sender:
    """Sends MESSAGEs and notes the final answer to each; 0 is none."""

    def __init__(self, world: World, name: str, host: str, aor: str) -> None:
        self.world = world
        self.aor = aor
        self.node = world.network.node(name, host, user=None)
        self.answers: dict[bytes, int] = {}
        self.responses: dict[bytes, Response] = {}
        self._calls = 0

    def send(
        self,
        body: bytes,
        to: str = BOB,
        *,
        headers: Sequence[tuple[bytes, bytes]] = ((b"Content-Type", b"text/plain"),),
        call_id: bytes = b"",
        cseq: int = 1,
    ) -> bytes:
        """Send one; returns its Call-ID."""
        network = self.world.network
        self._calls += 1
        call_id = call_id or b"%b-%d" % (self.node.name.encode(), self._calls)
        endpoint = self.node.endpoint
        branch = endpoint.ids.branch()
        flow = self.node.transport.flow_to("UDP", NODE, 5060, network.now)
        assert flow is not None
        via_name, _, via = flow.via_line(branch).partition(b": ")
        data = build_request(
            "MESSAGE",
            to.encode(),
            [
                (via_name, via),
                (b"Max-Forwards", b"70"),
                (b"From", b'"A" <%b>;tag=t-%b' % (self.aor.encode(), self.node.name.encode())),
                (b"To", b"<%b>" % to.encode()),
                (b"Call-ID", call_id),
                (b"CSeq", b"%d MESSAGE" % cseq),
                *headers,
            ],
            body,
        )
        endpoint.create_client(data, "MESSAGE", branch, flow, self, network.now, call_id)
        return call_id

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        assert isinstance(tx.context, bytes)
        if response.status >= 200:
            self.answers[tx.context] = response.status
            self.responses[tx.context] = response

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        assert isinstance(tx.context, bytes)
        self.answers.setdefault(tx.context, 0)


class Clock:
    def __init__(self, network: SimNetwork) -> None:
        self._network = network

    def now(self) -> float:
        return self._network.now

    def wall(self) -> float:
        return self._network.wall


class World:
    """The node, its bindings, and who talks to it."""

    def __init__(
        self,
        seed: int = 1,
        settings: PagerSettings | None = None,
        *,
        network: SimNetwork | None = None,
        record_route: bool = False,
    ) -> None:
        self.record_route = record_route
        self.foreign: dict[str, str] = {}
        self.network = network or SimNetwork(seed, latency=(0.005, 0.005))
        self.settings = settings or PagerSettings()
        self.store = MemoryStore(self.network)
        self.ledger = MemoryLedger()
        self.bound: dict[str, dict[Phone, Target]] = {}
        self.known: dict[str, list[str]] = {}
        self.faults: list[Exception] = []
        self.node = self.network.node("node", NODE, on_fault=self._fault)
        self._begin()
        self.alice = Sender(self, "alice", "198.51.100.1", ALICE)

    def _fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        self.faults.append(error)

    def _begin(self) -> None:
        endpoint: Endpoint = self.node.endpoint
        endpoint.user = self
        endpoint.on_flow_failed.append(self._flow_failed)
        self.proxy = Proxy(
            endpoint,
            OwnNames(endpoint.own, ["ims.test"]),
            FlowTokens(b"k" * 32),
            lambda host, port: True,
        )
        self.pager = Pager(
            self.proxy,
            endpoint.timers,
            self,
            self.store,
            self.ledger,
            Clock(self.network),
            endpoint.ids,
            self.settings,
        )
        self.recall = Recall(
            self.store, self.pager.keeper, self.pager.offline, self.ledger, Clock(self.network)
        )
        clock = Clock(self.network)
        self.courier = Courier(
            endpoint,
            self.proxy,
            self.pager,
            self.ledger,
            endpoint.ids,
            clock,
            lambda aor: aor.endswith("@ims.test"),
            self._way_to,
            lambda: None,
            ["ims.test"],
        )
        self.receipts = self.courier.receipts = Receipts(
            self.courier.send,
            lambda uri: uri.aor,
            lambda aor: aor.endswith("@ims.test"),
            self.ledger,
            self,
            clock,
            b"k" * 32,
            self.record_route,
        )
        self.pager.examiner = self.receipts
        self.pager.observe(self.receipts)
        self.pager.start(list(self.known), self.network.now, self.network.wall)

    def restart(self) -> None:
        """End the node without a word and start it again; bindings and store survive."""
        self.store.life += 1
        failing, self.store.failing = self.store.failing, False
        self.store.recover()
        self.store.failing = failing
        self.node.restart(self)
        for aor, bound in self.bound.items():
            self.bound[aor] = {phone: self._target(phone) for phone in bound}
        self._begin()

    # --- devices

    def phone(self, name: str, host: str, instance: str = "", aor: str = BOB) -> Phone:
        """Make a device; it is not registered yet."""
        return Phone(self, name, host, aor, instance)

    def register(self, phone: Phone) -> None:
        """Bind a device, as after the 200 to its REGISTER."""
        self.bound.setdefault(phone.aor, {})[phone] = self._target(phone)
        known = self.known.setdefault(phone.aor, [])
        if phone.instance and phone.instance not in known:
            known.append(phone.instance)
        self.pager.registered(phone.aor, self.network.now)

    def unregister(self, phone: Phone) -> None:
        """Take a device's binding away."""
        self.bound[phone.aor].pop(phone, None)

    def _target(self, phone: Phone) -> Target:
        flow = self.node.transport.flow_to("UDP", phone.node.address[0], 5060, self.network.now)
        assert flow is not None
        return Target(phone.uri, flow, (), binding=phone)

    def _way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to the host that serves a foreign domain."""
        address = self.foreign.get(host)
        if address is None:
            return None
        return self.node.transport.flow_to("UDP", address, 5060, now)

    def _flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        for bound in self.bound.values():
            for phone, target in list(bound.items()):
                if target.flow is flow:
                    del bound[phone]

    # --- pager.Bindings

    def targets(self, aor: str, now: float) -> Sequence[Target]:
        return tuple(self.bound.get(aor, {}).values())

    def device_of(self, target: Target) -> str:
        assert isinstance(target.binding, Phone)
        return target.binding.instance

    def absent_devices(self, aor: str, now: float) -> tuple[str, ...]:
        here = {phone.instance for phone in self.bound.get(aor, {})}
        return tuple(device for device in self.known.get(aor, []) if device not in here)

    # --- the node's RequestUser

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "ACK":
            return
        routed = self.proxy.preprocess(request, flow, now)
        refusal: Refusal | None = routed.refusal or self.proxy.check(request)
        if refusal is not None:
            self.node.endpoint.reply(request, flow, refusal.status, now)
            return
        sender, recipient = request.from_uri.aor, request.ruri().aor
        if recipient in self.courier.aors:
            self.courier.request(request, flow, sender, recipient, now)
            return
        server_tx = self.node.endpoint.accept(request, flow, now)
        self.pager.take(
            server_tx,
            request,
            routed,
            sender,
            recipient,
            now,
            self.network.wall,
        )

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("a MESSAGE is never cancelled")

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        pass
