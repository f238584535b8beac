# SPDX-License-Identifier: Apache-2.0
"""Groups of recipients in the database: every verb is one transaction, and blocks.

A name is a user's or a group's, never both; a local member has to exist; and no group contains
itself, be it through others. All of this is checked in the transaction that makes the change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import Column, Connection, Row, bindparam, delete, insert, select, update

from pager.groups import Group, Senders, find_loop

from .database import Database
from .errors import GroupRefused, ImportRefused
from .schema import account, member, public_identity, recipient_group, room
from .statements import InsertRows

__all__ = ["GroupStore", "Membership"]

_CHUNK = 500

#: One line of an import: the group, and a member of it or "".
Membership = tuple[str, str]


class GroupStore:
    """The groups of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.

    Args:
        domains: those served here: a member in one of them has to exist.
        reserved: AoRs of the node's own services, which no group can have.
    """

    def __init__(
        self, database: Database, domains: Collection[str], reserved: Collection[str] = ()
    ) -> None:
        self._database = database
        self.domains = frozenset(domains)
        self._reserved = frozenset(reserved)

    def load_all(self) -> list[Group]:
        """Return every group, by AoR."""
        with self._database.reading() as connection:
            return _read(connection)

    def get(self, aor: str) -> Group | None:
        """Return one group."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(recipient_group).where(recipient_group.c.aor == aor)
            ).first()
            if row is None:
                return None
            members = select(member.c.member).where(member.c.group_aor == aor)
            return _group(row, sorted(connection.execute(members).scalars()))

    def add(self, group: Group) -> None:
        """Add a group with its members.

        Raises: GroupRefused.
        """
        with self._database.writing() as connection:
            if _exists(connection, group.aor):
                raise GroupRefused(f"{group.aor} exists already")
            self._check_name(connection, group.aor)
            connection.execute(insert(recipient_group).values(_values(group)))
            self._join(connection, group.aor, group.members)

    def change(
        self,
        aor: str,
        owner: str | None = None,
        senders: Senders | None = None,
        display_name: str | None = None,
    ) -> None:
        """Change what is given.

        Raises: GroupRefused.
        """
        given = {"owner": owner, "senders": senders, "display_name": display_name}
        values = {name: str(value) for name, value in given.items() if value is not None}
        with self._database.writing() as connection:
            if not _exists(connection, aor):
                raise GroupRefused(f"there is no group {aor}")
            if values:
                one = update(recipient_group).where(recipient_group.c.aor == aor)
                connection.execute(one.values(values))

    def remove(self, aor: str) -> None:
        """Remove a group, from the groups it is a member of too.

        Raises: GroupRefused.
        """
        with self._database.writing() as connection:
            gone = delete(recipient_group).where(recipient_group.c.aor == aor)
            if not connection.execute(gone).rowcount:
                raise GroupRefused(f"there is no group {aor}")
            either = (member.c.group_aor == aor) | (member.c.member == aor)
            connection.execute(delete(member).where(either))

    def add_members(self, aor: str, members: Iterable[str]) -> int:
        """Let users and groups belong to a group; return how many did not before.

        Raises: GroupRefused.
        """
        with self._database.writing() as connection:
            if not _exists(connection, aor):
                raise GroupRefused(f"there is no group {aor}")
            return self._join(connection, aor, members)

    def remove_members(self, aor: str, members: Iterable[str]) -> int:
        """Let users and groups belong to a group no more; return how many did.

        Raises: GroupRefused.
        """
        one = delete(member).where(member.c.group_aor == aor, member.c.member == bindparam("who"))
        with self._database.writing() as connection:
            if not _exists(connection, aor):
                raise GroupRefused(f"there is no group {aor}")
            return sum(connection.execute(one, {"who": name}).rowcount for name in members)

    def import_all(
        self,
        groups: Mapping[str, Group],
        lines: Sequence[Membership],
        progress: Callable[[int], None] | None = None,
    ) -> tuple[int, int]:
        """Add or change the groups given, and add all memberships, or nothing.

        Args:
            groups: by AoR; their members are not looked at. lines: a bad one is named by its place.
        Returns: how many groups are new, and how many memberships.
        Raises: ImportRefused.
        """
        with self._database.writing() as connection:
            names = [name for pair in lines for name in pair if name]
            users = _known(connection, account.c.aor, names)
            rooms = _known(connection, room.c.aor, names)
            there = _known(connection, recipient_group.c.aor, names)
            problems = []
            for index, (aor, who) in enumerate(lines):
                reason = ""
                if aor in users:
                    reason = f"{aor} is a user: a group needs another name"
                elif aor in rooms:
                    reason = f"{aor} is a room: a group needs another name"
                elif aor in self._reserved:
                    reason = f"{aor} is a service of the node"
                elif who and who not in users and who not in there and who not in groups:
                    reason = self._missing(who)
                if reason:
                    problems.append((index, reason))
            if problems:
                raise ImportRefused(problems)
            fresh = [group for group in groups.values() if group.aor not in there]
            _insert_groups(connection, fresh)
            for group in groups.values():
                if group.aor in there:
                    one = update(recipient_group).where(recipient_group.c.aor == group.aor)
                    connection.execute(one.values(_values(group)))
            added = _insert_members(connection, [pair for pair in lines if pair[1]], progress)
            loop = _loop(connection, groups)
            if loop:
                place = next(i for i, pair in enumerate(lines) if pair in _steps(loop))
                raise ImportRefused([(place, _loop_text(loop))])
        return len(fresh), added

    def _join(self, connection: Connection, aor: str, members: Iterable[str]) -> int:
        wanted = list(dict.fromkeys(members))
        users = _known(connection, account.c.aor, wanted)
        there = _known(connection, recipient_group.c.aor, wanted)
        for name in wanted:
            if name not in users and name not in there and (reason := self._missing(name)):
                raise GroupRefused(reason)
        added = _insert_members(connection, [(aor, name) for name in wanted], None)
        loop = _loop(connection, [aor])
        if loop:
            raise GroupRefused(_loop_text(loop))
        return added

    def _missing(self, name: str) -> str:
        """Say why somebody who is neither a user nor a group cannot be a member; "" if they can."""
        if name.rpartition("@")[2] in self.domains:
            return f"{name} is neither a user nor a group"
        return ""

    def _check_name(self, connection: Connection, aor: str) -> None:
        if aor in self._reserved:
            raise GroupRefused(f"{aor} is a service of the node")
        if _known(connection, account.c.aor, [aor]) or _known(
            connection, public_identity.c.uri, [aor]
        ):
            raise GroupRefused(f"{aor} is a user: a group needs another name")
        if _known(connection, room.c.aor, [aor]):
            raise GroupRefused(f"{aor} is a room: a group needs another name")


