# SPDX-License-Identifier: Apache-2.0
"""The package `dialog`: calls of a user, as the user's softphones publish them (RFC 4235).

Who may follow a user's presence may see whether the user is on the phone; to others it looks as if
there were no calls.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Final

from lxml import etree

from sip.bodies.schema import validate
from sip.bodies.xml import Element, new_root, parse_xml, write_xml
from sip.errors import ParseError
from sip.uri import parse_uri

from ..event.package import Body, Decision, Standing, entity_tag
from ..event.subscription import Subscription
from .own import OwnPackage, Terrain

if TYPE_CHECKING:
    from ..publication.compositor import Compositor

__all__ = ["MEDIA_TYPE", "DialogPackage"]

MEDIA_TYPE: Final = b"application/dialog-info+xml"

_NAMESPACE: Final = "urn:ietf:params:xml:ns:dialog-info"
_WHERE: Final = "dialog-info"
_OWN: Final = Decision(Standing.ALLOW, None, "own calls")


class DialogPackage(OwnPackage):
    """`presence.event.package.EventPackage` and `PublishedPackage` for dialogs.

    Args: decide: what somebody may see of a user's presence, by (user, watcher, wall seconds).
    """

    published: tuple[bytes, ...] = (MEDIA_TYPE,)

    def __init__(self, decide: Callable[[str, str, float], Decision], terrain: Terrain) -> None:
        super().__init__("dialog", MEDIA_TYPE, terrain)
        self._decide = decide

    def composed(self, compositor: Compositor) -> None:
        """Learn who keeps the publications."""
        self._compositor = compositor

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Show calls to whom the user's presence is shown."""
        return _OWN if watcher == resource else self._decide(resource, watcher, wall)

    def parse(
        self, resource: str, content_type: bytes, body: bytes, before: object | None
    ) -> tuple[object, bytes, bytes]:
        """Read a document about the user's own dialogs, all of them. Raises: ParseError."""
        root = parse_xml(body, _WHERE)
        if root.tag != f"{{{_NAMESPACE}}}dialog-info":
            raise ParseError(_WHERE, "dialog-info has another root element")
        validate(root, _WHERE)
        if _user(root.get("entity", "")) != _user(resource):
            raise ParseError(_WHERE, "dialog-info is about another entity", 403)
        return root, content_type, body

    def published_changed(self, resource: str, now: float) -> None:
        """Tell the watchers."""
        self.notifier.changed(self.key, resource, now)

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return all dialogs under the watcher's own version."""
        assert sub.decision is not None
        sub.version += 1
        return self._body(sub.resource, sub.decision, sub.version)

    def view(self, resource: str, decision: Decision, kind: bytes, wall: float) -> Body | None:
        """Return all dialogs for somebody who counts no versions."""
        return self._body(resource, decision, 0)

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of what the watcher is shown, whatever its version."""
        assert sub.decision is not None
        return self._body(sub.resource, sub.decision, 0).etag

    def _body(self, resource: str, decision: Decision, version: int) -> Body:
        root = new_root(_NAMESPACE, "dialog-info")
        root.set("version", "0")
        root.set("state", "full")
        root.set("entity", resource)
        if decision.standing is Standing.ALLOW:
            _add_dialogs(root, self._compositor.parsed(self.key, resource))
        tag = entity_tag(etree.tostring(root))
        root.set("version", str(version))
        return Body(MEDIA_TYPE, write_xml(root), tag)


def _add_dialogs(root: Element, published: list[object]) -> None:
    """Append the dialogs of all softphones; an id that two of them use is told apart."""
    used: set[str] = set()
    for number, one in enumerate(published):
        if not isinstance(one, Element):
            continue
        for dialog in one.iterchildren(f"{{{_NAMESPACE}}}dialog"):
            copy = deepcopy(dialog)
            name = copy.get("id", "")
            if name in used:
                name = f"{name}-{number}"
                copy.set("id", name)
            used.add(name)
            copy.tail = None
            root.append(copy)


def _user(uri: str) -> str:
    try:
        return parse_uri(uri.strip().encode("utf-8", "replace")).aor
    except ParseError:
        return uri
