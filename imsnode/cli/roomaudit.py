# SPDX-License-Identifier: Apache-2.0
"""`imsnode room history` and `export`: what was said in a room, and what happened there."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows, timestamp
from .roomdesk import rooms
from .session import canonical_aor, flush, load_config

if TYPE_CHECKING:
    from imsnode.storage import RoomTable
    from session_msrp.rooms.values import RoomMessage

__all__ = ["export", "history"]

_COLUMNS = ("time", "sender", "nickname", "type", "text", "id")
_ALL = 1 << 31

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="Such as sip:staff@ims.test.")]


def history(
    room: RoomArgument,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="At most so many, the newest.")
    ] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show what was said in a room, oldest first."""
    settings = load_config(config)
    aor = canonical_aor(settings, room)
    flush(settings)
    with rooms(settings) as table:
        said = table.history(aor, limit)
    show_rows(_COLUMNS, (_row(one) for one in said), form)


def export(
    room: RoomArgument,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="File to write.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write the audit of a room: its rules, what was said and what happened, a line of JSON each.

    What happened is kept as long as the ledger, also of a room that was removed.
    """
    settings = load_config(config)
    aor = canonical_aor(settings, room)
    flush(settings)
    with rooms(settings) as table:
        lines = [json.dumps(one, ensure_ascii=False) for one in _records(table, aor)]
    if not lines:
        raise CommandError(f"nothing is known of {aor}")
    text = "\n".join(lines) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}") from error
    say(f"wrote {len(lines)} records of {aor} to {output}")


def _records(table: RoomTable, aor: str) -> Iterator[dict[str, Any]]:
    """Give the room, then messages and events in the order of their times."""
    room = table.get(aor)
    if room is not None:
        facts = asdict(room)
        facts["members"] = list(facts["members"].values())
        yield {"record": "room", **facts}
    dated = [(one.at, _message(one)) for one in table.history(aor, _ALL)]
    dated += [(one.at, {"record": "event", **asdict(one)}) for one in table.events(aor)]
    for at, record in sorted(dated, key=lambda each: each[0]):
        yield {**record, "at": timestamp(at)}


def _message(one: RoomMessage) -> dict[str, Any]:
    return {
        "record": "message",
        "room": one.room,
        "id": one.id,
        "sender": one.sender,
        "nickname": one.nickname,
        "cpim_base64": base64.b64encode(one.body).decode(),
    }


def _row(one: RoomMessage) -> tuple[Cell, ...]:
    from sip.bodies.cpim import parse_cpim
    from sip.errors import ParseError

    try:
        part = parse_cpim(one.body).part
        kind, content = part.content_type, part.content
    except ParseError:
        kind, content = b"message/cpim", one.body
    shown = content.decode("utf-8", "backslashreplace")
    name = one.nickname
    return timestamp(one.at), one.sender, name, kind.decode("utf-8", "replace"), shown, one.id