def _read(connection: Connection) -> list[Group]:
    members: dict[str, list[str]] = {}
    pairs = select(member).order_by(member.c.group_aor, member.c.member)
    for aor, who in connection.execute(pairs):
        members.setdefault(aor, []).append(who)
    rows = connection.execute(select(recipient_group).order_by(recipient_group.c.aor))
    return [_group(row, members.get(row.aor, ())) for row in rows]


def _group(row: Row[tuple[str, ...]], members: Iterable[str]) -> Group:
    return Group(row.aor, row.owner, Senders(row.senders), row.display_name, tuple(members))


def _values(group: Group) -> dict[str, str]:
    return {
        "aor": group.aor,
        "owner": group.owner,
        "senders": group.senders.value,
        "display_name": group.display_name,
    }


def _exists(connection: Connection, aor: str) -> bool:
    return bool(_known(connection, recipient_group.c.aor, [aor]))


def _known(connection: Connection, column: Column[str], names: Iterable[str]) -> set[str]:
    """Return those of the names that stand in a column."""
    wanted = list(dict.fromkeys(names))
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        found.update(connection.execute(select(column).where(column.in_(part))).scalars())
    return found


def _insert_groups(connection: Connection, groups: Sequence[Group]) -> None:
    columns = ("aor", "owner", "senders", "display_name")
    rows = [(g.aor, g.owner, g.senders.value, g.display_name) for g in groups]
    if rows:
        InsertRows(recipient_group, columns, connection.dialect).run(connection, rows)


def _insert_members(
    connection: Connection, pairs: Sequence[Membership], progress: Callable[[int], None] | None
) -> int:
    lines = InsertRows(
        member,
        ("group_aor", "member"),
        connection.dialect,
        lambda insert: insert.on_conflict_do_nothing(),
    )
    added = 0
    ordered = sorted(set(pairs))
    for start in range(0, len(ordered), _CHUNK):
        part = ordered[start : start + _CHUNK]
        added += lines.run(connection, part)
        if progress is not None:
            progress(start + len(part))
    return added


def _loop(connection: Connection, starts: Iterable[str]) -> list[str]:
    """Find a loop that leads through one of the groups given."""
    inner = select(member).join(recipient_group, recipient_group.c.aor == member.c.member)
    groups_in: dict[str, list[str]] = {}
    for aor, who in connection.execute(inner.order_by(member.c.group_aor, member.c.member)):
        groups_in.setdefault(aor, []).append(who)
    return find_loop(starts, lambda aor: groups_in.get(aor, ()))


def _steps(loop: Sequence[str]) -> set[Membership]:
    return set(pairwise(loop))


def _loop_text(loop: Sequence[str]) -> str:
    return "a group would contain itself: " + " > ".join(loop)
