# SPDX-License-Identifier: Apache-2.0
"""Content rules: code of the operator's choice that judges what messages say.

A rule runs in the way of the messages of its domains, so it has a budget: the timer of the
process interrupts a rule whose time is over, also inside a regular expression. What fails or takes
too long counts as failed; a rule that fails again and again rests for a while.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from types import FrameType

from pager import rules
from pager.policy import Act, Decision
from pager.ports import ContentRule
from pager.screening import Content

__all__ = ["GROUP", "ContentRules", "RuleError", "RuleSettings", "load_rules"]

log = logging.getLogger(__name__)

GROUP = "imsnode.content_rules"
#: make(options): what an entry point of the group is.
Factory = Callable[[Mapping[str, str]], ContentRule]

_BUILT_IN = {"words": "imsnode.screening.words:WordRule"}
_FAILURES = 3  # in a row, then the rule rests
_REST_S = 60.0


class RuleError(ValueError):
    """A rule cannot be loaded; ``rule`` is its name in the configuration."""

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(f"content rule {rule}: {problem}")
        self.rule = rule
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One rule as configured.

    uses: name of an entry point of the group, a rule that comes with the node, or
    MODULE:ATTRIBUTE. options: handed to it.
    """

    name: str
    uses: str
    options: Mapping[str, str] = field(default_factory=dict)


def load_rules(settings: Sequence[RuleSettings]) -> dict[str, ContentRule]:
    """Make the rules, by name.

    Raises: RuleError for one that is not there or does not take its options.
    """
    made: dict[str, ContentRule] = {}
    for one in settings:
        factory = _find(one)
        try:
            made[one.name] = factory(one.options)
        except Exception as error:
            raise RuleError(one.name, f"{one.uses} refuses its options: {error}") from error
    return made


def _find(one: RuleSettings) -> Factory:
    path = _BUILT_IN.get(one.uses, one.uses)
    try:
        if ":" in path:
            module, _, attribute = path.partition(":")
            factory: Factory = getattr(import_module(module), attribute)
        else:
            found = entry_points(group=GROUP, name=path)
            if not found:
                raise RuleError(one.name, f"no package offers {path} as an entry point of {GROUP}")
            factory = next(iter(found)).load()
    except (ImportError, AttributeError) as error:
        raise RuleError(one.name, f"{one.uses} cannot be loaded: {error}") from error
    return factory


class _TimeOver(BaseException):
    """The budget is used up. No Exception: the rule itself must not catch it by accident."""


class _Alarm:
    """The timer of the process, of which there is one."""

    def __init__(self) -> None:
        self._set = False

    def run(self, rule: ContentRule, content: Content, budget_s: float) -> str:
        """Ask a rule; raises _TimeOver when the budget is used up."""
        signal.signal(signal.SIGALRM, self._ring)
        self._set = True
        signal.setitimer(signal.ITIMER_REAL, budget_s)
        try:
            return rule.judge(content)
        finally:
            self._set = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._set:
            raise _TimeOver


_alarm = _Alarm()


class _Running:
    """One rule and how it has fared lately."""

    __slots__ = ("failures", "name", "rests_until", "rule")

    def __init__(self, name: str, rule: ContentRule) -> None:
        self.name = name
        self.rule = rule
        self.failures = 0
        self.rests_until = 0.0


class ContentRules:
    """Runs rules within their budget.

    Args:
        budget_s: for one rule and one message; 0.0 for none. strict: what no rule could judge is
            refused, else it passes.
    """

    def __init__(
        self, rules_by_name: Mapping[str, ContentRule], budget_s: float, strict: bool
    ) -> None:
        self.budget_s = budget_s
        self.strict = strict
        self.failed = 0
        self._rules = {name: _Running(name, rule) for name, rule in rules_by_name.items()}

    def judge(self, names: Sequence[str], content: Content, now: float) -> Decision | None:
        """Ask the rules in turn; the first that objects decides."""
        for name in names:
            running = self._rules[name]
            if now >= running.rests_until:
                reason = self._ask(running, content, now)
                if reason is not None:
                    if not reason:
                        continue
                    return Decision(Act.REFUSE, f"{rules.CONTENT}:{name}: {reason}", 403)
            if self.strict:
                return Decision(Act.REFUSE, f"{rules.CONTENT_UNKNOWN}:{name}", 503)
        return None

    def _ask(self, running: _Running, content: Content, now: float) -> str | None:
        """Return what a rule says; None when it failed."""
        try:
            reason = self._timed_ask(running.rule, content)
            running.failures = 0
            return _harmless(reason)
        except _TimeOver:
            problem = f"took more than {self.budget_s * 1000:g} ms"
        except Exception as error:  # noqa: BLE001 - foreign code
            problem = f"{type(error).__name__}: {error}"
        self.failed += 1
        running.failures += 1
        if running.failures >= _FAILURES:
            running.failures = 0
            running.rests_until = now + _REST_S
            log.error("content rule rests", extra={"rule": running.name, "problem": problem})
        return None

    def _timed_ask(self, rule: ContentRule, content: Content) -> str:
        # The timer interrupts the first thread alone, and there the loop runs.
        if self.budget_s > 0.0 and threading.current_thread() is threading.main_thread():
            return _alarm.run(rule, content, self.budget_s)
        return rule.judge(content)


def _harmless(reason: str) -> str:
    """Return a reason fit for one word of the ledger's line: printable and short."""
    return "".join(c if c.isprintable() else " " for c in str(reason))[:80]
