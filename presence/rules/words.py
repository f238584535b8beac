# SPDX-License-Identifier: Apache-2.0
"""Rules in words, for operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..event.package import Standing
from .conditions import (
    Anonymous,
    Condition,
    ExternalList,
    Identity,
    Many,
    OtherIdentity,
    Sphere,
    Unknown,
    Validity,
)
from .reader import STANDINGS
from .ruleset import Rule
from .transformations import ALL, Transformations, UserInput

__all__ = ["about", "shows", "standing_name"]


def standing_name(standing: Standing | None) -> str:
    """Return the name a standing has in documents; "" for none."""
    return next((name for name, one in STANDINGS.items() if one is standing), "")


def about(rule: Rule) -> str:
    """Return to whom and when a rule applies."""
    return "; ".join([_condition(one) for one in rule.conditions]) or "everybody, even unknown"


def shows(shown: Transformations) -> str:
    """Return what a rule lets see."""
    words = [
        f"{name} {_components(components)}".rstrip()
        for name, components in (
            ("services", shown.services),
            ("persons", shown.persons),
            ("devices", shown.devices),
        )
        if components
    ]
    if shown.all_attributes:
        return ", ".join([*words, "all of them"])
    words += sorted(shown.attributes)
    if shown.user_input:
        name = UserInput(shown.user_input).name.lower()
        words.append(f"user-input {name}")
    return ", ".join([*words, *sorted(shown.unknown)])


def _condition(condition: Condition) -> str:
    if isinstance(condition, Identity):
        return ", ".join([*sorted(condition.ones), *(_many(one) for one in condition.many)])
    if isinstance(condition, Sphere):
        return f"while in sphere {' or '.join(sorted(condition.values))}"
    if isinstance(condition, Validity):
        return "at times"
    if isinstance(condition, ExternalList):
        return f"who is on {', '.join(condition.anchors)}"
    if isinstance(condition, OtherIdentity):
        return "whom no other rule names"
    if isinstance(condition, Anonymous):
        return "anonymous watchers"
    return f"unknown condition {condition.name}" if isinstance(condition, Unknown) else ""


def _many(many: Many) -> str:
    words = f"*@{many.domain}" if many.domain else "everybody"
    exceptions = [*sorted(many.except_ids), *(f"*@{one}" for one in sorted(many.except_domains))]
    return f"{words} except {', '.join(exceptions)}" if exceptions else words


def _components(components: Iterable[tuple[str, str]]) -> str:
    return "" if ALL in components else f"({', '.join(_named(components))})"


def _named(components: Iterable[tuple[str, str]]) -> Iterator[str]:
    for kind, value in sorted(components):
        yield f"{kind} {value}"
