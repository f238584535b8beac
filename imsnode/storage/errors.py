# SPDX-License-Identifier: Apache-2.0
"""What storage can fail with.

StorageError
├── StorageUnavailable       cannot be reached, locked, full: the same call may succeed later
├── StoreDamaged             not a store of ours, or broken: the node refuses to start
├── SchemaTooNew             written by a later release
├── SchemaOutdated           not migrated yet
├── AccountExists
├── AccountUnknown
├── GroupRefused             a group cannot be made or changed so
├── JobRefused               a broadcast cannot be begun or ended
└── ImportRefused            nothing of the import was kept
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AccountExists",
    "AccountUnknown",
    "GroupRefused",
    "ImportRefused",
    "JobRefused",
    "SchemaOutdated",
    "SchemaTooNew",
    "StorageError",
    "StorageUnavailable",
    "StoreDamaged",
]


class StorageError(Exception):
    """Root of everything this package raises on purpose."""


class StorageUnavailable(StorageError):
    """The store cannot be used now; nothing is wrong with what it holds."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"{store}: {reason}")
        self.store = store
        self.reason = reason


class StoreDamaged(StorageError):
    """The store is broken or not one of ours; it is left exactly as it was found."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"{store}: {reason}; nothing was changed")
        self.store = store
        self.reason = reason


class SchemaTooNew(StorageError):
    """The store carries a schema revision that this release does not know."""

    def __init__(self, store: str, found: str, known: str) -> None:
        super().__init__(
            f"{store}: schema revision {found} is newer than this release, which knows "
            f"{known}; nothing was changed"
        )
        self.found = found
        self.known = known


class SchemaOutdated(StorageError):
    """The store has to be migrated before it can be used."""

    def __init__(self, store: str, found: str, wanted: str) -> None:
        state = f"schema revision {found}" if found else "no schema yet"
        super().__init__(f"{store}: {state}, this release needs {wanted}: run imsnode db upgrade")
        self.found = found
        self.wanted = wanted


class AccountExists(StorageError):
    """The AoR is taken. kind: "as a group" or "as a room" when it is not by another account."""

    def __init__(self, aor: str, kind: str = "") -> None:
        super().__init__(f"{aor} exists already {kind}".rstrip())
        self.aor = aor


class AccountUnknown(StorageError):
    """There is no account with this AoR."""

    def __init__(self, aor: str) -> None:
        super().__init__(f"{aor} is unknown")
        self.aor = aor


class GroupRefused(StorageError):
    """A group cannot be made or changed as asked; str() says why."""


class JobRefused(StorageError):
    """A broadcast cannot be begun or ended as asked; str() says why."""


class ImportRefused(StorageError):
    """Rows of an import cannot be stored; none of them was.

    problems: (index of the row as it was given, reason), in order of index.
    """

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{len(problems)} of the rows cannot be imported")
        self.problems = tuple(problems)
