# SPDX-License-Identifier: Apache-2.0
"""All that is kept about one user: read for the user, or taken away without a trace.

What belongs to the user is removed: account, bindings, choices, stored messages, and every message
from or to the user in anybody's history. What the operator has to account for stays without the
name: in ledger and charging records the address becomes ``erased``. Blocks and files are rewritten
where the address is in them; the text of other people's messages is theirs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Connection, LargeBinary, Table, Text, delete, exc, false, or_, select, update

from pager import rules
from pager.replay import shown_sender
from sip.privacy import ANONYMOUS, shown

from .archive_block import Archived, message_at, pack_block, read_message, unpack_block
from .archive_index import find_positions
from .archive_place import block_of, place_of, user
from .archive_read import LATEST
from .database import Database
from .entries import make_entries
from .ledger_text import open_block, seal_block
from .locations import newest_state
from .ownership import LISTS, OWNERS, TEXTS
from .schema import (
    DUE_FORGET,
    account,
    archive_block,
    archive_brief,
    archive_index,
    archive_run,
    binding_journal,
    document,
    document_uri,
    due,
    fate,
    ledger_block,
    ledger_index,
    mailbox,
    message,
    metadata,
    room_message,
    user_policy,
)

__all__ = ["ERASED", "Eraser", "export_user", "without_senders"]

ERASED = "erased"
_BATCH = 256
# Tables that are read in a way of their own; in all others a row that names the user is the user's.
_KNOWN = (
    account, archive_block, archive_brief, archive_index, archive_run, binding_journal, document,
    document_uri, due, fate, ledger_block, ledger_index, mailbox, message, room_message,
)  # fmt: skip
_SECRETS = ("ha1_md5", "ha1_sha256", "ha1_sha512_256", "digest", "secret", "sealed")


class Eraser:
    """Takes one user out of a store and its charging records, a bounded part at a time.

    alone: no node works on the store, so that its file can be written anew.
    """

    def __init__(self, database: Database, aor: str, alone: bool) -> None:
        self._database = database
        self._alone = alone
        self._aor = aor
        self._name = _pattern(aor)

    def erase_tables(self) -> dict[str, int]:
        """Erase in every table; blocks. Returns how many rows or messages went, by table.

        Raises: StorageUnavailable, StoreDamaged.
        """
        counts = {
            "account": self._delete(account, account.c.aor == self._aor),
            "binding_journal": self._delete(binding_journal, binding_journal.c.aor == self._aor),
            "document_uri": self._delete(document_uri, document_uri.c.owner == self._aor),
            "document": self._delete(document, document.c.owner == self._aor),
            "message": self._erase_messages(),
            "archive": self._erase_archive(),
            "ledger": self._erase_ledger(),
            "room_message": self._delete(room_message, room_message.c.sender == self._aor),
        }
        for table in _others():
            counts[table.name] = self._erase_rows(table)
        self._scrub()
        return {name: count for name, count in counts.items() if count}

    def anonymised(self, text: bytes) -> bytes:
        """Return lines of JSON without the user."""
        return self._name.sub(ERASED.encode(), text)

    def concerns(self, text: bytes) -> bool:
        """Say whether the user is named in a text."""
        return self._name.search(text) is not None

    def _delete(self, table: Table, condition: Any) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(table).where(condition)).rowcount

    def _erase_messages(self) -> int:
        """Remove stored messages from and to the user, waiting or settled."""
        gone = 0
        ours = or_(message.c.sender == self._aor, message.c.recipient == self._aor)
        while True:
            with self._database.writing() as connection:
                make_entries(connection)
                rows = connection.execute(
                    select(message.c.seq, message.c.recipient, message.c.key)
                    .where(ours)
                    .limit(_BATCH)
                ).all()
                if not rows:
                    break
                seqs = [row.seq for row in rows]
                for row in rows:
                    connection.execute(
                        delete(mailbox).where(
                            mailbox.c.recipient == row.recipient, mailbox.c.key == row.key
                        )
                    )
                connection.execute(delete(fate).where(fate.c.seq.in_(seqs)))
                connection.execute(delete(due).where(due.c.seq.in_(seqs), due.c.kind == DUE_FORGET))
                connection.execute(delete(message).where(message.c.seq.in_(seqs)))
                gone += len(rows)
        self._delete(mailbox, mailbox.c.recipient == self._aor)
        return gone

    def _erase_archive(self) -> int:
        """Remove every message from or to the user, from the histories of both."""
        gone = 0
        with self._database.reading() as connection:
            found = find_positions(connection, user(self._aor), 0, LATEST, newest_first=False)
            seqs = sorted({block_of(position) for position in found})
        for seq in seqs:
            with self._database.writing() as connection:
                gone += self._erase_block(connection, seq)
        return gone

    def _erase_block(self, connection: Connection, seq: int) -> int:
        block = archive_block.c
        octets = connection.execute(select(block.messages).where(block.seq == seq)).scalar()
        if octets is None:
            return 0
        messages = unpack_block(bytes(octets))
        kept = [one if one and not self._ours(read_message(0, one)) else b"" for one in messages]
        gone = sum(one != other for one, other in zip(messages, kept, strict=True))
        if gone and any(kept):
            changed = update(archive_block).where(block.seq == seq)
            connection.execute(changed.values(messages=pack_block(kept)))
        elif gone:
            connection.execute(delete(archive_block).where(block.seq == seq))
            connection.execute(delete(archive_brief).where(archive_brief.c.seq == seq))
        return gone

    def _ours(self, one: Archived) -> bool:
        return self._aor in (one.sender, one.recipient)

    def _erase_ledger(self) -> int:
        changed = 0
        with self._database.reading() as connection:
            seqs = list(connection.execute(select(ledger_block.c.seq)).scalars())
        for seq in seqs:
            one = ledger_block.c.seq == seq
            with self._database.reading() as connection:
                packed = connection.execute(select(ledger_block.c.lines).where(one)).scalar()
            left = self._anonymised_block(bytes(packed)) if packed is not None else b""
            if left:
                with self._database.writing() as connection:
                    connection.execute(update(ledger_block).where(one).values(lines=left))
                changed += 1
        return changed

    def _anonymised_block(self, packed: bytes) -> bytes:
        """Return a block of the ledger without the user, b"" when there is nothing to change."""
        records, steps = open_block(packed)
        lines = b"\n".join(records)
        if not self.concerns(lines) and not self.concerns(msgspec.json.encode(steps)):
            return b""
        for record, told in zip(records, steps, strict=True):
            if self.concerns(record) and msgspec.json.decode(record)["to"] == self._aor:
                # Instance ids of the user's devices.
                told[:] = [(*step[:4], "") for step in told]
        told_text = self.anonymised(msgspec.json.encode(steps))
        return seal_block(self.anonymised(lines).split(b"\n"), msgspec.json.decode(told_text))

    def _erase_rows(self, table: Table) -> int:
        """Remove the rows of a table that name the user, or the name where others are named too."""
        with self._database.writing() as connection:
            rows = [row for row in _naming(connection, table, self._aor) if self.named(row)]
            for row in rows:
                keys = [column == row[column.name] for column in table.primary_key]
                left = self._without_name(table, row)
                if left is None:
                    connection.execute(delete(table).where(*keys))
                else:
                    connection.execute(update(table).where(*keys).values(left))
        return len(rows)

    def _without_name(self, table: Table, row: dict[str, Any]) -> dict[str, str] | None:
        """Return lists and texts of a row without the user, None when it is about nobody else."""
        if table in TEXTS:
            texts = {column: self.anonymised(row[column].encode()) for column in TEXTS[table]}
            return {column: text.decode() for column, text in texts.items()}
        left = {
            column: mark.join(one for one in row[column].split(mark) if one != self._aor)
            for column, mark in LISTS.get(table, {}).items()
        }
        emptied = any(row[column] and not words for column, words in left.items())
        # A list without a name would say something else: anybody, or nobody in particular.
        if not left or (emptied and table is not user_policy) or self.named({**row, **left}):
            return None
        return left

    def named(self, row: dict[str, Any]) -> bool:
        """Say whether a row names the user."""
        return any(self.concerns(_octets(value)) for value in row.values())

    def _scrub(self) -> None:
        """Have SQLite write what was removed out of its file, unless a node works on it now."""
        if self._database.path is None:
            return
        with self._database.opened() as connection, suppress(exc.OperationalError):
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if self._alone:
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pattern(aor: str) -> re.Pattern[bytes]:
    """Find an address where it stands as a whole."""
    return re.compile(rb"(?<![\w.%+-])" + re.escape(aor.encode()) + rb"(?![\w-]|\.\w)")


def _others() -> Iterator[Table]:
    for table in metadata.sorted_tables:
        if table not in _KNOWN:
            yield table


def _naming(connection: Connection, table: Table, aor: str) -> Iterator[dict[str, Any]]:
    """Give the rows of a table that may name a user, keys and texts and octets alike."""
    conditions: list[Any] = []
    for column in table.columns:
        if isinstance(column.type, LargeBinary):
            # Octets are compared by the caller: the engines do not search them alike.
            conditions.append(column.is_not(None))
        elif isinstance(column.type, Text):
            conditions.append(column.contains(aor, autoescape=True))
    if conditions:
        rows = select(table).where(or_(*conditions)).execution_options(yield_per=_BATCH)
        for row in connection.execute(rows):
            yield dict(row._mapping)


def _octets(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else b""


def export_user(database: Database, aor: str, now: float, wall: float) -> dict[str, Any]:
    """Return all that is kept about a user, as JSON can hold it; octets in base64.

    Raises: StorageUnavailable, StoreDamaged.
    """
    eraser = Eraser(database, aor, False)
    with database.reading() as connection:
        found: dict[str, Any] = {
            "user": aor,
            "account": _rows(connection, account, account.c.aor == aor),
        }
        found["bindings"] = _bindings(database, connection, aor, now, wall)
        found["document"] = _rows(connection, document, document.c.owner == aor)
        lines = select(ledger_block.c.lines).order_by(ledger_block.c.seq)
        entries: list[dict[str, Any]] = [
            {**msgspec.json.decode(record), "steps": told}
            for packed in connection.execute(lines).scalars()
            for record, told in zip(*open_block(bytes(packed)), strict=True)
            if eraser.concerns(record) or eraser.concerns(msgspec.json.encode(told))
        ]
        concealed = {
            entry["id"]
            for entry in entries
            if any(step[1] == rules.CONCEALED for step in entry["steps"])
        }
        found["ledger"] = without_senders(entries, concealed, aor)
        ours = or_(message.c.sender == aor, message.c.recipient == aor)
        found["messages"] = [
            _shown(dict(row._mapping), concealed, aor)
            for row in connection.execute(select(message).where(ours))
        ]
        found["history"] = list(_history(connection, aor))
        found["room_message"] = _rows(connection, room_message, room_message.c.sender == aor)
        visible = _visible(found, concealed, aor)
        for table in _others():
            mine = or_(false(), *[table.c[name] == aor for name in OWNERS[table]])
            rows = _rows(connection, table, mine)
            if rows:
                found[table.name] = rows
        _hide(found, visible, concealed)
    return found


def _visible(found: dict[str, Any], concealed: set[str], aor: str) -> set[str]:
    """Return who wrote to the user under a name of their own."""
    named = {entry["from"] for entry in found["ledger"] if entry["id"] not in concealed}
    stored = {row["sender"] for row in found["messages"]}
    return (named | stored | {one["sender"] for one in found["history"]}) - {ANONYMOUS, aor}


def _hide(found: dict[str, Any], visible: set[str], concealed: set[str]) -> None:
    """Take out of a user's rows who kept their name to themselves (RFC 3325 7)."""
    for row in found.get("contact", ()):
        # Whether a sender hid stands with their messages; those may have gone before the row.
        if not row["sent"] and row["other"] not in visible:
            row["other"] = ANONYMOUS
    for row in found.get("spam_report", ()):
        head = base64.b64decode(row["head"])
        hidden = row["message_id"] in concealed or (not head and row["sender"] not in visible)
        if hidden or shown_sender(row["sender"], head) != row["sender"]:
            row["sender"] = ANONYMOUS
            row["head"] = base64.b64encode(_shown_head(head)).decode()


