# SPDX-License-Identifier: Apache-2.0
"""A bounded memory of submissions, so that a repeat is recognised before it is sent on.

The store recognises what it has stored; a message that was relayed online leaves no row. This
memory covers those, and what a run before this one had stored shortly before it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .submission import Submission


class Answered:
    """What stays of a submission with which nothing can happen any more."""

    __slots__ = ("call_id", "cseq", "from_tag", "id", "recipient", "sender", "status")

    def __init__(
        self,
        message_id: str,
        call_id: bytes,
        cseq: int,
        from_tag: bytes,
        sender: str,
        recipient: str,
        status: int,
    ) -> None:
        self.id = message_id
        self.call_id = call_id
        self.cseq = cseq
        self.from_tag = from_tag
        self.sender = sender
        self.recipient = recipient
        self.status = status


Entry: TypeAlias = "Submission | Answered | bytes"


class Recent:
    """The newest entries by Call-ID, in two generations: between half of ``limit`` and ``limit``.

    One entry per Call-ID, the newest: a submission of this run, the key of one before it.
    A generation that is forgotten goes entry by entry, since all at once would hold up messages.
    """

    __slots__ = ("_gone", "_half", "_new", "_old")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._new: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}
        self._gone: dict[bytes, Entry] = {}

    def add(self, call_id: bytes, entry: Entry) -> None:
        """Remember an entry, in place of an older one under the same Call-ID."""
        new = self._new
        if len(new) >= self._half:
            self._gone = self._old
            self._old = new
            self._new = new = {}
        new[call_id] = entry
        if self._gone:
            self._gone.popitem()

    def get(self, call_id: bytes) -> Entry | None:
        """Return the newest entry under a Call-ID."""
        entry = self._new.get(call_id)
        return entry if entry is not None else self._old.get(call_id)

    def replace(self, call_id: bytes, entry: Entry, by: Entry) -> None:
        """Remember something else in place of an entry if it is still the one remembered."""
        if self._new.get(call_id) is entry:
            self._new[call_id] = by
        elif self._old.get(call_id) is entry:
            self._old[call_id] = by

    def drop(self, call_id: bytes, entry: Entry) -> None:
        """Forget an entry if it is still the one remembered."""
        if self._new.get(call_id) is entry:
            del self._new[call_id]
        elif self._old.get(call_id) is entry:
            del self._old[call_id]

    def __len__(self) -> int:
        return len(self._new) + len(self._old)
