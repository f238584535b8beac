# SPDX-License-Identifier: Apache-2.0
"""One message from its arrival until its sender has the answer and every device its outcome.

A Submission owns the fork that carries the message to the devices which can be reached now. It
gathers facts, asks the policy and carries the decision out; the service holds what all
submissions share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from sip import collector
from sip.message import Request, Response
from sip.privacy import is_anonymous
from sip.proxy import Branch, Fork

from . import policy
from .identity import submission_key
from .mailbox import Item
from .outcomes import Outcomes, answer_step, unique
from .recent import Answered
from .replay import deadline, is_composing, stored_head
from .rules import (
    ANSWERED,
    COMMIT_FAILED,
    COMMITTED,
    COMPOSING,
    CONCEALED,
    DELIVERED,
    DEVICE_ACCEPTED,
    DROPPED,
    DUPLICATE,
    FORWARDED,
    MAILBOX_FULL,
    MALFORMED,
    NO_BINDING,
    NOT_STORED,
    NOT_THE_SENDER,
    OTHER_DEVICES,
    PRIVACY,
    RECEIVED,
    REFUSED,
    REJECTED,
    RELAYED,
    REPLIED,
    SCREENING,
    STORED,
)
from .shared import Shared
from .values import LedgerEntry, Notice, Step, StoredMessage, StoreKind, StoreResult

_COMMITTED: Final = StoreKind.STORED

# Phases. FORKING: nobody has answered. COMMITTING: the store has been asked. KEPT: stored, what
# still runs reports to the mailbox. TOLD: the sender has an answer, what still runs may ask
# for a copy. DONE: nothing can happen any more.
FORKING: Final = 0
COMMITTING: Final = 1
KEPT: Final = 2
TOLD: Final = 3
DONE: Final = 4


_OF_CONTENT: Final = {
    MALFORMED: b"Content Cannot Be Read",
    NOT_THE_SENDER: b"From In The Content Is Not The Sender",
}


class Answering(Protocol):
    """Where the answer to a submission goes; a server transaction is one."""

    @property
    def request(self) -> Request: ...

    def respond(self, data: bytes, status: int, now: float) -> bool: ...


class Keeping:
    """What a submission knows once it has to do with the store.

    fork: carries it, None when no device could be tried. response: a final answer of a device
    that waits to be passed back. message: as handed to the store. item: as it is delivered.
    """

    __slots__ = ("fork", "item", "message", "response", "rule")

    def __init__(self, fork: Fork | None, rule: str, message: StoredMessage) -> None:
        self.fork = fork
        self.rule = rule
        self.message = message
        self.response: Response | None = None
        self.item: Item | None = None


class Submission:
    """One submitted message; the owner of its fork.

    at: wall time of receipt. started: the same moment, monotonic. others: devices of the
    recipient it is not forwarded to now. local: this node made the message, so the fork has no
    upstream. status: what the sender was told, 0 before. twins: repeats waiting for the answer.
    times: when each of several devices answered, None once the ledger knows. begun: the ledger
    knows of the receipt. device: the one that has taken it. notice: for contents that the node
    reads. claimed: it is the one message a stranger may send. dropped: turned away, though the
    sender was told what it would be told if it waited for the recipient. aimed: it is for one
    device alone. charging: value of the P-Charging-Vector under which it is accounted for,
    None without one.
    """

    __slots__ = (
        "aimed",
        "answering",
        "at",
        "begun",
        "call_id",
        "charging",
        "claimed",
        "cseq",
        "device",
        "dropped",
        "from_tag",
        "id",
        "keeping",
        "local",
        "notice",
        "others",
        "pager",
        "phase",
        "recipient",
        "request",
        "sender",
        "started",
        "status",
        "times",
        "twins",
    )

    def __init__(
        self,
        pager: Shared,
        answering: Answering,
        request: Request,
        sender: str,
        recipient: str,
        message_id: str,
        now: float,
        wall: float,
        local: bool,
    ) -> None:
        self._begin(pager, answering, request, sender, recipient, message_id, now, wall, local)

    def _begin(
        self,
        pager: Shared,
        answering: Answering,
        request: Request,
        sender: str,
        recipient: str,
        message_id: str,
        now: float,
        wall: float,
        local: bool,
    ) -> None:
        self.pager = pager
        self.answering: Answering | None = answering
        self.request = request
        self.sender = sender
        self.recipient = recipient
        self.id = message_id
        self.call_id = self.request.call_id
        self.cseq = self.request.cseq
        self.from_tag = self.request.from_tag
        self.started = now
        self.at = wall
        self.local = local
        self.phase = FORKING
        self.status = 0
        self.others: Sequence[str] = ()
        self.keeping: Keeping | None = None
        self.twins: list[Answering] | None = None
        self.times: dict[Branch, float | None] | None = None
        self.begun = False
        self.notice: Notice | None = None
        self.claimed = False
        self.dropped = False
        self.aimed = False
        self.device = ""
        self.charging: bytes | None = None

    # --- the fork

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Note a device's outcome; act on it when the sender has been answered already."""
        if self.times is not None or len(fork.branches) > 1:
            if self.times is None:
                self.times = {}
            self.times[branch] = now
        if self.phase == KEPT:
            keeping = self.keeping
            assert keeping is not None
            assert keeping.item is not None
            self.pager.offline.branch_ended(keeping.item, branch, now)
            if fork.pending == 0:
                self._finish()
        elif self.phase == TOLD and fork.pending == 0:
            self._rest_ended(fork, now)

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take the best answer of the devices."""
        pager = self.pager
        if self.phase != FORKING:
            if self.phase == COMMITTING and self.keeping is not None:
                self.keeping.response = response
            return
        pager.running.pop(fork, None)
        if response is None or status >= 300:
            self._failed(fork, response, status, now)
        elif self.others or len(fork.branches) > 1 or self.local or self.twins is not None:
            self._accepted(fork, response, now)
        else:
            fork.relay(response, now)
            pager.stats.relayed += 1
            self.status = status
            self.phase = DONE
            self.answering = None
            self.device = pager.bindings.device_of(fork.branches[0].target)
            if not pager.endpoint.put_off(self, None):
                self.proceed(now)

    def proceed(self, now: float) -> None:
        """Tell of the one device that has taken it, as the sender has been told."""
        pager = self.pager
        at = self.at
        # Field by field: what `LedgerEntry()` would take for ten arguments is worth the lines.
        entry = LedgerEntry.__new__(LedgerEntry)
        entry.message_id = self.id
        entry.call_id = self.call_id
        entry.at = at
        entry.sender = self.sender
        entry.recipient = self.recipient
        entry.size = len(self.request.body)
        received = (at, RECEIVED, "", 0, FORWARDED)
        answered = (at + now - self.started, ANSWERED, self.device, self.status, DEVICE_ACCEPTED)
        entry.steps = collector.untracked(
            [collector.untracked(received), collector.untracked(answered)]
        )
        entry.outcome = RELAYED
        entry.final = True
        entry.notice = self.notice
        entry.charging = self.charging
        pager.ledger.note(collector.untracked(entry))
        heard_by = pager.plain_observers if self.notice is None else pager.observers
        for observer in heard_by:
            observer.answered(self, now)
        self._finish()

    def lose_patience(self, fork: Fork, now: float) -> None:
        """Stop waiting for the devices: ``defer_after_s`` has passed."""
        facts, expires_at = self.facts(False)
        decision = policy.on_patience(facts)
        if decision.act is policy.Act.STORE:
            devices = self._devices_for_all(fork)
            self.commit(fork, decision.rule, devices, expires_at)
        elif decision.act is policy.Act.REFUSE:
            self.refuse(fork, decision, now)

    def _accepted(self, fork: Fork, response: Response | None, now: float) -> None:
        """A device took it; see that the others get it too."""
        outcomes = self._outcomes(fork)
        missing = outcomes.missing(self.others)
        if missing:
            facts, expires_at = self.facts(True)
            decision = policy.keep(facts, OTHER_DEVICES)
            if decision.act is policy.Act.STORE:
                # Devices still being tried are listed as well: what they answer settles them.
                devices = unique((*missing, *outcomes.running))
                self.commit(fork, decision.rule, devices, expires_at, True).response = response
            else:
                self._without_copy(fork, response, decision.rule, now)
            return
        self._give(fork, response, 200, now)
        self._note(self.story(fork, now), RELAYED, fork.pending == 0)
        self._answered(fork)

    def _failed(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """No device took it."""
        if self._outcomes(fork).taken:
            # An earlier run of this node forwarded it, and a device says so with a 482.
            self._accepted(fork, None, now)
            return
        facts, expires_at = self.facts(False)
        decision = policy.on_final(facts, status, response is not None)
        if decision.act is policy.Act.STORE:
            devices = self._devices_for_all(fork)
            self.commit(fork, decision.rule, devices, expires_at).response = response
        elif decision.act is policy.Act.RELAY and response is not None:
            self._relay(fork, response, now)
            self._note(self.story(fork, now), REJECTED, True)
            self._finish()
        else:
            self.refuse(fork, decision, now)

    def _rest_ended(self, fork: Fork, now: float) -> None:
        """Every device has its outcome, some of them after the sender had the answer."""
        outcomes = self._outcomes(fork)
        if self.status >= 300:
            if outcomes.taken:
                # The sender was told otherwise; a repeat gets the true answer.
                self.status = 200
                self.pager.recent.add(self.call_id, self)
                self._note(self.story(fork, now), DELIVERED, False)
            self._finish()
            return
        missing = outcomes.missing()
        if missing:
            facts, expires_at = self.facts(True)
            decision = policy.keep(facts, OTHER_DEVICES)
            if decision.act is policy.Act.STORE:
                self.commit(fork, decision.rule, missing, expires_at, True)
                return
        self._note(self.story(fork, now), RELAYED, True)
        self._finish()

    # --- the store

    def facts(self, accepted: bool) -> tuple[policy.Storable, float]:
        """Return what decides whether it may be stored, and its deadline (wall time)."""
        pager = self.pager
        settings = pager.settings
        request = self.request
        expires_at = deadline(request, self.at, settings.message_lifetime_s)
        facts = policy.Storable(
            settings.mode_for(self.recipient),
            is_composing(request) or (self.notice is not None and self.notice.kind == COMPOSING),
            expires_at <= self.wall(pager.clock.now()),
            pager.keeper.full(self.recipient, accepted),
            self.aimed,
        )
        return facts, expires_at

    def commit(
        self,
        fork: Fork | None,
        rule: str,
        devices: tuple[str, ...],
        expires_at: float,
        accepted: bool = False,
    ) -> Keeping:
        """Hand it to the store; ``stored`` follows."""
        pager = self.pager
        request = self.request
        offered: tuple[str, ...] = ()
        if fork is not None:
            pager.running.pop(fork, None)
            offered = unique([pager.bindings.device_of(b.target) for b in fork.branches])
        if pager.carried(self.recipient):
            offered = unique((*offered, *devices, ""))
        message = StoredMessage(
            self.id,
            submission_key(request, self.sender, self.recipient),
            self.sender,
            self.recipient,
            self.call_id,
            self.cseq,
            self.at,
            expires_at,
            stored_head(request, self.at),
            request.body,
            devices,
            offered,
            accepted,
        )
        self.phase = COMMITTING
        keeping = self.keeping = Keeping(fork, rule, message)
        pager.keeper.store(message, self.stored)
        return keeping

    def stored(self, result: StoreResult) -> None:
        """Take the store's answer, and give the sender theirs."""
        pager = self.pager
        keeping = self.keeping
        assert keeping is not None
        now = pager.clock.now()
        kind = result.kind
        if kind is _COMMITTED:
            self._kept(keeping, result.seq, now)
            return
        fork, response = keeping.fork, keeping.response
        pager.keeper.uncount(self.recipient, keeping.message.accepted)
        if kind is StoreKind.DUPLICATE:
            pager.stats.duplicates += 1
            story = self.story(fork, now, keeping.rule)
            self._give(fork, response, 200 if keeping.message.accepted else 202, now)
            story.append((self.wall(now), REPLIED, "", self.status, DUPLICATE))
            self._note(story, DUPLICATE, False)
            self._finish()
            return
        pager.stats.store_failures += 1
        full = kind is StoreKind.FULL
        rule = MAILBOX_FULL if full else COMMIT_FAILED
        if keeping.message.accepted or (response is not None and response.status < 300):
            self._without_copy(fork, response, rule, now)
        elif response is not None and response.status != 408:
            # The devices' own answer is worth more to the sender than ours.
            story = self.story(fork, now)
            story.append((self.wall(now), NOT_STORED, "", 0, rule))
            self._relay(fork, response, now)
            self._note(story, REJECTED, True)
            self._finish()
        else:
            failed = policy.Decision(policy.Act.REFUSE, rule, 503)
            self.refuse(fork, policy.FULL if full else failed, now)

    def _kept(self, keeping: Keeping, seq: int, now: float) -> None:
        """It is committed."""
        pager = self.pager
        message = keeping.message
        fork = keeping.fork
        story = self.story(fork, now, keeping.rule)
        story.append((self.wall(now), STORED, "", 0, keeping.rule))
        if not self.status:
            self._give(fork, keeping.response, 200 if message.accepted else 202, now)
            story.append((self.wall(now), REPLIED, "", self.status, COMMITTED))
        if message.accepted:
            pager.stats.copies += 1
        else:
            pager.stats.stored += 1
        if message.expires_at - self.at < pager.settings.expire_every_s:
            pager.keeper.schedule_expiry(message.expires_at)
        over = False
        self.phase = KEPT
        if fork is not None or pager.bindings.targets(self.recipient, now):
            branches = fork.branches if fork is not None else ()
            item = keeping.item = pager.offline.adopt(Item(seq, message), branches, now)
            # A device may have decided everything while the commit was under way.
            over = item.finished
            if over and not item.accepted:
                self._declined(message, branches, now)
                self._note(story, REFUSED, True)
                self._finish()
                return
        self._note(story, DELIVERED if over else STORED, over)
        if fork is None or fork.pending == 0:
            self._finish()

    def _declined(self, message: StoredMessage, branches: Sequence[Branch], now: float) -> None:
        """A device declined it for everybody while the commit was under way."""
        for branch in branches:
            if policy.class_of(branch.status) == policy.DECLINED:
                device = self.pager.bindings.device_of(branch.target)
                for observer in self.pager.observers:
                    observer.concluded(message, device, branch.status, True, now)
                return

    def _without_copy(
        self, fork: Fork | None, response: Response | None, rule: str, now: float
    ) -> None:
        """One device took it, but nothing could be kept for the others: the truth stays 2xx."""
        story = self.story(fork, now)
        if rule in (MAILBOX_FULL, COMMIT_FAILED):
            self.pager.stats.unsettled += 1
            story.append((self.wall(now), NOT_STORED, "", 0, rule))
        if not self.status:
            self._give(fork, response, 200, now)
        self._note(story, RELAYED, True)
        self._finish()

    # --- the answer

    def ignore(self, rule: str, now: float) -> None:
        """Turn it away with the answer that it would get if no device were registered."""
        facts, _ = self.facts(False)
        decision = policy.keep(facts, NO_BINDING)
        if decision.act is policy.Act.REFUSE:
            self.refuse(None, decision, now, because=rule)
            return
        self.dropped = True
        self.pager.stats.dropped += 1
        story = self.story(None, now, rule)
        story.append((self.wall(now), REPLIED, "", 202, rule))
        self._reply(202, now)
        self._note(story, DROPPED, True)
        self._finish()

    def refuse(
        self,
        fork: Fork | None,
        decision: policy.Decision,
        now: float,
        reason: bytes | None = None,
        lines: tuple[bytes, ...] = (),
        because: str = "",
    ) -> None:
        """Answer in our own name that it was not delivered.

        Args:
            reason, lines: of an answer that ``decision`` alone does not make complete.
            because: the rule for the ledger when it is not the one that shaped the answer.
        """
        pager = self.pager
        settings = pager.settings
        stats = pager.stats
        extra = lines
        if decision.rule == MAILBOX_FULL:
            stats.refused_full += 1
            reason = b"Mailbox Full"
            extra = (b"Retry-After: %d" % settings.full_retry_after_s,)
        elif decision.rule.partition(":")[0] in SCREENING:
            stats.refused_policy += 1
        elif decision.status == 503:
            stats.refused_store += 1
            extra = (b"Retry-After: %d" % settings.unavailable_retry_after_s,)
        elif decision.status == 413:
            stats.refused_size += 1
        elif decision.rule in _OF_CONTENT:
            stats.refused_content += 1
            reason = _OF_CONTENT[decision.rule]
        else:
            stats.refused_unavailable += 1
        rule = because or decision.rule
        story = self.story(fork, now, rule)
        story.append((self.wall(now), REPLIED, "", decision.status, rule))
        self._reply(decision.status, now, reason, extra)
        self._note(story, REJECTED, True)
        self._answered(fork)

    def drop(self, rule: str, now: float) -> None:
        """Take it with a 200 and let it end here."""
        story = self.story(None, now, rule)
        self._reply(200, now)
        self._note(story, DROPPED, True)
        self._finish()

    def _give(self, fork: Fork | None, response: Response | None, status: int, now: float) -> None:
        """Answer a message that is safe: with a device's 2xx, or ``status`` without one."""
        if response is not None and response.status < 300:
            self._relay(fork, response, now)
        else:
            self._reply(status, now)

    def _relay(self, fork: Fork | None, response: Response, now: float) -> None:
        """Pass a device's answer to the sender."""
        if response.status < 300:
            self.pager.stats.relayed += 1
        else:
            self.pager.stats.passed_on += 1
        if self.local or fork is None:
            self._reply(response.status, now)
            return
        fork.relay(response, now)
        self._told(response.status, now)

    def _reply(
        self,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
    ) -> None:
        if self.answering is not None:
            self.pager.answer(self.answering, status, now, reason, extra)
        self._told(status, now)

    def _told(self, status: int, now: float) -> None:
        """The sender has an answer: so get the repeats, and a failure may be tried anew."""
        self.status = status
        self.answering = None
        if status >= 300:
            self.pager.recent.drop(self.call_id, self)
            self._unwelcome(status)
        for twin in self.twins or ():
            self.pager.answer(twin, status, now)
        self.twins = None
        pager = self.pager
        for observer in pager.plain_observers if self.notice is None else pager.observers:
            observer.answered(self, now)

    def _unwelcome(self, status: int) -> None:
        """Let the screen know of a refusal that concerns it."""
        screen = self.pager.screen
        if screen is None:
            return
        if self.claimed:
            screen.withdraw(self.sender, self.recipient)
        if status == policy.UNWANTED:
            head = stored_head(self.request, self.at)
            screen.unwanted(self.id, self.sender, self.recipient, head, self.request.body)

    def _answered(self, fork: Fork | None) -> None:
        if fork is None or fork.pending == 0:
            self._finish()
        else:
            self.phase = TOLD

    def _finish(self) -> None:
        """Let go of everything: what repeats are answered by is remembered without it."""
        self.phase = DONE
        self.keeping = None
        answered = Answered.__new__(Answered)
        answered.id = self.id
        answered.call_id = self.call_id
        answered.cseq = self.cseq
        answered.from_tag = self.from_tag
        answered.sender = self.sender
        answered.recipient = self.recipient
        answered.status = self.status
        self.pager.recent.replace(self.call_id, self, answered)
        del self.request

    # --- the story

    def wall(self, now: float) -> float:
        """Return the wall time of a moment since the receipt, undisturbed by clock steps."""
        return self.at + now - self.started

    def story(self, fork: Fork | None, now: float, rule: str = FORWARDED) -> list[Step]:
        """Return the steps the ledger does not know: the receipt, devices that answered.

        Args:
            rule: what happened on receipt, unless the message was forwarded.
        """
        steps: list[Step] = []
        if not self.begun:
            self.begun = True
            if fork is not None:
                rule = FORWARDED
            steps.append((self.at, RECEIVED, "", 0, rule))
            if self.local and is_anonymous(self.request):
                steps.append((self.at, CONCEALED, "", 0, PRIVACY))
        if fork is None:
            return steps
        pager = self.pager
        carried = pager.carried(self.recipient)
        if self.times is None:
            self.times = {branch: now for branch in fork.branches if branch.status}
        for branch, at in self.times.items():
            if at is not None:
                steps.append(answer_step(pager.bindings, branch, carried, self.wall(at)))
                self.times[branch] = None
        return steps

    def _note(self, steps: list[Step], outcome: str, final: bool) -> None:
        self.pager.ledger.note(
            LedgerEntry(
                self.id,
                self.call_id,
                self.at,
                self.sender,
                self.recipient,
                len(self.request.body),
                steps,
                outcome,
                final,
                self.notice,
                self.charging,
            )
        )

    def _outcomes(self, fork: Fork) -> Outcomes:
        return Outcomes(self.pager.bindings, fork, self.pager.carried(self.recipient))

    def _devices_for_all(self, fork: Fork) -> tuple[str, ...]:
        """Return every device that should still get it, when none has taken it."""
        outcomes = self._outcomes(fork)
        return unique((*self.others, *outcomes.waiting, *outcomes.running))
