# SPDX-License-Identifier: Apache-2.0
"""A watcher let in or kept out by an operator: the rules document of the user, changed for it.

Rules only ever grant (RFC 4745 section 10), so keeping somebody out means taking the watcher out of
every rule that grants more, as an exception where the rule is for many.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from sip.bodies.xml import Element, parse_xml, write_xml

from ..event.package import Standing
from .conditions import Circumstances, Sphere, Validity, canonical, domain_of
from .reader import COMMON, RULES, STANDINGS, parse_rules
from .ruleset import RuleSet

__all__ = ["RuleStands", "with_standing"]

_CR: Final = f"{{{COMMON}}}"
_PR: Final = f"{{{RULES}}}"
_PREFIXES: Final[dict[str | None, str]] = {None: COMMON, "pr": RULES}
_NAMES: Final = {standing: name for name, standing in STANDINGS.items()}
#: `id` of the rules that are written here, before the name of what they give.
_OURS: Final = "operator-"


class RuleStands(Exception):
    """A rule grants more and cannot be narrowed for one watcher: ``rule`` is its id."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"rule {rule} grants more and cannot be narrowed for one watcher")
        self.rule = rule


def with_standing(document: bytes | None, watcher: str, standing: Standing) -> bytes:
    """Return the rules of a user under which a watcher has this standing whenever rules apply.

    Args: document: the rules so far; None for none. watcher: canonical AoR.
    Raises: ParseError; RuleStands.
    """
    if document is None:
        root = etree.Element(_CR + "ruleset", nsmap=_PREFIXES)  # type: ignore[arg-type]
    else:
        parse_rules(document)
        root = parse_xml(document, "pres-rules", comments=True)
    for rule in list(root.iterchildren(_CR + "rule")):
        ours = rule.get("id", "").startswith(_OURS)
        if ours or _standing(rule) > standing:
            _take_out(rule, watcher)
    _put_in(root, watcher, standing)
    written = write_xml(root)
    _check(parse_rules(written), watcher, standing)
    return written


def _take_out(rule: Element, watcher: str) -> None:
    """Make a rule be about everybody it was about but the watcher."""
    conditions = rule.find(_CR + "conditions")
    if conditions is None:
        conditions = etree.Element(_CR + "conditions")
        rule.insert(0, conditions)
    identities = list(conditions.iterchildren(_CR + "identity"))
    if not identities and all(one.tag in (_CR + "sphere", _CR + "validity") for one in conditions):
        # It is about everybody; from now on about everybody else.
        many = etree.SubElement(etree.SubElement(conditions, _CR + "identity"), _CR + "many")
        etree.SubElement(many, _CR + "except").set("id", watcher)
    for identity in identities:
        _narrow(identity, watcher)
        if not len(list(identity.iterchildren("*"))):
            # An empty <identity> is not valid, and without it the rule would be for everybody.
            _remove(rule)
            return


def _narrow(identity: Element, watcher: str) -> None:
    for one in list(identity.iterchildren(_CR + "one")):
        if canonical(one.get("id", "")) == watcher:
            _remove(one)
    for many in identity.iterchildren(_CR + "many"):
        domain = many.get("domain", "").lower()
        exceptions = [canonical(one.get("id", "")) for one in many.iterchildren(_CR + "except")]
        if (not domain or domain == domain_of(watcher)) and watcher not in exceptions:
            etree.SubElement(many, _CR + "except").set("id", watcher)


def _put_in(root: Element, watcher: str, standing: Standing) -> None:
    identity = root.find(
        f"{_CR}rule[@id='{_OURS}{_NAMES[standing]}']/{_CR}conditions/{_CR}identity"
    )
    if identity is None:
        identity = _new_rule(root, standing)
    etree.SubElement(identity, _CR + "one").set("id", watcher)


def _new_rule(root: Element, standing: Standing) -> Element:
    """Append a rule and return its <identity>."""
    rule = etree.SubElement(root, _CR + "rule")
    rule.set("id", _OURS + _NAMES[standing])
    identity = etree.SubElement(etree.SubElement(rule, _CR + "conditions"), _CR + "identity")
    actions = etree.SubElement(rule, _CR + "actions")
    etree.SubElement(actions, _PR + "sub-handling").text = _NAMES[standing]
    shown = etree.SubElement(rule, _CR + "transformations")
    if standing is Standing.ALLOW:
        for one in ("services", "devices", "persons"):
            provide = etree.SubElement(shown, f"{_PR}provide-{one}")
            etree.SubElement(provide, f"{_PR}all-{one}")
        etree.SubElement(shown, _PR + "provide-all-attributes")
    return identity


def _check(rules: RuleSet, watcher: str, standing: Standing) -> None:
    """Refuse what would not do what it says: a rule for a list may grant the watcher more.

    A rule for other identities does not, because the watcher is named now.
    """
    about = Circumstances(watcher, 0.0, "", _on_every_list, named=True)
    for rule in rules.rules:
        if (rule.standing or Standing.BLOCK) > standing and all(
            isinstance(one, Sphere | Validity) or not one.refusal(about) for one in rule.conditions
        ):
            raise RuleStands(rule.id)


def _on_every_list(_anchor: str, _watcher: str) -> bool:
    return True


def _standing(rule: Element) -> Standing:
    found = [STANDINGS[(one.text or "").strip()] for one in rule.iter(_PR + "sub-handling")]
    return max(found, default=Standing.BLOCK)


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