def _rows(connection: Connection, table: Table, condition: Any) -> list[dict[str, Any]]:
    return [
        _plain(dict(row._mapping)) for row in connection.execute(select(table).where(condition))
    ]


def _shown(row: dict[str, Any], concealed: set[str], aor: str) -> dict[str, Any]:
    """Return a stored message as its sender or recipient may see it (RFC 3325 7)."""
    if row["id"] in concealed and row["sender"] != aor:
        row["sender"] = ANONYMOUS
        row["head"] = _shown_head(bytes(row["head"]))
        row["call_id"] = row["id"].encode()  # the sender's may name their device
    return _plain(row)


def _shown_head(head: bytes) -> bytes:
    """Return the header lines of a message as its recipient may see them."""
    lines = [line.partition(b": ") for line in head.split(b"\r\n")]
    kept = shown([(name, value) for name, _, value in lines])
    return b"\r\n".join([name + b": " + value for name, value in kept])


def without_senders(
    entries: list[dict[str, Any]], concealed: set[str], aor: str
) -> list[dict[str, Any]]:
    """Take the senders of some messages out of ledger or charging records for their recipient."""
    for entry in entries:
        if entry["id"] in concealed and entry["from"] != aor:
            entry["from"] = ANONYMOUS
            entry["call_id"] = entry["id"]  # the sender's may name their device
            entry.pop("octets", None)
    return entries


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items() if name not in _SECRETS}


def _value(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value


def _bindings(
    database: Database, connection: Connection, aor: str, now: float, wall: float
) -> dict[str, Any]:
    state = newest_state(database, connection, aor, now, wall)
    contacts = [binding.contact.decode("utf-8", "replace") for binding in state.bindings]
    return {"contacts": contacts, "devices": dict(state.devices)}


def _history(connection: Connection, aor: str) -> Iterator[dict[str, Any]]:
    for position in find_positions(connection, user(aor), 0, LATEST, newest_first=False):
        block = select(archive_block.c.messages).where(archive_block.c.seq == block_of(position))
        octets = connection.execute(block).scalar()
        if octets is not None:
            packed = message_at(bytes(octets), place_of(position))
            if packed and (one := read_message(position, packed)).of(aor):
                yield {name: _value(value) for name, value in asdict(one).items()}
