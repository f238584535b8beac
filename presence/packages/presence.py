# SPDX-License-Identifier: Apache-2.0
"""The package `presence` (RFC 3856): published documents composed, and a view of them per rules.

What is composed or rendered is kept until it changes, so a PUBLISH costs one document per view and
each of its watchers a NOTIFY head.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, Protocol

from sip.errors import ParseError

from ..documents import filters, partial, pidf
from ..documents.compose import Facts, compose
from ..documents.filters import Filter
from ..documents.pidf import Document
from ..event.package import Body, Decision, Refused, Standing, entity_tag
from ..event.subscription import Subscription
from ..patch.errors import ERROR_TYPE, PatchError
from ..rules import EVERYTHING, Transformations, apply
from .negotiate import Wishes, choose_type, take_filters

if TYPE_CHECKING:
    from ..event.notifier import Notifier
    from ..publication.compositor import Compositor

__all__ = ["Authority", "PresencePackage"]

_OWN: Final = Decision(Standing.ALLOW, EVERYTHING, "own presence")
_STATES: Final = 4_096  # presentities whose document is kept between changes
_DIFFS: Final = 8  # differences of one view that are made
_VIEWS: Final = 64  # views of one presentity that are kept
_ALLOW: Final = Standing.ALLOW


class Authority(Protocol):
    """Decides by a presentity's rules and the habits of its domain."""

    def decide(self, resource: str, watcher: str, wall: float, sphere: str) -> Decision:
        """Decide what a watcher may see; `view` is a `Transformations`."""
        ...


def _no_hard_state(_resource: str) -> None:
    return None


class PresencePackage:
    """`presence.event.package.EventPackage` and `PublishedPackage` for presence.

    Args:
        known: tells whether an AoR is a user. facts: what the node knows of one. hard: gives the
            document that a user keeps for when no device publishes (RFC 4827).
    """

    key = "presence"
    name = "presence"

    def __init__(
        self,
        authority: Authority,
        known: Callable[[str], bool],
        facts: Callable[[str], Facts],
        expires: tuple[int, int, int] = (3_600, 60, 3_600),
        interval_s: float = 5.0,
        hard: Callable[[str], bytes | None] = _no_hard_state,
    ) -> None:
        self.lines: tuple[bytes, ...] = ()
        self.types: tuple[bytes, ...] = (pidf.MEDIA_TYPE, partial.MEDIA_TYPE)
        self.published: tuple[bytes, ...] = self.types
        self._known = known
        self._hard = hard
        self.expires_default, self.expires_min, self.expires_max = expires
        self.interval_s = interval_s
        self._authority = authority
        self._facts = facts
        self._states: dict[str, _State] = {}

    # ------------------------------------------------------------ subscriptions

    def joined(self, notifier: Notifier) -> None:
        """Learn who tells the watchers."""
        self._notifier = notifier

    def composed(self, compositor: Compositor) -> None:
        """Learn who keeps the publications."""
        self._compositor = compositor

    def admits(self, resource: str) -> bool:
        """Tell whether there is such a user."""
        return self._known(resource)

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Let users see themselves, and ask the rules about everybody else."""
        if watcher == resource:
            return _OWN
        return self._authority.decide(resource, watcher, wall, self._state(resource).sphere)

    def open(self, sub: Subscription, wall: float) -> None:
        """Choose pidf+xml or, where it is accepted, pidf-diff+xml (RFC 5263 3.1)."""
        accept = sub.terms.accept
        if partial.MEDIA_TYPE in accept:
            sub.kind = partial.MEDIA_TYPE
        else:
            sub.kind = choose_type(accept, (pidf.MEDIA_TYPE,))
        if sub.terms.content_type == filters.MEDIA_TYPE:
            before = sub.interest.wishes if isinstance(sub.interest, _Wanted) else Wishes()
            sub.interest = _Wanted(take_filters(sub, before))

    def close(self, sub: Subscription) -> None:
        """Nothing was taken."""

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return the watcher's view, whole or as what changed since the last one."""
        assert sub.decision is not None
        state = self._state(sub.resource)
        view = state.view(sub.decision, _filter_of(sub))
        if isinstance(sub.interest, _Wanted):
            sub.interest.seen = state.view(sub.decision).document
        if sub.kind != partial.MEDIA_TYPE:
            return view.body
        before = sub.memo if isinstance(sub.memo, Document) else None
        sub.memo = view.document
        sub.version = max(sub.version, 0) + 1
        return Body(partial.MEDIA_TYPE, view.partial(before, sub.version), view.body.etag)

    def view(
        self, resource: str, decision: Decision, wall: float, wanted: Filter | None = None
    ) -> Body | None:
        """Return the whole state as somebody with this decision and filter sees it."""
        return self._state(resource).view(decision, wanted).body

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of the watcher's view; the last one if its filter sees no news."""
        assert sub.decision is not None
        state, wanted = self._state(sub.resource), _filter_of(sub)
        if wanted is not None and wanted.triggers and isinstance(sub.interest, _Wanted):
            now = state.view(sub.decision).document
            if not wanted.triggered(sub.interest.seen, now):
                return sub.etag
        return state.view(sub.decision, wanted).body.etag

    # -------------------------------------------------------------- publications

    def parse(
        self, resource: str, content_type: bytes, body: bytes, before: object | None
    ) -> tuple[object, bytes, bytes]:
        """Read a document or a change to one (RFC 3903 6 step 5, RFC 5264 4.3)."""
        document = self._read(resource, content_type, body, before)
        others = self._compositor.parsed(self.key, resource)
        size = sum(one.size for one in others if isinstance(one, Document) and one is not before)
        if size + document.size > pidf.ELEMENTS:
            raise Refused(413, b"All devices together publish too many elements")
        if content_type == pidf.MEDIA_TYPE:
            return document, content_type, body
        return document, pidf.MEDIA_TYPE, pidf.serialise(document)

    def _read(
        self, resource: str, content_type: bytes, body: bytes, before: object | None
    ) -> Document:
        if content_type == pidf.MEDIA_TYPE:
            return pidf.parse_pidf(body, resource)
        if isinstance(before, Document):
            try:
                return partial.patch(before, body)
            except PatchError as error:
                why = (ERROR_TYPE, error.document())
                raise Refused(400, b"The patch does not apply", body=why) from error
            except ParseError:
                pass  # a whole one in partial clothes
        return pidf.parse_pidf(body, resource)

    def published_changed(self, resource: str, now: float) -> None:
        """Compose anew, and tell the watchers."""
        self.state_changed(resource, now)

    def state_changed(self, resource: str, now: float) -> None:
        """Take note that publications or facts have changed; a new sphere asks the rules anew."""
        old = self._states.pop(resource, None)
        if old is not None and old.sphere != self._state(resource).sphere:
            self._notifier.authorise_again(self.key, resource, now)
        self._notifier.changed(self.key, resource, now)

    def document(self, resource: str) -> Document:
        """Return the composed document of a presentity."""
        return self._state(resource).document

    def _hard_state(self, resource: str) -> Document | None:
        octets = self._hard(resource)
        try:
            return None if octets is None else pidf.parse_pidf(octets, resource)
        except ParseError:
            return None  # it was kept under other rules than those of today

    def _state(self, resource: str) -> _State:
        state = self._states.get(resource)
        if state is None:
            parsed = self._compositor.parsed(self.key, resource)
            documents = [one for one in parsed if isinstance(one, Document)]
            if (hard := self._hard_state(resource)) is not None:
                documents.insert(0, hard)
            composed = compose(documents, self._facts(resource), resource)
            while len(self._states) >= _STATES:
                del self._states[next(iter(self._states))]
            state = self._states[resource] = _State(resource, composed)
        return state


