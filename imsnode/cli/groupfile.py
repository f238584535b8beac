# SPDX-License-Identifier: Apache-2.0
"""Groups in CSV files: `group,member,display_name,owner,senders`.

A line says that a user or a group belongs to a group. What a group is called, who owns it and who
may send to it stands on one of its lines; a line without a member says only that.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pager.groups import Group, Senders

from .errors import CommandError, UsageError
from .session import canonical_aor
from .userfile import BadLine

if TYPE_CHECKING:
    from imsnode.config import Config

__all__ = ["COLUMNS", "GroupFile", "read_groups", "write_groups"]

COLUMNS = ("group", "member", "display_name", "owner", "senders")


@dataclass(slots=True)
class GroupFile:
    """What a file held. memberships: (group, member or ""), with the line each stands on."""

    groups: dict[str, Group] = field(default_factory=dict)
    memberships: list[tuple[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


def read_groups(path: Path, config: Config, progress: Callable[[int], None]) -> GroupFile:
    """Read all groups of a file and name every bad line.

    Args: progress: told how many lines are read, every 500 lines and at the end.
    Raises: CommandError when the file cannot be read at all.
    """
    reader = _Reader(config)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            number = 1
            for number, row in _rows(stream):
                try:
                    reader.take(number, row)
                except UsageError as error:
                    reader.found.bad.append(BadLine(number, str(error)))
                if number % 500 == 0:
                    progress(number)
            progress(number)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: {error.reason}") from error
    except csv.Error as error:
        raise CommandError(f"{path} is not CSV: {error}") from error
    return reader.found


def _rows(stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(stream, strict=True)
    head = [name.strip() for name in next(reader, [])]
    if head[:2] != ["group", "member"] or head != list(COLUMNS[: len(head)]):
        raise UsageError(
            f"the first line has to be {','.join(COLUMNS)}, the last three as needed, "
            f"not {','.join(head)[:200]}"
        )
    end = reader.line_num
    for row in reader:
        number, end = end + 1, reader.line_num
        if row:
            yield number, [cell.strip() for cell in row]


class _Reader:
    """Takes line after line; an address that was seen before costs one look-up."""

    def __init__(self, config: Config) -> None:
        self.found = GroupFile()
        self._config = config
        self._known: dict[tuple[str, bool], str] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def take(self, number: int, row: list[str]) -> None:
        """Take one line; raises UsageError."""
        if len(row) > len(COLUMNS):
            raise UsageError(f"has {len(row)} columns, at most {len(COLUMNS)} are known")
        if not row[0]:
            raise UsageError("there is no group")
        name, member, display_name, owner, senders = [*row, *[""] * (len(COLUMNS) - len(row))]
        aor = self._aor(name, local=True)
        who = self._aor(member, local=False) if member else ""
        if (aor, who) in self._seen:
            raise UsageError(f"this already stands on line {self._seen[aor, who]}")
        found = self.found
        group = found.groups.get(aor) or Group(aor)
        if display_name:
            if not display_name.isprintable():
                raise UsageError("the display name has control characters")
            group = replace(group, display_name=display_name)
        if owner:
            group = replace(group, owner=self._aor(owner, local=False))
        if senders:
            try:
                group = replace(group, senders=Senders(senders.lower()))
            except ValueError:
                known = ", ".join(one.value for one in Senders)
                raise UsageError(f"senders is {senders!r}, not one of {known}") from None
        found.groups[aor] = group
        self._seen[aor, who] = number
        found.memberships.append((aor, who))
        found.lines.append(number)

    def _aor(self, text: str, *, local: bool) -> str:
        aor = self._known.get((text, local))
        if aor is None:
            aor = self._known[text, local] = canonical_aor(self._config, text, local=local)
        return aor


def write_groups(groups: Iterable[Group], stream: TextIO) -> None:
    """Write groups as CSV; what a group is stands on its first line."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group in groups:
        writer.writerow([group.aor, "", group.display_name, group.owner, group.senders.value])
        writer.writerows([group.aor, member, "", "", ""] for member in group.members)
