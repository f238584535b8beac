# SPDX-License-Identifier: Apache-2.0
"""Initial filter criteria: which application server is asked about which request.

Values and their evaluation; `criteria_xml` reads them. Everything here is decided by what is
handed in, nothing is looked up.

Spec: TS 29.228 annexes B, E and F; TS 23.218 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from sip.message import Request

from .ere import Expression

__all__ = [
    "ApplicationServer",
    "Condition",
    "DefaultHandling",
    "FilterCriteria",
    "HeaderIs",
    "MethodIs",
    "Occasion",
    "ProfilePart",
    "RegistrationType",
    "RequestUriIs",
    "ServiceProfile",
    "SessionCaseIs",
    "SessionDescriptionIs",
    "SptCase",
    "TriggerPoint",
]


class DefaultHandling(IntEnum):
    """What becomes of a request whose application server does not answer."""

    SESSION_CONTINUED = 0
    SESSION_TERMINATED = 1


class ProfilePart(IntEnum):
    """The state of the served user in which a criterion counts."""

    REGISTERED = 0
    UNREGISTERED = 1


class SptCase(IntEnum):
    """Session cases as criteria number them."""

    ORIGINATING_REGISTERED = 0
    TERMINATING_REGISTERED = 1
    TERMINATING_UNREGISTERED = 2
    ORIGINATING_UNREGISTERED = 3
    ORIGINATING_CDIV = 4

    @property
    def registered(self) -> bool:
        """True where the served user is registered."""
        return self not in (SptCase.TERMINATING_UNREGISTERED, SptCase.ORIGINATING_UNREGISTERED)


class RegistrationType(IntEnum):
    """Which kind of REGISTER one is."""

    INITIAL_REGISTRATION = 0
    RE_REGISTRATION = 1
    DE_REGISTRATION = 2


@dataclass(frozen=True, slots=True)
class Occasion:
    """One request in one session case. registration: of a REGISTER, what it does."""

    request: Request
    case: SptCase
    registration: RegistrationType | None = None


class Condition(Protocol):
    """What a service point trigger asks of a request."""

    def holds(self, occasion: Occasion) -> bool: ...


@dataclass(frozen=True, slots=True)
class RequestUriIs:
    """The Request-URI names this user, or fits the expression where there is one."""

    aor: str
    expression: Expression | None = None

    def holds(self, occasion: Occasion) -> bool:
        if self.expression is not None:
            return self.expression.found_in(occasion.request.uri)
        return occasion.request.ruri().aor == self.aor


@dataclass(frozen=True, slots=True)
class MethodIs:
    """The method; types: kinds of REGISTER, all of them when there are none."""

    method: str
    types: frozenset[RegistrationType] = frozenset()

    def holds(self, occasion: Occasion) -> bool:
        if occasion.request.method != self.method:
            return False
        return not self.types or occasion.registration in self.types


@dataclass(frozen=True, slots=True)
class HeaderIs:
    """A header is there, and one of its values fits. header: a canonical name or an expression."""

    header: str | Expression
    content: Expression | None = None

    def holds(self, occasion: Occasion) -> bool:
        request = occasion.request
        names = {self.header} if isinstance(self.header, str) else self._names(request)
        if self.content is None:
            return any(request.has(name) for name in names)
        found = self.content.found_in
        return any(found(value) for name in names for value in request.get_all(name))

    def _names(self, request: Request) -> set[str]:
        assert isinstance(self.header, Expression)
        return {name for name in request.names if self.header.found_in(name.encode())}


@dataclass(frozen=True, slots=True)
class SessionCaseIs:
    """The session case."""

    case: SptCase

    def holds(self, occasion: Occasion) -> bool:
        return occasion.case is self.case


@dataclass(frozen=True, slots=True)
class SessionDescriptionIs:
    """A line of the session description, by the expression for what stands before "=", fits."""

    line: Expression
    content: Expression | None = None

    def holds(self, occasion: Occasion) -> bool:
        request = occasion.request
        if not (request.get("content-type") or b"").lower().startswith(b"application/sdp"):
            return False
        for text in request.body.replace(b"\r\n", b"\n").split(b"\n"):
            kind, equals, content = text.partition(b"=")
            fits = equals and self.line.found_in(kind)
            if fits and (self.content is None or self.content.found_in(content)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Trigger:
    """A service point trigger: a condition, or that it does not hold, in its groups."""

    condition: Condition
    negated: bool
    groups: tuple[int, ...]

    def holds(self, occasion: Occasion) -> bool:
        return self.condition.holds(occasion) is not self.negated


@dataclass(frozen=True, slots=True)
class TriggerPoint:
    """Triggers in groups. conjunctive: every group must have one that holds (CNF); else there must
    be one group of which all hold (DNF)."""

    conjunctive: bool
    triggers: tuple[Trigger, ...]

    def holds(self, occasion: Occasion) -> bool:
        groups: dict[int, list[Trigger]] = {}
        for trigger in self.triggers:
            for group in trigger.groups:
                groups.setdefault(group, []).append(trigger)
        each, all_groups = (any, all) if self.conjunctive else (all, any)
        return all_groups(
            each(trigger.holds(occasion) for trigger in group) for group in groups.values()
        )


@dataclass(frozen=True, slots=True)
class ApplicationServer:
    """Who is asked. info: for the server, in third-party REGISTERs. with_request, with_response:
    these carry the user's REGISTER and its answer."""

    uri: bytes
    handling: DefaultHandling = DefaultHandling.SESSION_CONTINUED
    info: str = ""
    with_request: bool = False
    with_response: bool = False


@dataclass(frozen=True, slots=True)
class FilterCriteria:
    """One criterion. trigger: None for any request. part: None in either state."""

    priority: int
    server: ApplicationServer
    trigger: TriggerPoint | None = None
    part: ProfilePart | None = None

    def holds(self, occasion: Occasion) -> bool:
        """Say whether the server is to be asked."""
        if self.part is not None:
            wanted = self.part is ProfilePart.REGISTERED
            if occasion.case.registered is not wanted:
                return False
        return self.trigger is None or self.trigger.holds(occasion)


@dataclass(frozen=True, slots=True)
class ServiceProfile:
    """The services of the public identities it names, by rising number of priority."""

    identities: tuple[str, ...]
    criteria: tuple[FilterCriteria, ...]

    def after(self, last: int, occasion: Occasion) -> FilterCriteria | None:
        """Return the next server to ask about a request. last: priority asked last, -1 at first."""
        for criterion in self.criteria:
            if criterion.priority > last and criterion.holds(occasion):
                return criterion
        return None

    def all_for(self, occasion: Occasion) -> Sequence[FilterCriteria]:
        """Return all servers that want to know, as of a registration."""
        return [criterion for criterion in self.criteria if criterion.holds(occasion)]
