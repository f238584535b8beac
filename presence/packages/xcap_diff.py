# SPDX-License-Identifier: Apache-2.0
"""The event package xcap-diff: changes of XCAP documents and of nodes in them (RFC 5875, 5874).

Documents are told of by their entity tags alone, which every notifier may do whatever mode was
asked for ("no-patching", RFC 5875 4.7); elements and attributes come with their content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from xml.sax.saxutils import quoteattr

from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError

from ..event.package import Body, Decision, Refused, Standing, entity_tag
from ..event.subscription import Subscription
from ..xcap import GLOBAL, Document, Refusal, Server, Target
from ..xcap.selector import Attribute, Namespaces
from ..xcap.uris import canonical

if TYPE_CHECKING:
    from ..event.notifier import Notifier

__all__ = ["DiffDocuments", "XcapDiffPackage"]

_TYPE: Final = b"application/xcap-diff+xml"
_LISTS: Final = b"application/resource-lists+xml"
_URN: Final = "urn:ietf:params:xml:ns:xcap-diff"
_ENTRY: Final = "{urn:ietf:params:xml:ns:resource-lists}entry"
_SELECTIONS: Final = 100
_PARSED: Final = 8  # documents that are kept parsed between two looks
_CONTENT: Final = 48_000  # octets of nodes in one body; of what goes beyond only the existence
_OWN: Final = Decision(Standing.ALLOW, None, "documents that the watcher may read")
_NOBODY: Final = Decision(Standing.BLOCK, None, "no user of this node")


class DiffDocuments(Protocol):
    """The documents of a node; owners are AoRs, ``GLOBAL`` for the global tree."""

    server: Server

    @property
    def root(self) -> str:
        """URI of the XCAP root."""
        ...

    def get(self, auid: str, xui: str, path: str) -> bytes | None:
        """Return the octets of a document."""
        ...

    def etag(self, auid: str, xui: str, path: str) -> str | None:
        """Return the entity tag of a document."""
        ...

    def names(self, auid: str, xui: str) -> tuple[str, ...]:
        """Return the names of the documents of a user in a usage."""
        ...


@dataclass(frozen=True, slots=True)
class Collection:
    """All documents of a usage that an owner has."""

    auid: str
    owner: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a subscription follows. targets: by the URI as it was written."""

    targets: Mapping[str, Target]
    collections: tuple[Collection, ...]

    def owners(self) -> set[str]:
        """Return whose documents are followed."""
        found = {target.own.owner for target in self.targets.values()}
        return found | {one.owner for one in self.collections}


