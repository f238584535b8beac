# SPDX-License-Identifier: Apache-2.0
"""What an XCAP server answers and keeps, document by document (RFC 4825 8).

Pure: it is given the document as it is now, and says what becomes of it. Whoever calls keeps
documents, and sees to it that those of one name change one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from .conditions import Conditions
from .document import Document
from .editing import Edit, fetch, put_attribute, put_element, remove, verify_put
from .errors import Conflict, Refusal
from .fields import REPORTED, field_of
from .paths import Target, locate
from .places import Bounds
from .selector import Attribute, Namespaces
from .usage import GLOBAL, Claim, Usage

__all__ = ["METHODS", "Change", "Content", "Limits", "Server", "Stored"]

METHODS: Final = "GET, HEAD, PUT, DELETE"
# What may stand in a path or query as it is; what is encoded already stays so.
_WRITTEN: Final = "/%:@!$&'()*+,;=~^?"
_READ_ONLY: Final = "GET, HEAD"

_ALTERNATIVES: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets of a document, documents of a user, and what one document may hold."""

    document: int = 262_144
    documents: int = 100
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is kept. etag: without quotation marks. changed: epoch seconds."""

    etag: str
    octets: bytes
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Content:
    """What a GET gives."""

    media_type: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be kept before a PUT or DELETE is answered.

    octets: None for a document that goes. created: 201 instead of 200. claims: URIs that are the
    document's from now on.
    """

    octets: bytes | None
    created: bool = False
    claims: tuple[str, ...] = ()


