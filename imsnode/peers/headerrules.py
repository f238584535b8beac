# SPDX-License-Identifier: Apache-2.0
"""What is changed in headers at the border to a peer: a small list of typed changes, no program.

A rule reads as it is written in the configuration:

    out remove X-Internal
    out add X-Network: here
    in  set P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg
    out domain P-Asserted-Identity ims.test carrier.example
    in  prefix Request-URI 0049 +49
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from sip.headers.names import canonical_name

from .head import Head

__all__ = ["HeaderRule", "apply_rules", "parse_header_rule"]

Direction = Literal["in", "out"]
Action = Literal["add", "set", "remove", "domain", "prefix"]

_TARGET: Final = "request-uri"
_WRITTEN: Final = re.compile(
    r"(in|out)\s+(add|set|remove|domain|prefix)\s+([\w.!%*`'~+-]+)\s*(.*)", re.S
)
# At most one colon, before a password: so no octet is looked at for every "sip:" before it.
_USERINFO: Final = rb"[^@<>\s,:]*(?::[^@<>\s,:]*)?"
# What dialogs, transactions and framing live by, on both sides of the border.
_UNTOUCHED: Final = frozenset(
    ("via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "max-forwards",
     "content-length", "content-type", "rack", "rseq")
)  # fmt: skip
_HELP: Final = (
    'write "out remove NAME", "out add NAME: VALUE", "in set NAME: VALUE", '
    '"out domain NAME FROM TO" or "in prefix NAME FROM TO"'
)


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """One change. value: of `add` and `set`; before, after: of `domain` and `prefix`."""

    direction: Direction
    action: Action
    name: str
    written: bytes
    value: bytes = b""
    before: bytes = b""
    after: bytes = b""


def parse_header_rule(text: str) -> HeaderRule:
    """Read one rule. Raises: ValueError with a sentence for the operator."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"is no change of a header: {_HELP}")
    direction, action, written, rest = found.groups()
    if not text.isprintable():
        raise ValueError("has an unprintable character: leave it out")
    name = canonical_name(written.encode())
    if name in _UNTOUCHED:
        raise ValueError(f"{written} belongs to dialogs and transactions: it cannot be changed")
    if name == _TARGET and action not in ("domain", "prefix"):
        raise ValueError("Request-URI can have its domain or prefix changed alone")
    value = before = after = b""
    if action in ("add", "set"):
        colon, value = rest[:1], rest[1:].strip().encode()
        if colon != ":" or not value:
            raise ValueError(f"lacks its value: {_HELP}")
    elif action in ("domain", "prefix"):
        words = rest.split()
        if len(words) != 2:
            raise ValueError(f"lacks what becomes what: {_HELP}")
        before, after = words[0].encode(), words[1].encode()
    elif rest:
        raise ValueError(f"says more than a removal can: {_HELP}")
    return HeaderRule(direction, action, name, written.encode(), value, before, after)  # type: ignore[arg-type]  # as the pattern has them


def apply_rules(rules: Iterable[HeaderRule], head: Head, direction: Direction) -> None:
    """Change a head by the rules of one direction, in their order.

    `add` is for requests that lack the header, `set` for requests with or without it and for
    responses that have it.
    """
    for rule in rules:
        if rule.direction != direction:
            continue
        if rule.action == "remove":
            head.remove(rule.name)
        elif rule.action == "add":
            if head.is_request and not head.has(rule.name):
                head.lines.append((rule.name, rule.written, rule.value))
        elif rule.action == "set":
            if head.is_request or head.has(rule.name):
                head.put(rule.name, rule.written, (rule.value,))
        else:
            _edit(head, rule, _domain(rule) if rule.action == "domain" else _prefix(rule))


def _edit(head: Head, rule: HeaderRule, edit: Callable[[bytes], bytes]) -> None:
    if rule.name != _TARGET:
        head.edit(rule.name, edit)
    elif head.is_request:
        head.edit_target(edit)


def _domain(rule: HeaderRule) -> Callable[[bytes], bytes]:
    """Change the host of SIP URIs; that of a URI without a user as well."""
    pattern = re.compile(
        rb"(\bsips?:(?:" + _USERINFO + rb"@)?)" + re.escape(rule.before) + rb"(?=[:;?>\s,]|$)",
        re.IGNORECASE,
    )
    return lambda value: pattern.sub(lambda found: found.group(1) + rule.after, value)


def _prefix(rule: HeaderRule) -> Callable[[bytes], bytes]:
    """Change the beginning of user parts and of tel numbers."""
    pattern = re.compile(
        rb"(\b(?:sips?|tel):)" + re.escape(rule.before) + rb"(?=" + _USERINFO + rb"(?:[@>;\s,]|$))",
        re.IGNORECASE,
    )
    return lambda value: pattern.sub(lambda found: found.group(1) + rule.after, value)
