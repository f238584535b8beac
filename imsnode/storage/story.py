# SPDX-License-Identifier: Apache-2.0
"""The story of a message, put together from the ledger, the stored message and its fates.

The ledger may miss what was noted in the last second before a crash. The message row and the
fates were committed before anybody was answered, so the steps they prove are filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from pager import rules
from pager.rules import RECEIPT
from pager.values import MarkState, Step

from .database import Database
from .ledger import find_entries
from .ledger_text import KeptEntry
from .listing import MessageRow, find_rows
from .schema import fate

__all__ = ["Fate", "Story", "find_story"]

_RULE_OF = {
    MarkState.ACCEPTED: rules.DEVICE_ACCEPTED,
    MarkState.REFUSED: rules.DEVICE_REFUSED,
    MarkState.EXPIRED: rules.DEADLINE,
}
_OUTCOME_OF = {
    MarkState.ACCEPTED: rules.DELIVERED,
    MarkState.REFUSED: rules.REFUSED,
    MarkState.EXPIRED: rules.EXPIRED,
}


# Entries of one story that are read at most: it has a few for each device.
_ENTRIES = 8


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the message at one device."""

    device: str
    state: str
    at: float
    status: int


@dataclass(slots=True)
class Story:
    """All that is known of one message.

    steps: in order of time; those of notifications (IMDN) about it too, which only its recipient
    can make. outcome: a word of `pager.rules.OUTCOMES`. row: the stored message, None when it was
    never stored or has been forgotten. kind: a word of `pager.rules.KINDS`, "" for a message.
    imdn_id: its IMDN Message-ID, "" for none.
    """

    message_id: str
    call_id: bytes
    sender: str
    recipient: str
    received_at: float
    size: int
    outcome: str
    steps: list[Step] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    row: MessageRow | None = None
    kind: str = ""
    imdn_id: str = ""


def find_story(database: Database, identity: str, limit: int = 100) -> list[Story]:
    """Return the stories of a message id, or of all messages with a Call-ID or IMDN Message-ID.

    Oldest first. Takes a connection of its own and no lock. An id that the ledger does not know
    costs a pass over the stored messages.

    Raises: StorageUnavailable, StoreDamaged.
    """
    stories: dict[str, Story] = {}
    reports: list[KeptEntry] = []
    call_id = identity.encode("utf-8", "surrogateescape")
    with database.reading() as connection:
        for entry in find_entries(connection, identity, limit * _ENTRIES):
            if entry.is_named(identity, call_id):
                _add_entry(stories, entry)
            else:
                reports.append(entry)
        for imdn_id in {story.imdn_id for story in stories.values()} - {"", identity}:
            found = find_entries(connection, imdn_id, limit * _ENTRIES)
            reports += [entry for entry in found if entry.tells_of(imdn_id)]
        places = {(story.message_id, story.recipient) for story in stories.values()}
        for row in find_rows(connection, identity, places):
            story = stories.get(row.id)
            if story is None:
                story = stories[row.id] = Story(
                    row.id, row.call_id, row.sender, row.recipient, row.received_at, row.size, ""
                )
            _add_row(story, row, _fates(connection, row.seq))
    for report in reports:
        _add_report(stories, report)
    for story in stories.values():
        story.steps.sort(key=lambda step: step[0])
    return sorted(stories.values(), key=lambda story: (story.received_at, story.message_id))[:limit]


def _add_entry(stories: dict[str, Story], entry: KeptEntry) -> None:
    story = stories.get(entry.message_id)
    if story is None:
        story = stories[entry.message_id] = Story(
            entry.message_id,
            entry.call_id,
            entry.sender,
            entry.recipient,
            entry.at,
            entry.size,
            "",
        )
    story.outcome = entry.outcome or story.outcome
    story.kind = entry.kind or story.kind
    story.imdn_id = entry.imdn_id or story.imdn_id
    story.steps += entry.steps


def _add_report(stories: dict[str, Story], report: KeptEntry) -> None:
    """Add what a notification tells to the messages it tells of.

    Its sender had proved who they are, and only the recipient of a message says what became of it
    there (threats.md A2); this node does in the recipient's name.
    """
    for story in stories.values():
        if (
            story.imdn_id == report.about
            and story.recipient == report.sender
            and story.sender == report.recipient
        ):
            known = {(device, rule) for _, step, device, _, rule in story.steps if step == RECEIPT}
            story.steps += [
                step
                for step in report.steps
                if step[1] == RECEIPT and (step[2], step[4]) not in known
            ]


def _fates(connection: Connection, seq: int) -> list[Fate]:
    rows = connection.execute(
        select(fate).where(fate.c.seq == seq).order_by(fate.c.at, fate.c.device)
    )
    return [Fate(row.device, row.state, row.at, row.status) for row in rows]


def _add_row(story: Story, row: MessageRow, fates: Sequence[Fate]) -> None:
    story.row = row
    story.fates += fates
    if not any(step[1] == rules.STORED for step in story.steps):
        story.steps.append((row.received_at, rules.RECEIVED, "", 0, ""))
        story.steps.append((row.received_at, rules.STORED, "", 0, rules.COMMITTED))
        story.outcome = story.outcome or rules.STORED
    known = {(step[2], step[3]) for step in story.steps if step[1] == rules.ANSWERED}
    for one in fates:
        state = MarkState(one.state)
        if state is MarkState.RECALLED:
            story.outcome = rules.RECALLED
        elif state is not MarkState.EXPIRED and (one.device, one.status) not in known:
            rule = _RULE_OF[state]
            story.steps.append((one.at, rules.ANSWERED, one.device, one.status, rule))
            story.outcome = _OUTCOME_OF[state]
    if row.settled_at is not None and story.outcome in (rules.STORED, rules.UNDECIDED):
        # Settled without a fate: nobody was left who could still take it.
        story.outcome = rules.EXPIRED
        story.steps.append((row.settled_at, rules.EXPIRED, "", 0, rules.DEADLINE))