class Server:
    """The application usages behind one XCAP root. root: its path, such as "/xcap"."""

    def __init__(self, usages: Iterable[Usage], root: str, limits: Limits) -> None:
        self.usages = {usage.auid: usage for usage in usages}
        self.root = root
        self.limits = limits

    def locate(self, path: bytes, query: bytes) -> Target:
        """Read what follows the root in a request target; see `paths.locate`."""
        return locate(self.root, path, query, self.usages)

    def locate_text(self, text: str) -> Target:
        """Read a target as people write it, with or without percent-encoding.

        Such as ``resource-lists/users/sip:alice@ims.test/index/~~/resource-lists/list[1]``.
        """
        path, _, query = text.partition("?")
        octets = quote(path.lstrip("/"), safe=_WRITTEN).encode()
        return self.locate(octets, quote(query, safe=_WRITTEN).encode())

    def get(self, target: Target, stored: Stored | None, conditions: Conditions) -> Content:
        """Answer a GET. Raises: Refusal: 304, 400, 404, 412."""
        if stored is None or target.missing:
            raise Refusal(404, "there is no such document")
        conditions.check(stored.etag, safe=True)
        if target.selector is None:
            return Content(target.media_type, stored.octets)
        # What was kept under wider bounds than now can still be read.
        document = Document(stored.octets, None)
        if isinstance(target.selector.terminal, Namespaces):
            element = document.find(target.selector)
            if element is not None:
                return Content(target.media_type, document.bindings(element))
        elif (node := fetch(document, target.selector)) is not None:
            return Content(target.media_type, node)
        raise Refusal(404, "the node selector selects nothing")

    def check_put(self, target: Target, media_type: str, size: int) -> None:
        """Refuse a PUT for what can be seen before the document is. Raises: Refusal."""
        self._check_method(target)
        if media_type != target.media_type:
            raise Refusal(415, f"the content has to be {target.media_type}")
        if size > self.limits.document:
            raise Refusal(413, f"documents have at most {self.limits.document} octets")
        names = target.usage.names
        if names and target.own.name not in names and not target.missing:
            raise Conflict("constraint-failure", f"the document is called {names[0]}")

    def put(
        self,
        target: Target,
        body: bytes,
        stored: Stored | None,
        conditions: Conditions,
        taken: Callable[[str], bool],
    ) -> Change:
        """Say what a PUT makes of a document; `check_put` came before.

        Args: taken: says whether another document, user or service has a URI.
        Raises: Refusal, Conflict.
        """
        if target.missing:
            raise Conflict("no-parent", "there is no such directory", ancestor=target.home)
        if target.selector is not None and stored is None:
            raise Conflict("no-parent", "there is no such document", ancestor=target.home)
        conditions.check(stored.etag if stored else "", safe=False)
        if target.selector is None or stored is None:
            changed = Document(body, self.limits.bounds)
            return self._checked(target, changed, stored is None, taken)
        edit = self._edit(target, stored, body)
        try:
            changed = Document(edit.octets, self.limits.bounds)
        except Conflict as conflict:
            if conflict.condition == "not-well-formed":
                raise Conflict("cannot-insert", conflict.reason) from None
            raise
        verify_put(changed, target.selector, edit)
        return self._checked(target, changed, edit.created, taken)

    def check_delete(self, target: Target) -> None:
        """Refuse a DELETE of what cannot be deleted. Raises: Refusal."""
        self._check_method(target)

    def delete(
        self,
        target: Target,
        stored: Stored | None,
        conditions: Conditions,
        taken: Callable[[str], bool],
    ) -> Change:
        """Say what a DELETE leaves; `check_delete` came before. Raises: Refusal, Conflict."""
        if stored is None or target.missing:
            conditions.check("", safe=False)
            raise Refusal(404, "there is no such document")
        conditions.check(stored.etag, safe=False)
        if target.selector is None:
            return Change(None)
        left = remove(Document(stored.octets, None), target.selector)
        if left is None:
            raise Refusal(404, "the node selector selects nothing")
        changed = Document(left, self.limits.bounds)
        if fetch(changed, target.selector) is not None:
            raise Conflict("cannot-delete", "the node selector would select another node then")
        return self._checked(target, changed, False, taken)

    def _edit(self, target: Target, stored: Stored, body: bytes) -> Edit:
        assert target.selector is not None
        document = Document(stored.octets, None)
        if isinstance(target.selector.terminal, Attribute):
            return put_attribute(document, target.selector, body, target.here)
        return put_element(document, target.selector, body, target.here, self.limits.bounds)

    def _check_method(self, target: Target) -> None:
        if target.selector is not None and isinstance(target.selector.terminal, Namespaces):
            raise Refusal(405, "name space bindings can only be read", [("Allow", "GET")])
        if target.usage.is_computed(target.own):
            raise Refusal(405, "the server makes this document", [("Allow", _READ_ONLY)])
        if target.own.owner != GLOBAL and not target.usage.in_home:
            raise Refusal(403, "users have no such documents")

    def _checked(
        self, target: Target, document: Document, created: bool, taken: Callable[[str], bool]
    ) -> Change:
        if len(document.octets) > self.limits.document:
            raise Refusal(413, f"documents have at most {self.limits.document} octets")
        target.usage.validate(document, target.own)
        claims = target.usage.claims(document.root, target.own)
        _check_claims(claims, target.usage.namespace, taken)
        return Change(document.octets, created, tuple(claim.uri for claim in claims))


def _check_claims(claims: Iterable[Claim], namespace: str, taken: Callable[[str], bool]) -> None:
    """Raise Conflict (uniqueness-failure) for what somebody has, with what could be had instead."""
    seen: set[str] = set()
    failures: list[tuple[str, tuple[str, ...]]] = []
    for claim in claims:
        if len(failures) < REPORTED and (claim.uri in seen or taken(claim.uri)):
            field = field_of(claim.element, claim.attribute, namespace)
            failures.append((field, _alternatives(claim.uri, seen, taken)))
        seen.add(claim.uri)
    if failures:
        raise Conflict("uniqueness-failure", "a URI is in use", exists=failures)


def _alternatives(uri: str, seen: set[str], taken: Callable[[str], bool]) -> tuple[str, ...]:
    user, at, host = uri.rpartition("@")
    free = (f"{user}-{number}{at}{host}" for number in range(2, 20))
    return tuple(one for one in free if at and one not in seen and not taken(one))[:_ALTERNATIVES]
