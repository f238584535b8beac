# SPDX-License-Identifier: Apache-2.0
"""The roster of a room as application/conference-info+xml (RFC 4575, nicknames of RFC 6501).

A document is made once for all who are to be told the same; only its version is each one's own.
"""

from __future__ import annotations

from typing import Final

from sip.bodies.xml import Element, add, new_root, write_xml, written

from .live import LiveRoom, Participant, Visit

__all__ = ["MEDIA_TYPE", "MOST_OCTETS", "Roster"]

MEDIA_TYPE: Final = b"application/conference-info+xml"
#: What fits a NOTIFY over any transport: of more users some are named, and how many there are.
MOST_OCTETS: Final = 60_000

_URN: Final = "urn:ietf:params:xml:ns:conference-info"
_XCON: Final = "urn:ietf:params:xml:ns:xcon-conference-info"
_VERSION: Final = b' version="0"'


class Roster:
    """The documents of one room.

    most: users it may have, 0 where there is no bound to tell.
    """

    def __init__(self, room: LiveRoom, most: int = 0) -> None:
        self._room = room
        self._most = most
        self._made: dict[int, tuple[bytes, bytes]] = {}
        self._made_at = 0

    def document(self, since: int | None, version: int) -> bytes:
        """Return what changed behind a revision, or everything: for None, or after too much."""
        changes = self._room.changes
        if self._made_at != changes.revision:
            self._made_at = changes.revision
            self._made.clear()
        key = 0 if since is None else since
        made = self._made.get(key)
        if made is None:
            head, _, tail = self._written(since).partition(_VERSION)
            made = self._made[key] = (head, tail)
        return b'%b version="%d"%b' % (made[0], version, made[1])

    def _written(self, since: int | None) -> bytes:
        changed = None if since is None else self._room.changes.since(since)
        if since is not None and changed is not None:
            octets = write_xml(self._partial(since, changed))
            if len(octets) <= MOST_OCTETS:
                return octets
        return self._full()

    def _root(self, state: str) -> Element:
        root = new_root(_URN, "conference-info", xcon=_XCON)
        root.set("version", "0")
        root.set("state", state)
        root.set("entity", self._room.room.aor)
        return root

    def _full(self) -> bytes:
        there = list(self._room.participants.values())
        while True:
            root = self._root("full")
            self._describe(root)
            self._count(root)
            users = add(root, "users")
            for participant in there:
                self._add_user(users, participant)
            octets = write_xml(root)
            if len(octets) <= MOST_OCTETS or not there:
                return octets
            there = there[: len(there) * MOST_OCTETS // (len(octets) + 1)]

    def _partial(self, since: int, changed: list[str]) -> Element:
        root = self._root("partial")
        if self._room.changes.described_since(since):
            self._describe(root)
        if not changed:
            return root
        self._count(root)
        users = add(root, "users")
        users.set("state", "partial")
        for uri in changed:
            participant = self._room.find(uri)
            if participant is not None:
                self._add_user(users, participant)
            else:
                gone = add(users, "user")
                gone.set("entity", uri)
                gone.set("state", "deleted")
        return root

    def _describe(self, root: Element) -> None:
        room = self._room.room
        described = add(root, "conference-description")
        if room.display_name:
            add(described, "display-text", room.display_name)
        if room.subject:
            add(described, "subject", room.subject)
        if self._most:
            add(described, "maximum-user-count", str(self._most))
        entry = add(add(described, "available-media"), "entry")
        entry.set("label", "1")
        add(entry, "type", "message")

    def _count(self, root: Element) -> None:
        state = add(root, "conference-state")
        count = len(self._room.participants)
        add(state, "user-count", str(count))
        add(state, "active", "true" if count else "false")

    def _add_user(self, users: Element, participant: Participant) -> None:
        user = add(users, "user")
        user.set("entity", participant.uri)
        user.set("state", "full")
        if participant.nickname:
            user.set(f"{{{_XCON}}}nickname", written(participant.nickname))
        if participant.display_name:
            add(user, "display-text", participant.display_name)
        add(add(user, "roles"), "entry", self._room.role(participant).value)
        for visit in participant.visits:
            self._add_endpoint(user, visit)

    def _add_endpoint(self, user: Element, visit: Visit) -> None:
        endpoint = add(user, "endpoint")
        # The device's own Contact would tell everybody where it is.
        endpoint.set("entity", f"{visit.participant.uri};session={visit.number}")
        if visit.nickname:
            add(endpoint, "display-text", visit.nickname)
        muted = not self._room.room.may_speak(visit.aor)
        add(endpoint, "status", "muted-via-focus" if muted else "connected")
        add(endpoint, "joining-method", "dialed-out" if visit.invited else "dialed-in")
        media = add(endpoint, "media")
        media.set("id", "1")
        add(media, "type", "message")
        add(media, "label", "1")
