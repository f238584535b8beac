# SPDX-License-Identifier: Apache-2.0
"""Application usages: what RFC 4825 5 lets each application say about its documents.

A usage is a record in a file of its own in `presence.xcap.usages`, which is all it takes to add
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element
from sip.errors import ParseError

from .document import Document
from .errors import Conflict
from .known import refuse_unknown

__all__ = ["GLOBAL", "Claim", "Entry", "Library", "Own", "Usage"]

#: Stands for the owner of documents in the global tree.
GLOBAL: Final = ""


@dataclass(frozen=True, slots=True)
class Own:
    """Whose document is checked, and under which name. owner: an AoR or ``GLOBAL``."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A URI that a document takes for itself, for which no other may exist (RFC 4826 4.4.5).

    element, attribute: where it stands.
    """

    uri: str
    element: Element
    attribute: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One document in a directory. changed: epoch seconds."""

    auid: str
    name: str
    etag: str
    size: int
    changed: float


class Library(Protocol):
    """What a computed document may look at; its methods block."""

    @property
    def root(self) -> str:
        """URI of the XCAP root."""
        ...

    def usages(self) -> Iterable[Usage]:
        """Give every usage of the server."""
        ...

    def documents(self, auid: str, name: str) -> Iterable[tuple[str, bytes]]:
        """Give the documents of that name of all users, with their owners, by owner."""
        ...

    def directory(self, owner: str) -> Iterable[Entry]:
        """Give what a user has, by usage and name."""
        ...


def _no_check(_root: Element, _own: Own) -> None:
    """Most documents have no constraints beyond their schema."""


def _no_claims(_root: Element, _own: Own) -> Sequence[Claim]:
    return ()


def _not_computed(_own: Own, _library: Library) -> bytes:
    raise AssertionError("a usage that names computed documents makes them")


@dataclass(frozen=True, slots=True)
class Usage:
    """One application usage.

    Args:
        namespace: default document name space. media_type: of its documents. root: expanded name
            of their root element.
        names: of the documents a user may have; none for any. in_home: users may have some.
        check: raises Conflict for what the schema cannot say.
        claims: URIs that have to be unique on the server.
        computed: gives the content of a document that the server makes; called off the loop.
        computed_names, computed_globally: such documents in the home directories and in the global
            tree; nobody can write them.
        globally_read: users may read what is in the global tree.
        understood: name spaces of its documents beside ``namespace``, for xcap-caps.
    """

    auid: str
    namespace: str
    media_type: str
    root: str
    names: tuple[str, ...] = ()
    in_home: bool = True
    check: Callable[[Element, Own], None] = _no_check
    claims: Callable[[Element, Own], Sequence[Claim]] = _no_claims
    computed: Callable[[Own, Library], bytes] = _not_computed
    computed_names: tuple[str, ...] = ()
    computed_globally: tuple[str, ...] = ()
    globally_read: bool = True
    understood: tuple[str, ...] = ()

    @property
    def claims_uris(self) -> bool:
        """True when its documents may claim URIs, so that they depend on each other."""
        return self.claims is not _no_claims

    def is_computed(self, own: Own) -> bool:
        """Say whether the server makes a document."""
        names = self.computed_globally if own.owner == GLOBAL else self.computed_names
        return own.name in names

    def validate(self, document: Document, own: Own) -> None:
        """Check a document by its schema and the constraints of the usage (RFC 4825 8.2.5).

        Raises: Conflict.
        """
        root = document.root
        if root.tag != self.root:
            local = etree.QName(self.root).localname
            raise Conflict("schema-validation-error", f"the root element is not {local}")
        try:
            validate(root, self.auid)
        except ParseError as error:
            raise Conflict("schema-validation-error", error.reason) from None
        refuse_unknown(root, frozenset((self.namespace, *self.understood)))
        self.check(root, own)
