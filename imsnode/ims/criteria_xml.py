# SPDX-License-Identifier: Apache-2.0
"""Service profiles in the XML of the Cx interface.

What provisioning systems and other S-CSCFs exchange: an ``IMSSubscription`` with its
``ServiceProfile`` elements, or one of these alone. Elements that are no business of an S-CSCF's
triggers are read over; what would change a trigger and cannot be read is an error.

Spec: TS 29.228 annexes B and E.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise
from typing import Final, TypeVar

from sip.bodies.xml import Element, child, parse_xml, text_of, write_xml
from sip.errors import BadMessage, ParseError
from sip.headers.names import canonical_name
from sip.uri import parse_uri

from .criteria import (
    ApplicationServer,
    Condition,
    DefaultHandling,
    FilterCriteria,
    HeaderIs,
    MethodIs,
    ProfilePart,
    RegistrationType,
    RequestUriIs,
    ServiceProfile,
    SessionCaseIs,
    SessionDescriptionIs,
    SptCase,
    Trigger,
    TriggerPoint,
)
from .ere import BadExpression, Expression

__all__ = ["read_profiles", "split_profiles"]

_WHERE: Final = "Service profile"
_Kind = TypeVar("_Kind", bound=IntEnum)
_CRITERIA: Final = 64  # of one profile
_TRIGGERS: Final = 64  # of one criterion


def read_profiles(document: bytes) -> list[ServiceProfile]:
    """Read all service profiles of a document. Raises: ParseError, naming the element."""
    root = parse_xml(document, _WHERE)
    if root.tag == "ServiceProfile":
        return [_profile(root)]
    profiles = root.findall("ServiceProfile") if root.tag == "IMSSubscription" else []
    if not profiles:
        raise ParseError(_WHERE, f"{_WHERE}: no ServiceProfile and no IMSSubscription with one")
    return [_profile(element) for element in profiles]


def split_profiles(document: bytes) -> list[tuple[tuple[str, ...], bytes]]:
    """Return each service profile of a document as one of its own, with whose it is.

    Raises: ParseError.
    """
    root = parse_xml(document, _WHERE)
    elements = [root] if root.tag == "ServiceProfile" else root.findall("ServiceProfile")
    return [(_profile(one).identities, write_xml(one)) for one in elements]


def _profile(element: Element) -> ServiceProfile:
    identities = []
    for public in element.findall("PublicIdentity"):
        text = text_of(child(public, "Identity"))
        try:
            identities.append(parse_uri(text.encode()).aor)
        except BadMessage:
            raise _bad("Identity", f"{text!r} is no URI") from None
    criteria = [_criterion(one) for one in element.findall("InitialFilterCriteria")]
    if len(criteria) > _CRITERIA:
        raise _bad("ServiceProfile", f"more than {_CRITERIA} criteria")
    criteria.sort(key=lambda one: one.priority)
    for one, other in pairwise(criteria):
        if one.priority == other.priority:
            raise _bad("Priority", f"{one.priority} stands twice")
    return ServiceProfile(tuple(identities), tuple(criteria))


def _criterion(element: Element) -> FilterCriteria:
    server = child(element, "ApplicationServer")
    if server is None:
        raise _bad("InitialFilterCriteria", "there must be one ApplicationServer")
    trigger = child(element, "TriggerPoint")
    part = child(element, "ProfilePartIndicator")
    return FilterCriteria(
        _number(child(element, "Priority"), "Priority"),
        _server(server),
        None if trigger is None else _trigger_point(trigger),
        None if part is None else _member(ProfilePart, part, "ProfilePartIndicator"),
    )


def _server(element: Element) -> ApplicationServer:
    name = text_of(child(element, "ServerName"))
    try:
        if not parse_uri(name.encode()).is_sip:
            raise ParseError(_WHERE, "another scheme")
    except BadMessage:
        raise _bad("ServerName", f"{name!r} is no SIP URI") from None
    handling = child(element, "DefaultHandling")
    extension = child(element, "Extension")
    wants = {str(one.tag) for one in extension} if extension is not None else set()
    return ApplicationServer(
        name.encode(),
        DefaultHandling.SESSION_CONTINUED
        if handling is None
        else _member(DefaultHandling, handling, "DefaultHandling"),
        text_of(child(element, "ServiceInfo")),
        "IncludeRegisterRequest" in wants,
        "IncludeRegisterResponse" in wants,
    )


def _trigger_point(element: Element) -> TriggerPoint:
    kind = text_of(child(element, "ConditionTypeCNF"))
    triggers = element.findall("SPT")
    if not triggers or len(triggers) > _TRIGGERS:
        raise _bad("TriggerPoint", f"1 to {_TRIGGERS} SPT elements are needed")
    return TriggerPoint(
        _truth(kind, "ConditionTypeCNF"), tuple(_trigger(trigger) for trigger in triggers)
    )


def _trigger(element: Element) -> Trigger:
    found = [(read, one) for one in element if (read := _CONDITIONS.get(str(one.tag)))]
    if len(found) != 1:
        raise _bad("SPT", "it must hold exactly one of " + ", ".join(_CONDITIONS))
    read, one = found[0]
    groups = [_number(group, "Group") for group in element.findall("Group")]
    negated = _truth(text_of(child(element, "ConditionNegated")) or "0", "ConditionNegated")
    return Trigger(read(one, child(element, "Extension")), negated, tuple(groups) or (0,))


def _method(element: Element, extension: Element | None) -> Condition:
    kinds = [] if extension is None else extension.findall("RegistrationType")
    types = (_member(RegistrationType, kind, "RegistrationType") for kind in kinds)
    return MethodIs(_text(element, "Method"), frozenset(types))


def _request_uri(element: Element, _extension: Element | None) -> Condition:
    text = _text(element, "RequestURI")
    # Provisioning systems write plain URIs here, in which "+" and "." mean themselves.
    if set(text).isdisjoint("^$*?[](){}|\\"):
        try:
            return RequestUriIs(parse_uri(text.encode()).aor)
        except BadMessage:
            pass
    return RequestUriIs("", _expression(text, "RequestURI"))


def _header(element: Element, _extension: Element | None) -> Condition:
    text = _text(child(element, "Header"), "Header")
    content = child(element, "Content")
    name: str | Expression
    try:
        name = canonical_name(text.encode()) if _is_name(text) else _expression(text, "Header")
    except BadMessage:
        name = _expression(text, "Header")
    return HeaderIs(name, None if content is None else _expression(text_of(content), "Content"))


def _session_case(element: Element, _extension: Element | None) -> Condition:
    return SessionCaseIs(_member(SptCase, element, "SessionCase"))


def _description(element: Element, _extension: Element | None) -> Condition:
    content = child(element, "Content")
    return SessionDescriptionIs(
        _expression(_text(child(element, "Line"), "Line"), "Line"),
        None if content is None else _expression(text_of(content), "Content"),
    )


_CONDITIONS: Final[dict[str, Callable[[Element, Element | None], Condition]]] = {
    "RequestURI": _request_uri,
    "Method": _method,
    "SIPHeader": _header,
    "SessionCase": _session_case,
    "SessionDescription": _description,
}


def _is_name(text: str) -> bool:
    """Say whether a text is a header name and no expression: most names have letters and "-"."""
    return text.replace("-", "").isalnum()


def _expression(text: str, where: str) -> Expression:
    try:
        return Expression(text)
    except BadExpression as error:
        raise _bad(where, f"{text!r} {error}") from None


def _text(element: Element | None, where: str) -> str:
    text = text_of(element)
    if not text:
        raise _bad(where, "it is missing or empty")
    return text


def _truth(text: str, where: str) -> bool:
    if text not in ("0", "1", "true", "false"):
        raise _bad(where, f"{text!r} is neither 0 nor 1")
    return text in ("1", "true")


def _number(element: Element | None, where: str) -> int:
    text = text_of(element)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _bad(where, f"{text!r} is no number")
    return int(text)


def _member(kind: type[_Kind], element: Element, where: str) -> _Kind:
    try:
        return kind(_number(element, where))
    except ValueError:
        raise _bad(where, f"{text_of(element)!r} means nothing") from None


def _bad(where: str, reason: str) -> ParseError:
    return ParseError(_WHERE, f"{_WHERE}: {where}: {reason}")
