# SPDX-License-Identifier: Apache-2.0
"""Who may see the presence of whom: the rules of each user, and the habit of the domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from presence.event.package import Decision, Standing
from presence.rules import EVERYTHING, NOTHING, RuleSet, parse_rules
from sip.errors import ParseError

__all__ = ["PresenceRules"]

_KEPT: Final = 10_000  # rule sets that are kept read
_LISTS: Final = 20  # that are looked at for one decision; on others is nobody
_DEFAULT: Final = "default of the domain"
_STRANGERS: Final = {
    standing: Decision(standing, EVERYTHING if standing is Standing.ALLOW else NOTHING, _DEFAULT)
    for standing in Standing
}
_BROKEN: Final = Decision(Standing.BLOCK, NOTHING, "rules that cannot be read")


class PresenceRules:
    """`presence.packages.presence.Authority` over the documents of users.

    Args:
        documents: the pres-rules documents of a user, all of which count; it may raise ParseError.
        strangers: how those stand whom no rule of a user is about, by the user's AoR.
        is_on_list: tells of a user, an XCAP URI and a watcher whether that list of the user names
            the watcher.
    """

    def __init__(
        self,
        documents: Callable[[str], Sequence[bytes]],
        strangers: Callable[[str], Standing],
        is_on_list: Callable[[str, str, str], bool],
    ) -> None:
        self._documents = documents
        self._strangers = strangers
        self._is_on_list = is_on_list
        self._sets: dict[str, RuleSet | None] = {}

    def decide(self, resource: str, watcher: str, wall: float, sphere: str) -> Decision:
        """Decide by the user's rules; where none applies, as the domain has it."""
        try:
            rules = self.rules(resource)
        except ParseError:
            return _BROKEN  # threats.md X7
        until = inf
        if rules is not None:
            verdict = rules.decide(watcher, wall, sphere, self._looks_at_lists(resource))
            until = verdict.until
            if verdict.rule_id:
                return Decision(
                    verdict.standing, verdict.transformations, verdict.rule_id, verdict.until
                )
        standing = self._strangers(resource)
        if until == inf:
            return _STRANGERS[standing]  # one object for nearly everybody
        shown = EVERYTHING if standing is Standing.ALLOW else NOTHING
        return Decision(standing, shown, _DEFAULT, until)

    def _looks_at_lists(self, resource: str) -> Callable[[str, str], bool]:
        """Return what rules ask whether a list names a watcher."""
        looked_at: set[str] = set()

        def is_on_list(anchor: str, watcher: str) -> bool:
            if anchor not in looked_at:
                if len(looked_at) == _LISTS:
                    return False
                looked_at.add(anchor)
            return self._is_on_list(resource, anchor, watcher)

        return is_on_list

    def rules(self, resource: str) -> RuleSet | None:
        """Return the rules of a user, None without any. Raises: ParseError."""
        if resource in self._sets:
            return self._sets[resource]
        sets = [parse_rules(document) for document in self._documents(resource)]
        rules = RuleSet(tuple(rule for one in sets for rule in one.rules)) if sets else None
        while len(self._sets) >= _KEPT:
            del self._sets[next(iter(self._sets))]
        self._sets[resource] = rules
        return rules

    def forget(self, resource: str) -> None:
        """Read the rules of a user anew when they are asked for next."""
        self._sets.pop(resource, None)
