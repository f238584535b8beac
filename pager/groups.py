# SPDX-License-Identifier: Apache-2.0
"""Groups of recipients: who belongs to one, through other groups too, and who may send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from enum import StrEnum


class Senders(StrEnum):
    """Who may send to a group."""

    OWNER = "owner"
    MEMBERS = "members"  # and the owner
    DOMAIN = "domain"  # every user of the group's domain
    ANYONE = "anyone"  # everybody who was authenticated


@dataclass(frozen=True, slots=True)
class Group:
    """A provisioned group.

    aor: canonical, like that of a user. owner: AoR, "" for none. members: AoRs of users here or
    elsewhere, and of other groups, in order.
    """

    aor: str
    owner: str = ""
    senders: Senders = Senders.MEMBERS
    display_name: str = ""
    members: tuple[str, ...] = ()


class Groups:
    """All groups in memory.

    What a group comes to through the groups in it is worked out when it is first asked for, and
    kept until the groups change.
    """

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._groups: dict[str, Group] = {}
        self._people: dict[str, tuple[tuple[str, ...], Set[str]]] = {}
        self.replace_all(groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def replace_all(self, groups: Iterable[Group]) -> None:
        """Let there be exactly these groups from now on."""
        self._groups = {group.aor: group for group in groups}
        self._people = {}

    def get(self, aor: str) -> Group | None:
        """Return the group of a canonical AoR."""
        return self._groups.get(aor)

    def people(self, aor: str) -> tuple[str, ...]:
        """Return everybody a group comes to, each once, by AoR; no groups among them."""
        return self._resolved(aor)[0]

    def is_member(self, aor: str, person: str) -> bool:
        """Tell whether somebody is in a group, directly or through another."""
        return aor in self._groups and person in self._resolved(aor)[1]

    def may_send(self, group: Group, sender: str) -> bool:
        """Tell whether an authenticated sender may send to a group."""
        if group.senders is Senders.ANYONE or (sender and sender == group.owner):
            return True
        if group.senders is Senders.DOMAIN:
            return sender.rpartition("@")[2] == group.aor.rpartition("@")[2]
        return group.senders is Senders.MEMBERS and sender in self._resolved(group.aor)[1]

    def _resolved(self, aor: str) -> tuple[tuple[str, ...], Set[str]]:
        known = self._people.get(aor)
        if known is None:
            people: set[str] = set()
            seen = {aor}
            waiting = [aor]
            while waiting:
                for member in self._groups[waiting.pop()].members:
                    if member not in self._groups:
                        people.add(member)
                    elif member not in seen:
                        seen.add(member)
                        waiting.append(member)
            known = self._people[aor] = (tuple(sorted(people)), frozenset(people))
        return known


def find_loop(starts: Iterable[str], groups_in: Callable[[str], Iterable[str]]) -> list[str]:
    """Return the path of a loop that can be reached from ``starts``, [] when there is none.

    Args: groups_in: the groups that are members of a group.
    Returns: each group once, and at the end the one where the loop closes again.
    """
    done: set[str] = set()
    for start in starts:
        path: dict[str, Iterator[str]] = {}
        follow = start
        while follow or path:
            if follow and follow in path:
                names = list(path)
                return [*names[names.index(follow) :], follow]
            if follow and follow not in done:
                path[follow] = iter(groups_in(follow))
            last = next(reversed(path), "")
            if not last:
                break
            follow = next(path[last], "")
            if not follow:
                del path[last]
                done.add(last)
    return []
