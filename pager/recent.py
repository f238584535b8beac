# SPDX-License-Identifier: Apache-2.0
"""A bounded memory of submissions, so that a repeat is recognised before it is sent on.

The store recognises what it has stored; a message that was relayed online leaves no row. This
memory covers those, and what a run before this one had stored shortly before it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .submission import Submission


class Recent:
    """The newest entries by Call-ID, in two generations: between half of ``limit`` and ``limit``.

    One entry per Call-ID, the newest: a submission of this run, the key of one before it.
    Forgetting costs nothing, whole generations go.
    """

    __slots__ = ("_half", "_new", "_old")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._new: dict[bytes, Submission | bytes] = {}
        self._old: dict[bytes, Submission | bytes] = {}

    def add(self, call_id: bytes, entry: Submission | bytes) -> None:
        """Remember an entry, in place of an older one under the same Call-ID."""
        new = self._new
        if len(new) >= self._half:
            self._old = new
            self._new = new = {}
        new[call_id] = entry

    def get(self, call_id: bytes) -> Submission | bytes | None:
        """Return the newest entry under a Call-ID."""
        entry = self._new.get(call_id)
        return entry if entry is not None else self._old.get(call_id)

    def drop(self, call_id: bytes, entry: Submission | bytes) -> None:
        """Forget an entry if it is still the one remembered."""
        if self._new.get(call_id) is entry:
            del self._new[call_id]
        elif self._old.get(call_id) is entry:
            del self._old[call_id]

    def __len__(self) -> int:
        return len(self._new) + len(self._old)