@dataclass(frozen=True, slots=True)
class Node:
    """An element or attribute. scope: name spaces of an element, as declarations."""

    content: bytes
    scope: str = ""
    attribute: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a watcher knows: entity tags of documents and content of nodes, by selector."""

    documents: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)


class XcapDiffPackage:
    """`presence.event.package.EventPackage` of XCAP documents.

    is_user: says who has documents here, and may follow them.
    """

    key = "xcap-diff"
    name = "xcap-diff"
    lines: tuple[bytes, ...] = ()
    types: tuple[bytes, ...] = (_TYPE,)
    expires_default = 3600
    expires_min = 60
    expires_max = 3600

    def __init__(
        self, documents: DiffDocuments, is_user: Callable[[str], bool], interval_s: float = 5.0
    ) -> None:
        self.interval_s = interval_s
        self._documents = documents
        self._is_user = is_user
        self._followers: dict[str, dict[int, Subscription]] = {}
        self._parsed: dict[tuple[str, str, str], tuple[str, Document]] = {}

    # ----------------------------------------------------------- the framework

    def joined(self, notifier: Notifier) -> None:
        """Learn who tells the watchers."""
        self._notifier = notifier

    def admits(self, resource: str) -> bool:
        """Take any address of the node: what is followed stands in the body."""
        return bool(resource)

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Let every user follow what that user may read; `open` chooses."""
        return _OWN if self._is_user(watcher) else _NOBODY

    def open(self, sub: Subscription, wall: float) -> None:
        """Read the list of URIs (RFC 5875 4.4)."""
        self.close(sub)
        if sub.terms.content_type != _LISTS:
            raise Refused(415, None, (b"Accept: " + _LISTS,))
        try:
            root = parse_xml(sub.terms.body, "xcap-diff")
            validate(root, "xcap-diff")
        except ParseError as error:
            raise Refused(error.status_hint, error.reason.encode("ascii", "replace")) from None
        written = [element.get("uri", "") for element in root.iter(_ENTRY)]
        if len(written) > _SELECTIONS:
            raise Refused(413, b"Too many documents in the list")
        sub.interest = selection = self._selection(written, sub.watcher)
        for owner in selection.owners():
            self._followers.setdefault(owner, {})[sub.number] = sub

    def close(self, sub: Subscription) -> None:
        """Follow nothing for it any more."""
        if isinstance(sub.interest, Selection):
            for owner in sub.interest.owners():
                followers = self._followers.get(owner, {})
                followers.pop(sub.number, None)
                if not followers:
                    self._followers.pop(owner, None)
        sub.interest = None

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Tell all, or what changed since it was told last."""
        now = self._seen(sub)
        before = sub.memo if isinstance(sub.memo, Seen) else None
        sub.memo = now
        if before == now:
            return None
        content = _write(self._documents.root, before or Seen(), now)
        return Body(_TYPE, content, self.etag(sub, wall))

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of all that is followed; the order of its URIs does not count."""
        seen = self._seen(sub)
        nodes = [(sel, node.content) for sel, node in sorted(seen.nodes.items(), key=_selector)]
        return entity_tag(repr((sorted(seen.documents.items()), nodes)).encode())

    # ------------------------------------------------------------- the documents

    def document_changed(
        self, auid: str, xui: str, path: str, old: str | None, new: str | None, now: float
    ) -> None:
        """Tell who follows a document that changed, unless nothing they follow did."""
        self._notifier.touch_all(list(self._followers.get(xui, {}).values()), now)

    def _selection(self, written: list[str], watcher: str) -> Selection:
        """Choose what a watcher may read; all else is as if it did not exist (RFC 5875 4.7)."""
        targets: dict[str, Target] = {}
        collections: dict[Collection, None] = {}
        for uri in written:
            path = self._relative(uri)
            if path.endswith("/"):
                collections.update(dict.fromkeys(self._collections(path, watcher)))
                continue
            try:
                target = self._documents.server.locate_text(path)
            except Refusal:
                continue
            owner = target.own.owner
            readable = owner == watcher or (owner == GLOBAL and target.usage.globally_read)
            if readable and not target.missing and not _is_bindings(target):
                targets[uri] = target
        return Selection(targets, tuple(collections))

    def _relative(self, uri: str) -> str:
        """Return a URI below the XCAP root, however it was written."""
        for root in (self._documents.root, self._documents.server.root):
            if uri.startswith(f"{root}/"):
                return uri[len(root) + 1 :]
        return uri

    def _collections(self, path: str, watcher: str) -> Iterator[Collection]:
        auid, *rest = path.rstrip("/").split("/")
        if auid not in self._documents.server.usages:
            return
        if rest[:1] in ([], ["global"]) and len(rest) < 2:
            yield Collection(auid, GLOBAL)
        if rest in ([], ["users"]) or (
            len(rest) == 2 and rest[0] == "users" and canonical(rest[1]) == watcher
        ):
            yield Collection(auid, watcher)

    def _seen(self, sub: Subscription) -> Seen:
        """Return what a subscription follows as it is now."""
        selection = sub.interest
        seen = Seen()
        if not isinstance(selection, Selection):
            return seen
        told: set[tuple[str, str, str]] = set()
        for uri, target in selection.targets.items():
            owner, auid, name = target.key
            if target.selector is None:
                told.add(target.key)
                if etag := self._documents.etag(auid, owner, name):
                    seen.documents[uri] = etag
            elif (node := self._node(target)) is not None:
                seen.nodes[uri] = node
        for one in selection.collections:
            for name in self._documents.names(one.auid, one.owner):
                etag = self._documents.etag(one.auid, one.owner, name)
                if etag and (one.owner, one.auid, name) not in told:
                    tree = f"users/{one.owner}" if one.owner else "global"
                    seen.documents[f"{one.auid}/{tree}/{name}"] = etag
        return seen

    def _document(self, key: tuple[str, str, str]) -> Document | None:
        """Return a document, parsed once for all who follow it."""
        owner, auid, name = key
        etag = self._documents.etag(auid, owner, name)
        known = self._parsed.get(key)
        if known is not None and known[0] == etag:
            return known[1]
        octets = self._documents.get(auid, owner, name) if etag else None
        self._parsed.pop(key, None)
        if octets is None or not etag:
            return None
        while len(self._parsed) >= _PARSED:
            del self._parsed[next(iter(self._parsed))]
        self._parsed[key] = etag, Document(octets, None)
        return self._parsed[key][1]

    def _node(self, target: Target) -> Node | None:
        assert target.selector is not None
        document = self._document(target.key)
        element = None if document is None else document.find(target.selector)
        if document is None or element is None:
            return None
        if isinstance(target.selector.terminal, Attribute):
            found = document.attribute(element, target.selector.terminal.name)
            if found is None:
                return None
            value = document.octets[found[1] + 1 : found[2] - 1]
            return Node(value.replace(b">", b"&gt;"), attribute=True)
        return Node(document.text(element), document.scope(element))


