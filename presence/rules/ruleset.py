# SPDX-License-Identifier: Apache-2.0
"""The rules of one presentity and what they decide together (RFC 4745 section 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

from ..event.package import Standing
from .conditions import Circumstances, Condition, ExternalList, Identity, Validity, no_lists
from .transformations import NOTHING, Transformations, combined

__all__ = ["Rule", "RuleSet", "Step", "Verdict"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. standing: None when it has no <sub-handling>."""

    id: str
    conditions: tuple[Condition, ...]
    standing: Standing | None
    transformations: Transformations

    def refusal(self, about: Circumstances) -> str:
        """Return why the rule does not apply; "" when it does."""
        for condition in self.conditions:
            if reason := condition.refusal(about):
                return reason
        return ""

    def names(self, about: Circumstances) -> bool:
        """Tell whether the rule is about this watcher, whatever else it asks."""
        return any(
            not condition.refusal(about)
            for condition in self.conditions
            if isinstance(condition, Identity | ExternalList)
        )


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one rule. refusal: "" when it applied. standing: what it gave then."""

    rule: str
    refusal: str
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules decide about one watcher.

    rule_id: the rules that gave the standing; "" when none applied, and it is for somebody else to
    say how strangers stand. until: wall seconds when the rules may decide otherwise. steps: one per
    rule, in order.
    """

    standing: Standing
    transformations: Transformations
    rule_id: str
    until: float
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one presentity."""

    rules: tuple[Rule, ...]

    def joined(self, other: RuleSet, name: str) -> RuleSet:
        """Return these rules and those of another document of the user (RFC 5025 9.7).

        Args: name: of the document, put before the ids of its rules.
        """
        named = [replace(rule, id=f"{name}#{rule.id}") for rule in other.rules]
        return RuleSet((*self.rules, *named))

    def decide(
        self,
        watcher: str,
        wall: float,
        sphere: str = "",
        on_list: Callable[[str, str], bool] = no_lists,
    ) -> Verdict:
        """Combine all rules that apply: the highest standing wins, what they show adds up.

        Args: as of ``Circumstances``.
        """
        about = Circumstances(watcher, wall, sphere, on_list)
        about = replace(about, named=any(rule.names(about) for rule in self.rules))
        standing, granted, steps = Standing.BLOCK, [NOTHING], []
        for rule in self.rules:
            refusal = rule.refusal(about)
            steps.append(Step(rule.id, refusal, rule.standing))
            if not refusal:
                granted.append(rule.transformations)
                standing = max(standing, rule.standing or Standing.BLOCK)
        deciding = [one.rule for one in steps if not one.refusal and one.standing == standing]
        until = min(self._changes(wall), default=inf)
        return Verdict(standing, combined(granted), ", ".join(deciding), until, tuple(steps))

    def _changes(self, wall: float) -> Iterator[float]:
        for rule in self.rules:
            for condition in rule.conditions:
                if isinstance(condition, Validity):
                    yield condition.next_change(wall)
