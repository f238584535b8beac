# SPDX-License-Identifier: Apache-2.0
"""`imsnode history`: what a user sent and received."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, show_rows, timestamp
from .session import canonical_aor, database, flush, load_config

if TYPE_CHECKING:
    from imsnode.storage import Archived, Database, Query

__all__ = ["history"]

COLUMNS = ("token", "at", "direction", "peer", "status", "content_type", "text", "message_id")
LONGEST_LIST = 1_000_000
_PAGE = 1000


def history(
    user: Annotated[str, typer.Argument(metavar="USER", help="Such as sip:alice@ims.test.")],
    peer: Annotated[
        str | None, typer.Option("--with", metavar="AOR", help="Only what went to or came from B.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="T", help="From a time such as 2026-05-31T08:00, or behind a token."),
    ] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only messages with this text in them.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=LONGEST_LIST, metavar="N", help="At most so many.")
    ] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show what a user sent and received, oldest first; without --since the last N messages."""
    from imsnode.history import Choice, Keeping
    from imsnode.settings import history_settings
    from imsnode.storage import Choices, Query
    from imsnode.storage import since as read_since

    settings = load_config(config)
    try:
        after, oldest = read_since(since or "0")
    except ValueError:
        raise UsageError(f"--since {since!r} is neither a time nor a token") from None
    query = Query(
        canonical_aor(settings, user, local=False),
        peer=canonical_aor(settings, peer, local=False) if peer is not None else "",
        after=after,
        newest=since is None,
        text=search or "",
    )
    flush(settings)
    with database(settings) as opened:
        choice = Choices(opened).load([query.owner]).get(query.owner, Choice())
        keeping = Keeping(history_settings(settings), {query.owner: choice})
        query = replace(
            query,
            after=max(query.after, keeping.floor(query.owner)),
            oldest=max(oldest, datetime.now(UTC).timestamp() - keeping.of(query.owner).seconds),
        )
        show_rows(COLUMNS, (_row(m, query.owner) for m in read(opened, query, limit)), form)


def read(opened: Database, query: Query, limit: int) -> list[Archived]:
    """Return the messages of a query, page by page until ``limit``; oldest first."""
    from imsnode.storage import read_page

    found: list[Archived] = []
    while len(found) < limit:
        page = read_page(opened, replace(query, limit=min(_PAGE, limit - len(found))))
        found = [*page.messages, *found] if query.newest else [*found, *page.messages]
        if not page.more:
            break
        query = (
            replace(query, before=page.first) if query.newest else replace(query, after=page.last)
        )
    return found


def _row(message: Archived, owner: str) -> tuple[Cell, ...]:
    sent = message.sender == owner
    return (
        str(message.position),
        timestamp(message.at),
        "sent" if sent else "received",
        message.recipient if sent else message.sender,
        message.status,
        message.content_type.decode("utf-8", "backslashreplace"),
        message.body.decode("utf-8", "backslashreplace"),
        message.message_id,
    )