def _selector(item: tuple[str, Node]) -> str:
    return item[0]


def _is_bindings(target: Target) -> bool:
    return target.selector is not None and isinstance(target.selector.terminal, Namespaces)


def _write(root: str, before: Seen, now: Seen) -> bytes:
    """Write what of two states differs (RFC 5874 4)."""
    prefix = _free_prefix(now)
    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{prefix}:xcap-diff xmlns:{prefix}="{_URN}"'
        f" xcap-root={quoteattr(root + '/')}>\n".encode()
    ]
    for sel in dict.fromkeys((*now.documents, *before.documents)):
        old, new = before.documents.get(sel), now.documents.get(sel)
        if old != new:
            tags = f" new-etag={quoteattr(new)}" if new else ""
            tags += f" previous-etag={quoteattr(old)}" if old else ""
            parts.append(f"<{prefix}:document sel={quoteattr(sel)}{tags}/>\n".encode())
    left = _CONTENT
    for sel in dict.fromkeys((*now.nodes, *before.nodes)):
        node = now.nodes.get(sel)
        if node != before.nodes.get(sel):
            left -= 0 if node is None else len(node.content)
            parts.append(_write_node(prefix, sel, node, before.nodes.get(sel), left >= 0))
    parts.append(f"</{prefix}:xcap-diff>\n".encode())
    return b"".join(parts)


def _write_node(
    prefix: str, sel: str, node: Node | None, before: Node | None, whole: bool
) -> bytes:
    attribute = (node or before or Node(b"")).attribute
    name = f"{prefix}:{'attribute' if attribute else 'element'}"
    head = f"<{name} sel={quoteattr(sel)}"
    if node is None:
        return f'{head} exists="0"/>\n'.encode()
    if not whole:
        return f"{head}/>\n".encode()
    # The octets of the document, with the bindings that hold where they stand.
    return f"{head}{node.scope}>".encode() + node.content + f"</{name}>\n".encode()


def _free_prefix(seen: Seen) -> str:
    """Return a prefix that no node uses, so that none of them means something else here."""
    scopes = "".join(node.scope for node in seen.nodes.values())
    number = 0
    while f" xmlns:d{number or ''}=" in scopes:
        number += 1
    return f"d{number or ''}"
