# SPDX-License-Identifier: Apache-2.0
"""The pager service: the one object the node talks to.

Proxy first, keeper second: a recipient who can be reached gets the message forwarded and the
sender gets the recipient's own answer; else it is stored, the sender gets 202 after the commit,
and delivery goes on from the store. Everything is synchronous and runs on one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sip.forward import Proxy, Target
from sip.ids import IdSource
from sip.message import Request
from sip.proxy import Fork, fork_of
from sip.routing import Routed
from sip.timers import TimerQueue
from sip.transaction.server import ServerTransaction

from . import policy, rules
from .carriers import Carriers
from .identity import MessageIds, submission_key
from .keeper import Keeper
from .offline import Offline
from .outcomes import unique
from .ports import Bindings, Carrier, Clock, Examiner, Ledger, MessageStore, Observer, Screen, Waker
from .recent import Entry
from .replay import online_draft
from .screening import Verdict
from .settings import PagerSettings, StoreMode
from .shared import Shared
from .stats import PagerStats
from .submission import FORKING, Answering, Submission
from .values import LedgerEntry

_PATIENCE: Final = 1
# An enumeration looks a member up by a call; these are compared with for every message.
_FORWARD: Final = policy.Act.FORWARD
_STORE: Final = policy.Act.STORE
_REFUSE: Final = policy.Act.REFUSE
# A sender that lost this node's answer repeats the request for 64*T1 (RFC 3261 17.1.2.2).
_REPEATS_S: Final = 64.0


class Arrival:
    """A MESSAGE on its way to ``Pager.submit``, see there."""

    __slots__ = ("device", "pager", "recipient", "request", "routed", "sender", "server_tx", "wall")

    device: str
    pager: Pager
    recipient: str
    request: Request
    routed: Routed | None
    sender: str
    server_tx: ServerTransaction
    wall: float

    def proceed(self, now: float) -> None:
        """Submit it."""
        self.pager.submit(
            self.server_tx, self.request, self.routed, self.sender, self.recipient, now, self.wall,
            self.device,
        )  # fmt: skip


class Pager(Shared):
    """Pager mode for the local users of one node (RFC 3428).

    Not reentrant and not thread-safe: entry points and callbacks of the ports run on one thread.
    """

    def __init__(
        self,
        proxy: Proxy,
        timers: TimerQueue,
        bindings: Bindings,
        store: MessageStore,
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        settings: PagerSettings | None = None,
    ) -> None:
        """Join the service to its world; ``timers`` may be the endpoint's queue."""
        settings = settings or PagerSettings()
        stats = PagerStats()
        keeper = Keeper(store, ledger, clock, timers, settings, stats)
        offline = Offline(proxy, timers, bindings, keeper, ledger, clock, settings, stats)
        super().__init__(proxy.endpoint, bindings, keeper, offline, ledger, clock, settings, stats)
        self.proxy = proxy
        self._timers = timers
        self._ids = MessageIds(ids.token(5))
        self._boxes = offline.boxes
        self._patience_armed = False
        self.examiner: Examiner | None = None
        self.waker: Waker | None = None
        # Whose devices are not all reached by a MESSAGE: what they get is stored first.
        self.bridged: set[str] = set()
        self._heed(settings)

    def start(self, bound: Iterable[str], now: float, wall: float) -> None:
        """Take up what an earlier run left, and deliver to users whose bindings were restored.

        Blocks while the store counts what waits. Call it once, before the first submission.

        Args:
            bound: users with a restored binding, whether its flow can be used yet or not.
        """
        self.keeper.start(now)
        limit = self.settings.recent_messages // 2
        for call_id, key in self.keeper.store_port.recent_keys(wall - _REPEATS_S, limit):
            self.recent.add(call_id, key)
        self.carried_users = frozenset(bound)
        self.carried_until = now + _REPEATS_S
        for aor in self.carried_users:
            self.registered(aor, now)

    def observe(self, observer: Observer, plain: bool = True) -> None:
        """Let somebody hear what becomes of messages from now on.

        Args:
            plain: the answer to a message whose content means nothing to the node is heard as
                well, as to nearly all.
        """
        self.observers = (*self.observers, observer)
        if plain:
            self.plain_observers = (*self.plain_observers, observer)
        self.offline.observers = self.keeper.observers = self.observers

    def watch(self, screen: Screen, screened: dict[str, object]) -> None:
        """Let a screen judge the messages to and from those in ``screened``, which it keeps up."""
        self.screen = self.offline.screen = screen
        self.screened = screened

    def deliver_by(self, carrier: Carrier) -> None:
        """Let one more carrier take stored messages to the devices it reaches."""
        before = self.offline.carrier
        self.offline.carrier = carrier if before is None else Carriers(before, carrier)

    def configure(self, settings: PagerSettings) -> None:
        """Use other settings from now on; ``recent_messages`` stays what it was."""
        self.settings = settings
        self.keeper.settings = settings
        self.offline.settings = settings
        self._heed(settings)

    def stop(self) -> None:
        """Begin no further deliveries from the store; what is under way ends by itself."""
        self.offline.stopped = True

    def registered(self, aor: str, now: float) -> None:
        """Deliver what waits for a user one of whose devices has a live binding.

        Call it in the same turn in which ``Bindings`` begins to show the binding, else a message
        could overtake the ones that wait; the REGISTER must have been answered before.
        """
        self.offline.registered(aor, now)

    def found(self, kept: Sequence[tuple[str, bool]]) -> None:
        """Take up messages that are stored although their senders were told that they are not.

        Args:
            kept: the recipient of each, and whether a device has taken it.
        """
        for recipient, accepted in kept:
            self.keeper.count(recipient, accepted)
        now = self.clock.now()
        for recipient in dict(kept):
            self.registered(recipient, now)

    def hold(self, recipient: str, now: float) -> None:
        """Send nothing more from the store to a recipient until ``release``."""
        self.offline.hold(recipient, now)

    def release(self, recipient: str, now: float) -> None:
        """Deliver what ``hold`` kept back."""
        self.offline.release(recipient, now)

    def waiting(self, recipient: str) -> int:
        """Count the stored messages of a recipient that somebody still has to get."""
        return self.keeper.waiting(recipient)

    def take(
        self,
        server_tx: ServerTransaction,
        request: Request,
        routed: Routed | None,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
        device: str = "",
    ) -> None:
        """Take a MESSAGE as ``submit`` does, once all that came with it have been judged."""
        arrival = Arrival.__new__(Arrival)
        arrival.device = device
        arrival.pager = self
        arrival.server_tx = server_tx
        arrival.request = request
        arrival.routed = routed
        arrival.sender = sender
        arrival.recipient = recipient
        arrival.wall = wall
        if not self.endpoint.put_off(arrival, server_tx):
            arrival.proceed(now)

    def submit(
        self,
        server_tx: ServerTransaction,
        request: Request,
        routed: Routed | None,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
        device: str = "",
        ways: Sequence[Target] | None = None,
    ) -> str:
        """Take a MESSAGE from an authenticated sender to a known local user.

        The answer always goes to ``server_tx``: at once, when the devices have answered, or
        after the commit.

        Args:
            request: what goes on. routed: None when it leaves as one of this node's own, because
            the sender is not to be found out by it. sender, recipient: canonical AoRs.
            now: monotonic. wall: epoch seconds. device: the only one that may get it, by instance
            id (RFC 5627); it is never stored then. "": all of them.
            ways: those that the request itself names, in place of the recipient's bindings.
        Returns: the message id; for a repeat, that of the first submission when it is known.
        """
        self.stats.submitted += 1
        first = self.recent.get(request.call_id)
        if first is not None:
            known = self._repeat(first, server_tx, request, sender, recipient, now, wall)
            if known:
                return known
        message_id = self._ids.next(wall)
        submission = Submission.__new__(Submission)
        submission._begin(
            self, server_tx, request, sender, recipient, message_id, now, wall, routed is None
        )
        submission.charging = server_tx.charging
        if len(request.body) > self._body_bytes:
            submission.refuse(None, policy.TOO_LARGE, now)
            return message_id
        if not request.is_text:
            refusal = self._examine(submission, True)
            if refusal is not None:
                self._turn_away(submission, refusal, now)
                return message_id
        self.recent.add(request.call_id, submission)
        if (
            self.screens_all or recipient in self.screened or sender in self.screened
        ) and self._screened_out(submission, now):
            return message_id
        targets = self.bindings.targets(recipient, now) if ways is None else ways
        if device:
            self._aim(submission, routed, device, targets, now)
        elif (
            targets
            and self._direct
            and routed is not None
            and recipient not in self._boxes
            and recipient not in self.bridged
            and recipient not in self.on_their_way
        ):
            submission.others = self.bindings.absent_devices(recipient, now)
            fork = fork_of(self.proxy, server_tx, request, submission, routed)
            self._forward(submission, fork, targets, now)
        else:
            self._arrive(submission, routed, targets, now)
        return message_id

    def originate(
        self,
        answering: Answering,
        request: Request,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
        first: bool = False,
        most: int = 0,
        network: bool = False,
    ) -> str:
        """Take a MESSAGE this node makes itself, otherwise as ``submit``.

        Args:
            answering: gets the answer. request: as parsed; its Via, routes and transport
            headers never leave the node. first: store it before any device is tried, wherever
            messages are stored at all, so that it survives a crash and is recognised later.
            most: octets its body may have, 0: as many as any other's. network: its content came
            from a client and is judged as such.
        """
        self.stats.submitted += 1
        message_id = self._ids.next(wall)
        submission = Submission(
            self, answering, request, sender, recipient, message_id, now, wall, True
        )
        if len(request.body) > (most or self._body_bytes):
            submission.refuse(None, policy.TOO_LARGE, now)
            return message_id
        if not request.is_text:
            refusal = self._examine(submission, network)
            if refusal is not None:
                self._turn_away(submission, refusal, now)
                return message_id
        self.recent.add(request.call_id, submission)
        if (
            self.screens_all or recipient in self.screened or sender in self.screened
        ) and self._screened_out(submission, now):
            return message_id
        self._arrive(submission, None, self.bindings.targets(recipient, now), now, first)
        return message_id

    def turn_away(
        self,
        server_tx: ServerTransaction,
        request: Request,
        sender: str,
        recipient: str,
        verdict: Verdict,
        now: float,
        wall: float,
    ) -> None:
        """Refuse a MESSAGE to somebody elsewhere that its sender may not send; noted like any."""
        self.stats.submitted += 1
        message_id = self._ids.next(wall)
        submission = Submission(
            self, server_tx, request, sender, recipient, message_id, now, wall, False
        )
        submission.refuse(None, verdict.decision, now, verdict.reason, verdict.lines)

    def on_timer(self, kind: int, now: float) -> None:
        """Look after messages whose devices are slow."""
        self._patience_armed = False
        patience = self._patience_s
        slow: list[tuple[Fork, Submission]] = []
        for fork, submission in self.running.items():
            if submission.started + patience > now:
                break
            slow.append((fork, submission))
        for fork, submission in slow:
            self.running.pop(fork, None)
            if submission.phase == FORKING:
                submission.lose_patience(fork, now)
        if self.running:
            self._arm(next(iter(self.running.values())).started + patience)

    def _heed(self, settings: PagerSettings) -> None:
        """Keep at hand what is looked at for every message."""
        self._body_bytes = settings.message_body_bytes
        self._patience_s = settings.defer_after_s
        # No domain stores first: a reachable device is all that counts.
        self._direct = StoreMode.FIRST not in (settings.mode, *settings.domain_modes.values())

    def _examine(self, submission: Submission, network: bool) -> policy.Decision | None:
        """Let the examiner read a message that is more than text."""
        if self.examiner is None:
            return None
        return self.examiner.examine(submission, network)

    def _turn_away(self, submission: Submission, decision: policy.Decision, now: float) -> None:
        """End a message because of what it carries."""
        if decision.act is policy.Act.DROP:
            submission.drop(decision.rule, now)
        elif decision.act is not policy.Act.TAKE:
            submission.refuse(None, decision, now)

    def _arm(self, at: float) -> None:
        self._patience_armed = True
        self._timers.schedule(at, self, _PATIENCE)

    def _forward(
        self, submission: Submission, fork: Fork, targets: Sequence[Target], now: float
    ) -> None:
        """Send to ``targets``; the submission hears of the answers."""
        self.running[fork] = submission
        if not self._patience_armed:
            self._arm(now + self._patience_s)
        refusal = fork.start(targets, now)
        if refusal is not None:
            del self.running[fork]
            decision = policy.Decision(policy.Act.REFUSE, rules.NOT_FORWARDABLE, refusal.status)
            submission.refuse(None, decision, now)

    def _arrive(
        self,
        submission: Submission,
        routed: Routed | None,
        targets: Sequence[Target],
        now: float,
        first: bool = False,
    ) -> None:
        """Decide where a message goes that cannot simply be forwarded."""
        recipient = submission.recipient
        devices = list(self.bindings.absent_devices(recipient, now))
        free: list[Target] = []
        parcel = self.on_their_way.get(recipient)
        if parcel is not None:
            # What was kept for them before comes before: their mailbox gets both, in this order.
            parcel.settle(now)
        for target in () if parcel is not None else targets:
            lane = self.offline.lane_of(recipient, target)
            if lane is None or not lane.backlog:
                free.append(target)
        facts, expires_at = submission.facts(False)
        if (first or recipient in self.bridged) and facts.mode is not StoreMode.OFF:
            facts.mode = StoreMode.FIRST
        decision = policy.on_arrival(facts, len(targets), len(free))
        if decision.act is _REFUSE:
            if decision is not policy.OFF or not self._await(submission, routed, "", now):
                submission.refuse(None, decision, now)
            return
        chosen: Sequence[Target] = ()
        if decision.act is _FORWARD:
            # A device without an instance id cannot be kept waiting in the store when another
            # device takes the message, so it gets it now even if that is out of order.
            all_of_them = facts.composing or facts.mode is StoreMode.OFF
            chosen = [
                t for t in targets if all_of_them or t in free or not self.bindings.device_of(t)
            ]
        for target in targets:
            device = self.bindings.device_of(target)
            if device and target not in chosen:
                devices.append(device)
        if decision.act is _STORE:
            submission.commit(None, decision.rule, tuple(devices), expires_at)
            return
        submission.others = devices
        self._forward(submission, self._fork(submission, routed), chosen, now)

    def _aim(
        self,
        submission: Submission,
        routed: Routed | None,
        device: str,
        targets: Sequence[Target],
        now: float,
    ) -> None:
        """Forward a message to one device of its recipient, or refuse it (RFC 5627 6.1)."""
        submission.aimed = True
        chosen = [target for target in targets if self.bindings.device_of(target) == device]
        if chosen:
            self._forward(submission, self._fork(submission, routed), chosen, now)
        elif not self._await(submission, routed, device, now):
            submission.refuse(None, policy.AWAY, now)

    def _await(
        self, submission: Submission, routed: Routed | None, device: str, now: float
    ) -> bool:
        """Let a message that may not be stored wait for devices that are woken; False for none."""
        if self.waker is None:
            return False
        recipient = submission.recipient
        fork = self._fork(submission, routed)
        if not self.waker.expect(fork, recipient, device, now):
            return False
        self._forward(submission, fork, (), now)
        self.waker.hold(fork, recipient, device, now)
        return True

    def _fork(self, submission: Submission, routed: Routed | None) -> Fork:
        request = submission.request
        if submission.local:
            return Fork(self.proxy, None, online_draft(request), submission)
        server_tx = submission.answering
        assert isinstance(server_tx, ServerTransaction)
        return Fork(self.proxy, server_tx, request, submission, routed)

    def _screened_out(self, submission: Submission, now: float) -> bool:
        """Let the screen judge a message; True when that decided what becomes of it."""
        screen = self.screen
        if screen is None:
            return False
        recipient = submission.recipient
        request = submission.request
        verdict = screen.judge(
            request.get("content-type"),
            request.body,
            submission.sender,
            recipient,
            now,
            submission.at,
        )
        if verdict is None:
            return False
        submission.claimed = verdict.claimed
        decision = verdict.decision
        if decision.act is policy.Act.REFUSE:
            submission.refuse(None, decision, now, verdict.reason, verdict.lines)
        elif decision.act is policy.Act.IGNORE:
            submission.ignore(decision.rule, now)
        elif decision.act is policy.Act.HOLD:
            self._keep_back(submission, now)
        else:
            return False
        return True

    def _keep_back(self, submission: Submission, now: float) -> None:
        """Store a message for every device of a recipient whom nothing is sent to."""
        recipient = submission.recipient
        facts, expires_at = submission.facts(False)
        decision = policy.keep(facts, rules.MUTED)
        if decision.act is policy.Act.REFUSE:
            submission.refuse(None, decision, now, because=rules.MUTED)
            return
        bound = [self.bindings.device_of(t) for t in self.bindings.targets(recipient, now)]
        devices = (*self.bindings.absent_devices(recipient, now), *bound)
        self.stats.held += 1
        submission.commit(None, rules.MUTED, unique(d for d in devices if d), expires_at)

    def _repeat(
        self,
        first: Entry,
        server_tx: ServerTransaction,
        request: Request,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
    ) -> str:
        """Answer a submission that is known already as the first one was answered.

        Returns: its id; "" when it only has the Call-ID in common with another message
            (RFC 3261 17.2.3: that alone means nothing).
        """
        if isinstance(first, bytes):
            # Stored by an earlier run: the store knows the message and answers for it.
            if first != submission_key(request, sender, recipient):
                return ""
            submission = Submission(
                self, server_tx, request, sender, recipient, self._ids.next(wall), now, wall, False
            )
            _, expires_at = submission.facts(False)
            submission.commit(None, rules.DUPLICATE, (), expires_at)
            return submission.id
        if (
            first.cseq != request.cseq
            or first.from_tag != request.from_tag
            or first.sender != sender
            or first.recipient != recipient
        ):
            return ""
        self.stats.duplicates += 1
        if first.status:
            self.answer(server_tx, first.status, now)
        elif isinstance(first, Submission):
            first.twins = [*(first.twins or ()), server_tx]
        step = (wall, rules.RECEIVED, "", first.status, rules.DUPLICATE)
        self.ledger.note(
            LedgerEntry(
                first.id,
                first.call_id,
                wall,
                sender,
                recipient,
                len(request.body),
                [step],
                rules.DUPLICATE,
                False,
            )
        )
        return first.id
