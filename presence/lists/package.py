# SPDX-License-Identifier: Apache-2.0
"""The event package of a list: subscriptions to it stand for subscriptions to all its members.

Members that this node serves are watched where they are; for each the list asks what its watcher
may see, as if the watcher had subscribed to it alone. Members of other servers are followed by the
back end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from sip.bodies.resource_lists import MEDIA_TYPE as RECIPIENTS
from sip.bodies.resource_lists import parse_recipients
from sip.errors import ParseError

from ..documents.filters import MEDIA_TYPE as FILTERS
from ..documents.filters import Filter
from ..event.package import Body, Decision, EventPackage, Refused, Standing, entity_tag
from ..event.states import WatcherEvent, WatcherState, next_state
from ..event.subscription import NOW, Subscription
from ..packages.negotiate import Wishes, take_filters
from ..uris import canonical
from .members import ListLimits, Member, members_of
from .ports import Backend, ListDocuments, State
from .rlmi import MULTIPART, build_list

if TYPE_CHECKING:
    from ..event.notifier import Notifier

__all__ = ["EVENTLIST", "ListPackage", "MemberPackage"]

#: Header line of everything that concerns a list (RFC 4662 4.1).
EVENTLIST: Final = b"Require: eventlist"

_MINE: Final = Decision(Standing.ALLOW, None, "own list")
_ASKED: Final = Decision(Standing.ALLOW, None, "list of the request")
_OTHERS: Final = Decision(Standing.BLOCK, None, "list of somebody else")

_PENDING: Final = State("pending")
_REJECTED: Final = State("terminated", "rejected")

# Octets of one NOTIFY: what fits a datagram, and what a connection may have queued. States beyond
# that follow in the next one.
_DATAGRAM: Final = 60_000
_STREAM: Final = 900_000
# What a member takes beside its URI and name, and its state beside its content.
_ENTRY: Final = 50
_PART: Final = 250
# For how long the states of members are looked up before others get their turn.
_SLICE_S: Final = 0.04


def _read_one_by_one(_resources: list[str]) -> None:
    return


class MemberPackage(EventPackage, Protocol):
    """An event package whose resources can be members of lists."""

    def view(
        self, resource: str, decision: Decision, wall: float, wanted: Filter | None = None
    ) -> Body | None:
        """Return the whole state of a resource for this decision and filter."""
        ...


class ListPackage:
    """`presence.event.package.EventPackage` for lists of resources of another package.

    Args:
        is_local: tells whether this node serves a URI. backend: for members that it does not.
        expect: is told whose states are asked for next, so that they are read at once.
    """

    notifier: Notifier  # set by `joined`
    types: tuple[bytes, ...] = (MULTIPART,)
    lines: tuple[bytes, ...] = (EVENTLIST,)

    def __init__(
        self,
        inner: MemberPackage,
        documents: ListDocuments,
        is_local: Callable[[str], bool],
        backend: Backend,
        limits: ListLimits,
        expect: Callable[[list[str]], None] = _read_one_by_one,
    ) -> None:
        self.inner = inner
        self.key = f"{inner.key}+list"
        self.name = inner.name
        self.expires_default = inner.expires_default
        self.expires_min = inner.expires_min
        self.expires_max = inner.expires_max
        self.interval_s = inner.interval_s
        self.is_local = is_local
        self.backend = backend
        self.expect = expect
        self._documents = documents
        self.limits = limits
        self._open: dict[str, dict[int, Subscription]] = {}  # by watcher and number

    def joined(self, notifier: Notifier) -> None:
        """Learn who tells the watchers."""
        self.notifier = notifier

    def admits(self, resource: str) -> bool:
        """Take every resource: that it is a list was found before the package was chosen."""
        return True

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        """Let users follow their own lists, and lists that they bring along."""
        service = self._documents.service(resource)
        if not watcher or (service is not None and service.owner != watcher):
            return _OTHERS
        return _ASKED if service is None else _MINE

    def open(self, sub: Subscription, wall: float) -> None:
        """Find the members and follow them."""
        before = sub.interest if isinstance(sub.interest, _Interest) else None
        self._refuse_other_list(sub, before)
        members = self._members(sub)
        self._check_room(sub, len(members))
        interest = _Interest(self, sub, members)
        if before is not None:
            interest.wishes = before.wishes
        if sub.terms.content_type == FILTERS:
            interest.wishes = take_filters(sub, interest.wishes)
        self.close(sub)
        sub.kind = MULTIPART
        sub.memo = None
        interest.brought = sub.terms.body
        sub.interest = interest
        self._open.setdefault(sub.watcher, {})[sub.number] = sub
        self.expect([one for one in interest.members if self.is_local(one)])
        interest.follow()

    def _refuse_other_list(self, sub: Subscription, before: _Interest | None) -> None:
        """Refuse a list in a SUBSCRIBE that is not the first (RFC 5367 5.1). Raises: Refused."""
        terms = sub.terms
        brings = terms.content_type == RECIPIENTS and before is not None
        if brings and before is not None and terms.body is not before.brought:
            raise Refused(415, b"The list of a subscription stays")

    def _check_room(self, sub: Subscription, count: int) -> None:
        """Refuse what makes one watcher follow too many. Raises: Refused."""
        for one in self._open.get(sub.watcher, {}).values():
            if one is not sub and isinstance(one.interest, _Interest):
                count += len(one.interest.members)
        if count > self.limits.followed:
            raise Refused(403, b"All lists together have too many members")

    def close(self, sub: Subscription) -> None:
        """Let go of the members; the last NOTIFY may still show them."""
        subs = self._open.get(sub.watcher, {})
        if subs.pop(sub.number, None) is None:
            return
        if not subs:
            del self._open[sub.watcher]
        assert isinstance(sub.interest, _Interest)
        if next_state(WatcherState.PENDING, sub.event) is WatcherState.WAITING:
            sub.interest.wait()
        sub.interest.leave()

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return all members, or those whose state is another than was sent last."""
        interest = sub.interest
        assert isinstance(interest, _Interest)
        full = sub.memo is None
        members = interest.start() if full else interest.take_changed()
        shown: list[tuple[Member, State | None]] = []
        room = _STREAM if sub.flow is not None and sub.flow.reliable else _DATAGRAM
        if full:
            room -= sum([_ENTRY + len(one.uri) + len(one.name) for one in members])
        clock = self.notifier.clock
        begun = clock.now()
        for member in members:
            late = bool(shown) and clock.now() - begun > _SLICE_S
            state = None if late else self.state(member, sub, wall)
            token = _token(state)
            if not late and not full and interest.sent[member.key] == token:
                continue
            if state is not None and state.content:
                room -= _PART + len(state.content)
                late = room < 0 and (full or bool(shown))
            if late:
                interest.later(member)
                if not full:
                    continue
                state, token = None, ""  # nothing is known of it so far (RFC 4662 5.3)
            interest.sent[member.key] = token
            shown.append((member, state))
        if interest.changed_members:
            sub.due |= NOW
        interest.ask_again(wall)
        sub.memo = interest
        sub.version += 1
        unique = f"{sub.version}.{sub.number}@{sub.resource.rpartition('@')[2] or 'list'}"
        kind, content = build_list(sub.resource, sub.version, full, shown, unique)
        return Body(kind, content, _tag(interest.sent.values()))

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of the states of all members."""
        interest = sub.interest
        assert isinstance(interest, _Interest)
        if sub.memo is None:
            return _tag(_token(self.state(one, sub, wall)) for one in interest.members.values())
        # Who has no news is as it was told.
        tokens = dict(interest.sent)
        for key in interest.changed_members:
            tokens[key] = _token(self.state(interest.members[key], sub, wall))
        return _tag(tokens.values())

    def lists_changed(self, owner: str, now: float, wall: float) -> None:
        """Find the members of all lists of a user anew, and tell who follows them.

        Args: owner: "" for documents of nobody, to which the lists of everybody may lead.
        """
        opened = [self._open.get(owner, {})] if owner else list(self._open.values())
        for sub in [sub for subs in opened for sub in subs.values()]:
            if sub.terms.content_type == RECIPIENTS:
                continue
            try:
                self.open(sub, wall)
            except Refused:
                self.notifier.terminate(sub, WatcherEvent.NORESOURCE, now)
            else:
                self.notifier.touch(sub, now)

    def state(self, member: Member, sub: Subscription, wall: float) -> State | None:
        """Return what the watcher of a list may know of a member; None when nothing is known."""
        if not self.is_local(member.key):
            interest = sub.interest
            assert isinstance(interest, _Interest)
            return interest.elsewhere.get(member.key)
        if not self.inner.admits(member.key):
            return None
        decision = self.inner.authorise(member.key, sub.watcher, wall)
        if decision.until != inf and isinstance(sub.interest, _Interest):
            sub.interest.until[member.key] = decision.until
        if decision.standing is Standing.BLOCK:
            return _REJECTED
        if decision.standing is Standing.CONFIRM:
            return _PENDING
        wanted = None
        if isinstance(sub.interest, _Interest):
            wanted = sub.interest.wishes.filters.about(member.key, sub.resource)
        body = self.inner.view(member.key, decision, wall, wanted)
        if body is None:
            return State("active")
        return State("active", "", body.content_type, body.content, body.etag)

    def _members(self, sub: Subscription) -> tuple[Member, ...]:
        if sub.terms.content_type == RECIPIENTS:
            try:
                entries = parse_recipients(sub.terms.body, self.limits.members)
            except ParseError as error:
                raise Refused(error.status_hint, error.phrase) from None
            found = (Member(one.uri, canonical(one.uri), one.display_name) for one in entries)
            return tuple({one.key: one for one in found}.values())
        service = self._documents.service(sub.resource)
        if service is None:
            raise Refused(404)
        return members_of(service, self._documents, self.limits)


class _Interest:
    """What one list subscription, `sub`, follows.

    changed_members: keys of those whose state may be another than was sent. sent: what its watcher
    was told of each, as `_token` has it. elsewhere: states of members that other servers serve.
    until: wall seconds at which the rules of a member may decide otherwise. wishes: the watcher's
    filters. brought: the body with which the list came, if it came with one.
    """

    def __init__(self, package: ListPackage, sub: Subscription, members: Iterable[Member]) -> None:
        self._package = package
        self.sub = sub
        self.members = {one.key: one for one in members}
        self.changed_members: set[str] = set()
        self.sent: dict[str, str] = {}
        self.elsewhere: dict[str, State] = {}
        self.until: dict[str, float] = {}
        self.wishes = Wishes()
        self.brought = b""

    def follow(self) -> None:
        package, watcher = self._package, self.sub.watcher
        now = package.notifier.clock.now()
        for key in self.members:
            if package.is_local(key):
                package.notifier.watch(package.inner.key, key, self)
            else:
                package.backend.follow(package.inner.name, key, watcher, self, now)

    def wait(self) -> None:
        """Leave word with those who decided nothing so far."""
        package = self._package
        for key in self.members:
            if package.is_local(key) and self.sent.get(key) == _token(_PENDING):
                package.notifier.wait(package.inner.key, key, self)

    def leave(self) -> None:
        package, watcher = self._package, self.sub.watcher
        now = package.notifier.clock.now()
        for key in self.members:
            if package.is_local(key):
                package.notifier.unwatch(package.inner.key, key, self)
            else:
                package.backend.leave(package.inner.name, key, watcher, self, now)

    def changed(self, resource: str, now: float) -> None:
        """`presence.event.ports.Watch`: a member has news."""
        self.changed_members.add(resource)
        self._package.notifier.touch(self.sub, now)

    def told(self, uri: str, state: State, now: float) -> None:
        """`presence.lists.ports.Follower`: a member elsewhere has news."""
        if uri in self.members:
            self.elsewhere[uri] = state
            self.changed(uri, now)

    def ask_again(self, wall: float) -> None:
        """Look at members again when their rules may decide otherwise."""
        if self.until:
            notifier = self._package.notifier
            at = notifier.clock.now() + max(0.0, min(self.until.values()) - wall)
            notifier.timers.schedule(at, self, 0)

    def on_timer(self, _kind: int, now: float) -> None:
        """Take those whose time has come for changed."""
        wall = self._package.notifier.clock.wall()
        due = [key for key, until in self.until.items() if until <= wall]
        for key in due:
            del self.until[key]
        if self.sub.interest is not self or not self.sub.live:
            return
        if due:
            self.changed_members.update(due)
            self._package.notifier.touch(self.sub, now)
        self.ask_again(wall)

    def start(self) -> list[Member]:
        """Return all members, for a state that is told from the beginning."""
        self.changed_members = set()
        self.sent = {}
        return list(self.members.values())

    def take_changed(self) -> list[Member]:
        """Return whom there is news of, in the order of the list."""
        changed, self.changed_members = self.changed_members, set()
        if len(changed) == 1:
            return [self.members[key] for key in changed]
        return [one for key, one in self.members.items() if key in changed]

    def later(self, member: Member) -> None:
        """Keep a member's state for the next NOTIFY."""
        self.changed_members.add(member.key)


def _token(state: State | None) -> str:
    """Return what is equal for equal states; "" where nothing is known."""
    if state is None:
        return ""
    return f"{state.state} {state.reason} {state.etag.decode('ascii')}"


def _tag(tokens: Iterable[str]) -> bytes:
    return entity_tag("\n".join(tokens).encode("ascii"))
