# SPDX-License-Identifier: Apache-2.0
"""What is known of a message when somebody complains about it: copied into the report.

What waits in the store has its header lines; of what was delivered the reporter's own history has
the content; of anything else the ledger says who and when.
"""

from __future__ import annotations

from sqlalchemy import select

from .archive_read import Query, read_page
from .database import Database
from .reports import Report, make_report
from .schema import message
from .story import Story, find_story

__all__ = ["evidence", "gather", "gather_newest"]

_LOOKED_AT = 500  # of the reporter's newest messages with the accused


def gather(
    database: Database, identity: str, reporter: str, how: str, reason: str, wall: float
) -> Report | None:
    """Make a report on a message that the reporter got; None when they got no such message.

    Args: identity: message id, Call-ID or IMDN Message-ID.
    Raises: StorageUnavailable, StoreDamaged.
    """
    for story in find_story(database, identity):
        if story.recipient == reporter:
            head, body = evidence(database, story, reporter)
            return make_report(
                reporter, how, reason, story.message_id, story.sender, reporter, head, body, wall
            )
    return None


def gather_newest(
    database: Database, accused: str, reporter: str, how: str, reason: str, wall: float
) -> Report | None:
    """Make a report on the newest message of somebody in the reporter's history, None without one.

    Raises: StorageUnavailable, StoreDamaged.
    """
    page = read_page(database, Query(reporter, accused, newest=True, limit=_LOOKED_AT))
    for one in reversed(page.messages):
        if one.sender == accused:
            return make_report(
                reporter, how, reason, one.message_id, accused, reporter,
                _head(one.content_type, one.call_id), one.body, wall,
            )  # fmt: skip
    return None


def evidence(database: Database, story: Story, reporter: str) -> tuple[bytes, bytes]:
    """Return header lines and body of a message, as far as they are kept."""
    if story.row is not None:
        kept = select(message.c.head, message.c.body).where(message.c.seq == story.row.seq)
        with database.reading() as connection:
            row = connection.execute(kept).first()
        if row is not None and row.head:
            return bytes(row.head), bytes(row.body)
    page = read_page(database, Query(reporter, newest=True, limit=_LOOKED_AT))
    for one in page.messages:
        if one.message_id == story.message_id:
            return _head(one.content_type, one.call_id), one.body
    return b"", b""


def _head(content_type: bytes, call_id: bytes) -> bytes:
    return b"Call-ID: %b\r\nContent-Type: %b" % (call_id, content_type)