class _Wanted:
    """What the filters of a watcher are, and what it knows, before they were applied."""

    __slots__ = ("seen", "wishes")

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.seen: Document | None = None


def _filter_of(sub: Subscription) -> Filter | None:
    wanted = sub.interest
    if wanted is None or not isinstance(wanted, _Wanted):
        return None
    return wanted.wishes.filters.about(sub.resource, sub.resource)


class _State:
    """The composed document of one presentity and the views of it that somebody has."""

    __slots__ = ("_last", "_resource", "_shown", "_views", "document", "sphere")

    def __init__(self, resource: str, document: Document) -> None:
        # What was asked for last, and its view: watchers in a row mostly see the same.
        self._shown: Hashable = None
        self._last: _View | None = None
        self.document = document
        self.sphere = pidf.sphere_of(document)
        self._resource = resource
        self._views: dict[Hashable, _View] = {}

    def view(self, decision: Decision, wanted: Filter | None = None) -> _View:
        """Return what a decision lets see and a filter leaves of it, built at the first call."""
        shown = decision.view if decision.standing is _ALLOW else None
        if wanted is None and shown is self._shown and self._last is not None:
            return self._last
        view = self._views.get((shown, wanted))
        if view is None:
            if wanted is not None:
                document = filters.apply_filter(self.view(decision).document, wanted)
            elif isinstance(shown, Transformations):
                document = apply(self.document, shown)
            else:
                document = pidf.unavailable(self._resource)
            view = _View(document)
            # A filter of each watcher's own must not make a document of each watcher's own stay.
            if wanted is None or len(self._views) < _VIEWS:
                self._views[shown, wanted] = view
        if wanted is None:
            self._shown, self._last = shown, view
        return view


class _View:
    """One view: the document, its octets, and what changed in it since others."""

    __slots__ = ("_changes", "_full", "body", "document")

    def __init__(self, document: Document) -> None:
        content = pidf.serialise(document)
        self.document = document
        self.body = Body(pidf.MEDIA_TYPE, content, entity_tag(content))
        self._full: tuple[bytes, bytes] | None = None
        self._changes: dict[int, tuple[Document, tuple[bytes, bytes]]] = {}

    def partial(self, before: Document | None, version: int) -> bytes:
        """Return pidf-full, or pidf-diff against what a watcher has, under its own version."""
        head, tail = self._whole() if before is None else self._since(before)
        return b"%b%d%b" % (head, version, tail)

    def _whole(self) -> tuple[bytes, bytes]:
        if self._full is None:
            self._full = partial.full(self.document)
        return self._full

    def _since(self, before: Document) -> tuple[bytes, bytes]:
        known = self._changes.get(id(before))
        if known is None:
            if len(self._changes) >= _DIFFS:
                return self._whole()  # watchers of as many ages cost no more than this
            # The document is kept with it, so that its id stays its own.
            known = self._changes[id(before)] = (before, partial.diff(before, self.document))
        return known[1]
