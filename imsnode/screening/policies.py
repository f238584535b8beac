# SPDX-License-Identifier: Apache-2.0
"""The screen of the pager: policies of users and domains, kept in memory like accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from imsnode.identity.rates import Buckets, Rate
from imsnode.storage import Contact, Storage
from pager import Pager, rules
from pager.policy import Act, Decision
from pager.screening import (
    DomainPolicy,
    Incoming,
    Kind,
    Strangers,
    UserPolicy,
    Verdict,
    content,
    incoming,
    judge,
    unwelcome,
)
from sip.timers import TimerQueue

from .contacts import Books, FanOut, Note
from .content import ContentRules

__all__ = ["Policies", "PolicySettings", "Unwanted"]

_UNMUTE = 1
_PLACES = 1 << 20  # senders with a bucket of their own; takes memory only while they send
_NOTHING = DomainPolicy()
_UNAVAILABLE = 480  # as if no device were registered
_NO_WISHES = UserPolicy("")
_WRITTEN = frozenset((Kind.TEXT, Kind.OTHER))  # what somebody wrote, and not their device
_ADMITTING = frozenset((Act.FORWARD, Act.HOLD))

#: unwanted(message id, sender, recipient, head, body): a device said 607.
Unwanted = Callable[[str, str, str, bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """domains: what each served domain allows. contacts: people remembered for one user."""

    domains: Mapping[str, DomainPolicy] = field(default_factory=dict)
    contacts: int = 1000


class Policies:
    """Implements `pager.ports.Screen`.

    users: policies of users by address of record; the pager looks at its keys alone. refused:
    messages turned away or kept back, by rule.
    """

    def __init__(
        self,
        pager: Pager,
        timers: TimerQueue,
        note: Note,
        content_rules: ContentRules,
        settings: PolicySettings,
        unwanted: Unwanted,
    ) -> None:
        self.users: dict[str, UserPolicy] = {}
        self.content = content_rules
        self.refused: dict[str, int] = {}
        self.unwanted = unwanted
        self._pager = pager
        self._timers = timers
        self._books = Books(note, settings.contacts)
        self._fan_out = FanOut()
        self._muted: dict[str, float] = {}
        self._wake_at = 0.0
        self._wall_ahead = 0.0
        pager.watch(self, self.users)  # type: ignore[arg-type]  # its keys are looked at alone
        self.configure(settings)

    @classmethod
    def on(
        cls,
        pager: Pager,
        timers: TimerQueue,
        storage: Storage,
        content_rules: ContentRules,
        settings: PolicySettings,
    ) -> Self:
        """Make the screen of a node with this storage."""
        unwanted = storage.reports.unwanted
        return cls(pager, timers, storage.contacts.note, content_rules, settings, unwanted)

    def restore(self, storage: Storage, now: float, wall: float) -> None:
        """Take up what is kept; blocks. Call it before the pager starts."""
        self.load(storage.policies.load_all(), storage.contacts.load_all(), now, wall)

    # --- provisioning

    def configure(self, settings: PolicySettings) -> None:
        """Use other domain policies from now on."""
        self._domains = settings.domains
        self._books.most = settings.contacts
        self._rates = {
            name: Buckets(Rate(domain.rate, domain.burst), _PLACES)
            for name, domain in settings.domains.items()
            if domain.rate
        }
        self._pager.screens_all = any(one.judges_all for one in settings.domains.values())

    def load(
        self, users: Iterable[UserPolicy], contacts: Iterable[Contact], now: float, wall: float
    ) -> None:
        """Take up these policies and acquaintances."""
        self._books.load(contacts, wall)
        self.replace_all(users, now, wall)

    def put(self, policy: UserPolicy, now: float, wall: float) -> None:
        """Let a user have this policy from now on."""
        if policy.empty(wall):
            self.remove(policy.aor, now)
            return
        self.users[policy.aor] = policy
        if policy.muted_until > wall:
            self._wall_ahead = wall - now
            self._muted[policy.aor] = policy.muted_until - self._wall_ahead
            self._pager.hold(policy.aor, now)
            self._wake()
        else:
            self._unmute(policy.aor, now)

    def remove(self, aor: str, now: float) -> None:
        """Forget the policy of a user; what it held back is delivered."""
        self.users.pop(aor, None)
        self._unmute(aor, now)

    def forget(self, aor: str, now: float) -> None:
        """Forget all about a user who is gone."""
        self.remove(aor, now)
        self._books.forget(aor)

    def replace_all(self, users: Iterable[UserPolicy], now: float, wall: float) -> None:
        """Make these the policies of all users."""
        fresh = {one.aor: one for one in users}
        for aor in [aor for aor in self.users if aor not in fresh]:
            self.remove(aor, now)
        for one in fresh.values():
            if self.users.get(one.aor) != one:
                self.put(one, now, wall)

    def on_timer(self, kind: int, now: float) -> None:
        """Deliver what waits for those whose time is over."""
        if now >= self._wake_at > 0.0:
            self._wake_at = 0.0
            for aor in [aor for aor, until in self._muted.items() if until <= now]:
                self._unmute(aor, now)
                if self.users[aor].empty(now + self._wall_ahead):
                    del self.users[aor]
            self._wake()

    def _unmute(self, aor: str, now: float) -> None:
        if self._muted.pop(aor, 0.0):
            self._pager.release(aor, now)

    def _wake(self) -> None:
        """Have a timer run when the first muted user wants messages again."""
        if not self._muted:
            return
        first = min(self._muted.values())
        if not self._wake_at or first < self._wake_at:
            self._wake_at = first
            self._timers.schedule(first, self, _UNMUTE)

    # --- the screen

    def judge(
        self,
        content_type: bytes | None,
        body: bytes,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
    ) -> Verdict | None:
        """Judge a message; see the port."""
        if sender == recipient:
            return None
        facts = incoming(content_type, body, sender)
        verdict = self._verdict(content_type, body, facts, recipient, now, wall)
        if verdict is not None and verdict.decision.rule != rules.FORWARDED:
            rule = verdict.decision.rule.partition(":")[0]
            self.refused[rule] = self.refused.get(rule, 0) + 1
        if facts.kind in _WRITTEN and (verdict is None or verdict.decision.act in _ADMITTING):
            self._remember(sender, recipient, wall)
        return verdict

    def turns_away(self, sender: str, recipient: str) -> int:
        """Return how a user answers an invitation of somebody they do not want to hear from.

        0: they may be asked.
        """
        if sender == recipient:
            return 0
        user = self.users.get(recipient, _NO_WISHES)
        met = self._books.met(recipient, sender)
        decision = unwelcome(user, self._domain(recipient), sender, met)
        return 0 if decision is None else decision.status or _UNAVAILABLE

    def withdraw(self, sender: str, recipient: str) -> None:
        """Take a stranger's one message for not sent; see the port."""
        self._books.unheard(recipient, sender, 0.0)

    def limit(
        self,
        content_type: bytes | None,
        body: bytes,
        sender: str,
        recipient: str,
        now: float,
        wall: float,
    ) -> Verdict | None:
        """Judge a message to somebody elsewhere: by the rules of its sender's domain alone."""
        domain = self._domain(sender)
        if not domain.judges_all:
            return None
        facts = incoming(content_type, body, sender)
        verdict = self._limited(domain, facts, recipient, now, wall)
        if verdict is None and domain.rules:
            refusal = self.content.judge(
                domain.rules, content(content_type, body, facts, recipient), now
            )
            verdict = None if refusal is None else Verdict(refusal)
        if verdict is not None:
            rule = verdict.decision.rule.partition(":")[0]
            self.refused[rule] = self.refused.get(rule, 0) + 1
        elif facts.kind in _WRITTEN and domain.remembers:
            self._books.sent(sender, recipient, wall)
        return verdict

    def _verdict(
        self,
        content_type: bytes | None,
        body: bytes,
        facts: Incoming,
        recipient: str,
        now: float,
        wall: float,
    ) -> Verdict | None:
        sending, receiving = self._domain(facts.sender), self._domain(recipient)
        limited = self._limited(sending, facts, recipient, now, wall)
        if limited is not None:
            return limited
        user = self.users.get(recipient, _NO_WISHES)
        met = self._books.met(recipient, facts.sender)
        verdict = judge(user, receiving, facts, met, wall)
        names = tuple(dict.fromkeys((*sending.rules, *receiving.rules)))
        if names and (verdict is None or verdict.decision.act in _ADMITTING):
            refusal = self.content.judge(names, content(content_type, body, facts, recipient), now)
            if refusal is not None:
                return Verdict(refusal)
        return verdict

    def _limited(
        self, domain: DomainPolicy, facts: Incoming, recipient: str, now: float, wall: float
    ) -> Verdict | None:
        """Hold a sender to the rates of its domain."""
        sender = facts.sender
        if domain.rate:
            bucket = self._rates[sender.rpartition("@")[2]]
            wait = bucket.take(sender, now)
            if wait > 0.0:
                return _later(rules.SENDER_TOO_FAST, wait)
        if facts.kind not in _WRITTEN:
            return None
        if domain.new_recipients:
            wait = self._books.wait_for_new(sender, recipient, domain.new_recipients, wall)
            if wait > 0.0:
                return _later(rules.TOO_MANY_NEW, wait)
        if domain.fan_out:
            wait = self._fan_out.take(sender, recipient, domain.fan_out, now)
            if wait > 0.0:
                return _later(rules.TOO_MANY_RECIPIENTS, wait)
        return None

    def _remember(self, sender: str, recipient: str, wall: float) -> None:
        """Note who wrote to whom, for those of whom it has to be known."""
        if self._remembers(sender):
            self._books.sent(sender, recipient, wall)
        if self._remembers(recipient):
            self._books.heard(recipient, sender, wall)

    def _remembers(self, aor: str) -> bool:
        user = self.users.get(aor)
        if user is not None and user.strangers not in (None, Strangers.ANYTHING):
            return True
        return self._domain(aor).remembers

    def _domain(self, aor: str) -> DomainPolicy:
        return self._domains.get(aor.rpartition("@")[2], _NOTHING)


def _later(rule: str, wait: float) -> Verdict:
    line = b"Retry-After: %d" % max(1, round(wait))
    return Verdict(Decision(Act.REFUSE, rule, 503), b"Too many messages", (line,))
