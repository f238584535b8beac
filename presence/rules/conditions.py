# SPDX-License-Identifier: Apache-2.0
"""When a rule applies: the conditions of RFC 4745 section 7 and those that OMA adds.

A condition answers with "" when it holds, else with why it does not, for the operator who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from sip.errors import ParseError
from sip.uri import parse_uri

__all__ = [
    "Anonymous",
    "Circumstances",
    "Condition",
    "ExternalList",
    "Identity",
    "Many",
    "OtherIdentity",
    "Sphere",
    "Unknown",
    "Validity",
    "canonical",
    "domain_of",
    "service_uri",
]


def no_lists(anchor: str, watcher: str) -> bool:
    """Answer for lists that cannot be looked up: nobody is on them."""
    return False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What conditions are asked about.

    watcher: canonical AoR, "" for one without identity. wall: seconds since the epoch. sphere: of
    the presentity, "" when unknown. on_list: tells whether the resource list at a URI names the
    watcher. named: whether another rule names the watcher.
    """

    watcher: str
    wall: float
    sphere: str = ""
    on_list: Callable[[str, str], bool] = no_lists
    named: bool = False


class Condition(Protocol):
    """One condition of a rule."""

    def refusal(self, about: Circumstances) -> str:
        """Return why the condition does not hold; "" when it does."""
        ...


@dataclass(frozen=True, slots=True)
class Many:
    """<many>: every watcher with an identity, of one domain or of all, but for exceptions."""

    domain: str = ""
    except_ids: frozenset[str] = frozenset()
    except_domains: frozenset[str] = frozenset()

    def matches(self, watcher: str) -> bool:
        """Tell whether the watcher is one of the many."""
        domain = domain_of(watcher)
        return (
            (not self.domain or domain == self.domain)
            and watcher not in self.except_ids
            and domain not in self.except_domains
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """<identity>: one of these, or of many; somebody without identity never matches."""

    ones: frozenset[str]
    many: tuple[Many, ...] = ()

    def refusal(self, about: Circumstances) -> str:
        """Return why the watcher is not meant."""
        if about.watcher and (
            about.watcher in self.ones or any(one.matches(about.watcher) for one in self.many)
        ):
            return ""
        return "is for other watchers"


@dataclass(frozen=True, slots=True)
class Sphere:
    """<sphere>: the presentity is in one of these."""

    values: frozenset[str]

    def refusal(self, about: Circumstances) -> str:
        """Return why the sphere is not the one."""
        if about.sphere and about.sphere in self.values:
            return ""
        return f"is for sphere {' or '.join(sorted(self.values))}"


@dataclass(frozen=True, slots=True)
class Validity:
    """<validity>: now lies in one of these intervals of wall seconds, their ends left out."""

    intervals: tuple[tuple[float, float], ...]

    def refusal(self, about: Circumstances) -> str:
        """Return why this is not the time."""
        if any(begin <= about.wall < end for begin, end in self.intervals):
            return ""
        return "is not valid now"

    def next_change(self, wall: float) -> float:
        """Return the next moment that may bring another answer; inf when there is none."""
        return min((one for pair in self.intervals for one in pair if one > wall), default=inf)


@dataclass(frozen=True, slots=True)
class ExternalList:
    """OMA <external-list>: the watcher is on one of the lists at these URIs."""

    anchors: tuple[str, ...]

    def refusal(self, about: Circumstances) -> str:
        """Return why the watcher is not meant."""
        if about.watcher and any(about.on_list(one, about.watcher) for one in self.anchors):
            return ""
        return "is for watchers of a list"


@dataclass(frozen=True, slots=True)
class OtherIdentity:
    """OMA <other-identity>: watchers with an identity that no other rule names."""

    def refusal(self, about: Circumstances) -> str:
        """Return why the watcher is not meant."""
        if about.watcher and not about.named:
            return ""
        return "is for watchers that no other rule names"


@dataclass(frozen=True, slots=True)
class Anonymous:
    """OMA <anonymous-request>: watchers without identity."""

    def refusal(self, about: Circumstances) -> str:
        """Return why the watcher is not meant."""
        return "is for anonymous watchers" if about.watcher else ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A condition nobody here knows: it never holds, so nothing is shown by mistake."""

    name: str

    def refusal(self, about: Circumstances) -> str:
        """Return that the condition is unknown."""
        return f"has a condition that is not known: {self.name}"


def canonical(uri: str) -> str:
    """Return what equal URIs have in common (RFC 5025 3.1.1.2): the AoR of SIP and tel URIs."""
    uri = uri.strip()
    try:
        return parse_uri(uri.encode("ascii")).aor
    except (ParseError, UnicodeEncodeError):
        return uri


def service_uri(uri: str) -> str:
    """Return what equal URIs of services have in common: also port and parameters count."""
    uri = uri.strip()
    try:
        parsed = parse_uri(uri.encode("ascii"))
    except (ParseError, UnicodeEncodeError):
        return uri
    if not parsed.is_sip:
        return parsed.aor
    params = [f"{name}={(value or b'').lower()!r}" for name, value in parsed.params.items()]
    return ";".join([f"{parsed.aor}:{parsed.port or ''}", *sorted(params)])


def domain_of(uri: str) -> str:
    """Return the domain of a canonical URI, lower-case; "" when it has none."""
    return uri.partition("@")[2].lower()
