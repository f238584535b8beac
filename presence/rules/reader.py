# SPDX-License-Identifier: Apache-2.0
"""Rules as documents: application/auth-policy+xml (RFC 4745, RFC 5025, OMA's extensions)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml, text_of
from sip.errors import ParseError

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
    canonical,
    service_uri,
)
from .ruleset import Rule, RuleSet
from .transformations import ALL, Components, Transformations, UserInput

__all__ = ["COMMON", "MEDIA_TYPE", "RULES", "STANDINGS", "parse_rules"]

MEDIA_TYPE: Final = b"application/auth-policy+xml"
COMMON: Final = "urn:ietf:params:xml:ns:common-policy"
RULES: Final = "urn:ietf:params:xml:ns:pres-rules"

_WHERE: Final = "pres-rules"
_CR: Final = f"{{{COMMON}}}"
_PR: Final = f"{{{RULES}}}"
_OCP: Final = "{urn:oma:xml:xdm:common-policy}"
_OP: Final = "{urn:oma:xml:prs:pres-rules}"
_OMA_PIDF: Final = "{urn:oma:xml:prs:pidf:oma-pres}"

STANDINGS: Final = {
    "block": Standing.BLOCK,
    "confirm": Standing.CONFIRM,
    "polite-block": Standing.POLITE,
    "allow": Standing.ALLOW,
}
_USER_INPUT: Final = {one.name.lower(): one for one in UserInput}
# OMA's permissions and the elements of its own that they show.
_OMA_SHOWN: Final = {
    "provide-willingness": ("willingness", "overriding-willingness"),
    "provide-network-availability": ("network-availability",),
    "provide-session-participation": ("session-participation",),
    "provide-registration-state": ("registration-state",),
    "provide-barring-state": ("barring-state",),
}


def parse_rules(body: bytes) -> RuleSet:
    """Read a rules document.

    Raises: ParseError; who has one that cannot be read lets nobody see anything.
    """
    root = parse_xml(body, _WHERE)
    if root.tag != _CR + "ruleset":
        raise ParseError(_WHERE, "pres-rules document has another root element")
    validate(root, _WHERE)
    return RuleSet(tuple(_rule(one) for one in root.iterchildren(_CR + "rule")))


def _rule(element: Element) -> Rule:
    standing = None
    actions = element.find(f"{_CR}actions")
    for one in () if actions is None else actions.iterchildren(_PR + "sub-handling"):
        standing = max(standing or Standing.BLOCK, STANDINGS[text_of(one)])
    conditions = element.find(f"{_CR}conditions")
    return Rule(
        element.get("id", ""),
        () if conditions is None else tuple(_condition(one) for one in conditions),
        standing,
        _transformations(element.find(f"{_CR}transformations")),
    )


def _condition(element: Element) -> Condition:
    tag = element.tag
    if tag == _CR + "identity":
        return _identity(element)
    if tag == _CR + "sphere":
        return Sphere(frozenset(element.get("value", "").split()))
    if tag == _CR + "validity":
        begins = [_moment(one) for one in element.iterchildren(_CR + "from")]
        ends = [_moment(one) for one in element.iterchildren(_CR + "until")]
        return Validity(tuple(zip(begins, ends, strict=True)))
    if tag == _OCP + "external-list":
        entries = element.iterchildren(_OCP + "entry")
        return ExternalList(tuple(one.get("anc", "") for one in entries))
    if tag == _OCP + "other-identity":
        return OtherIdentity()
    if tag == _OCP + "anonymous-request":
        return Anonymous()
    return Unknown(str(etree.QName(element).localname))


def _identity(element: Element) -> Identity:
    ones = [canonical(one.get("id", "")) for one in element.iterchildren(_CR + "one")]
    return Identity(
        frozenset(ones), tuple(_many(one) for one in element.iterchildren(_CR + "many"))
    )


def _many(element: Element) -> Many:
    exceptions = list(element.iterchildren(_CR + "except"))
    return Many(
        element.get("domain", "").lower(),
        frozenset(canonical(one.get("id", "")) for one in exceptions if one.get("id")),
        frozenset(one.get("domain", "").lower() for one in exceptions if one.get("domain")),
    )


def _moment(element: Element) -> float:
    """Return the wall seconds of an xs:dateTime; without a zone it is read as UTC."""
    text = text_of(element)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ParseError(_WHERE, "pres-rules has a time that cannot be read") from None


def _transformations(element: Element | None) -> Transformations:
    if element is None:
        return Transformations()
    granted: dict[str, Components] = {}
    attributes: set[str] = set()
    unknown: set[str] = set()
    user_input, everything = UserInput.FALSE, False
    for one in element:
        tag, name = str(one.tag), str(etree.QName(one).localname)
        if tag.startswith(_OP) and name in _OMA_SHOWN and _true(one):
            unknown.update(_OMA_PIDF + shown for shown in _OMA_SHOWN[name])
        elif not tag.startswith(_PR):
            continue
        elif name in _COMPONENTS:
            granted[name] = granted.get(name, frozenset()) | frozenset(_components(one))
        elif name == "provide-user-input":
            user_input = max(user_input, _USER_INPUT[text_of(one)])
        elif name == "provide-all-attributes":
            everything = True
        elif name == "provide-unknown-attribute" and _true(one):
            unknown.add(f"{{{one.get('ns', '')}}}{one.get('name', '')}")
        elif _true(one):
            attributes.add(name.removeprefix("provide-"))
    services, devices, persons = (granted.get(name, frozenset()) for name in _COMPONENTS)
    return Transformations(
        services,
        devices,
        persons,
        frozenset(attributes),
        user_input,
        frozenset(unknown),
        everything,
    )


_COMPONENTS: Final = ("provide-services", "provide-devices", "provide-persons")


def _components(element: Element) -> Iterator[tuple[str, str]]:
    for one in element:
        name = str(etree.QName(one).localname)
        if one.tag == f"{_PR}{name}" or one.tag == _OP + "service-id":
            value = text_of(one)
            if name.startswith("all-"):
                yield ALL
            else:
                yield name, service_uri(value) if name in ("service-uri", "deviceID") else value


def _true(element: Element) -> bool:
    return text_of(element) in ("true", "1")
