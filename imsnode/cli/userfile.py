# SPDX-License-Identifier: Apache-2.0
"""Users in CSV files: `aor,password,display_name,enabled`.

A file written with hashes has ha1_md5, ha1_sha256 and ha1_sha512_256 too; they take the place of
the password, which is not known then. Columns of SIM cards and identities may follow, see
`imsnode.cli.cards` and `imsnode.cli.identities`; keys go in and never out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .errors import CommandError, UsageError

if TYPE_CHECKING:
    from imsnode.identity.accounts import Account

__all__ = [
    "COLUMNS",
    "HASH_COLUMNS",
    "IMS_COLUMNS",
    "BadLine",
    "UserFile",
    "read_users",
    "write_users",
]

COLUMNS = ("aor", "password", "display_name", "enabled")
IMS_COLUMNS = ("impi", "identities", "aka_algorithm", "aka_k", "aka_op", "aka_opc", "aka_amf")
HASH_COLUMNS = {"ha1_md5": 32, "ha1_sha256": 64, "ha1_sha512_256": 64}  # hexadecimal digits
_WORDS = {"": True, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be imported; `number` counts from 1, the head included."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True)
class UserFile:
    """What a file held: accounts with the line each stands on, and the lines that are bad."""

    accounts: list[Account]
    lines: list[int]
    bad: list[BadLine]


def read_users(
    path: Path,
    canonical: Callable[[str], str],
    progress: Callable[[int], None],
    complete: Callable[[Account, dict[str, str]], Account] = lambda account, row: account,
) -> UserFile:
    """Read all users of a file and name every bad line.

    Args:    canonical: gives the address of record for text, or raises UsageError. progress: told
             how many lines are read, every 500 lines and at the end. complete: adds what a line
             says in IMS_COLUMNS, or raises UsageError.
    Raises:  CommandError when the file cannot be read at all.
    """
    found = UserFile([], [], [])
    first: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            number = 1
            for number, row in _rows(stream):
                _take(row, number, found, first, canonical, complete)
                if number % 500 == 0:
                    progress(number)
            progress(number)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: {error.reason}") from error
    except csv.Error as error:
        raise CommandError(f"{path} is not CSV: {error}") from error
    return found


def _rows(stream: TextIO) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Give each line's number with its values by column, or with what is wrong with it."""
    reader = csv.reader(stream, strict=True)
    head = [name.strip() for name in next(reader, [])]
    known = (*COLUMNS, *HASH_COLUMNS, *IMS_COLUMNS)
    unknown = [name for name in head if name not in known]
    if unknown or "aor" not in head or len(set(head)) != len(head):
        raise UsageError(
            f"the first line has to be {','.join(COLUMNS)}, not {','.join(head)[:200]}"
        )
    end = reader.line_num
    for row in reader:
        number, end = end + 1, reader.line_num
        if not row:
            continue
        if len(row) != len(head):
            yield number, f"has {len(row)} columns, not {len(head)}"
        else:
            yield number, dict(zip(head, row, strict=True))


def _take(
    row: dict[str, str] | str,
    number: int,
    found: UserFile,
    first: dict[str, int],
    canonical: Callable[[str], str],
    complete: Callable[[Account, dict[str, str]], Account],
) -> None:
    try:
        if isinstance(row, str):
            raise UsageError(row)
        account = complete(_account(row, canonical), row)
        if account.aor in first:
            raise UsageError(f"{account.aor} already stands on line {first[account.aor]}")
    except UsageError as error:
        found.bad.append(BadLine(number, str(error)))
        return
    first[account.aor] = number
    found.accounts.append(account)
    found.lines.append(number)


def _account(row: dict[str, str], canonical: Callable[[str], str]) -> Account:
    from imsnode.identity.accounts import make_account

    aor = canonical(row["aor"].strip())
    name = row.get("display_name", "")
    if not name.isprintable():
        raise UsageError("the display name has control characters")
    enabled = _WORDS.get(row.get("enabled", "").strip().lower())
    if enabled is None:
        raise UsageError(f"enabled is {row['enabled']!r}, not true or false")
    password = row.get("password", "")
    if password:
        check_password(password)
        return make_account(aor, password, display_name=name, enabled=enabled)
    hashes = {column: row.get(column, "").strip() for column in HASH_COLUMNS}
    if not any(hashes.values()) and not row.get("aka_k"):
        raise UsageError("there is no password")
    for column, value in hashes.items():
        if value and (len(value) != HASH_COLUMNS[column] or not _HEX.fullmatch(value)):
            raise UsageError(f"{column} is not {HASH_COLUMNS[column]} hexadecimal digits")
    return make_account(aor, "", display_name=name, enabled=enabled).changed(
        ha1_md5=hashes["ha1_md5"],
        ha1_sha256=hashes["ha1_sha256"],
        ha1_sha512_256=hashes["ha1_sha512_256"],
    )


def check_password(password: str) -> None:
    """Refuse a password that digest cannot carry or that nobody could type; raises UsageError."""
    if not password:
        raise UsageError("the password is empty")
    if len(password) > 256 or not password.isprintable():
        raise UsageError("the password is longer than 256 characters or has control characters")


def write_users(accounts: Iterable[Account], stream: TextIO, *, hashes: bool) -> None:
    """Write accounts as CSV; the password column stays empty, because no password is known."""
    columns = (*COLUMNS, *HASH_COLUMNS) if hashes else COLUMNS
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for account in accounts:
        row = [account.aor, "", account.display_name, "true" if account.enabled else "false"]
        if hashes:
            row += [account.ha1_md5, account.ha1_sha256, account.ha1_sha512_256]
        writer.writerow(row)
