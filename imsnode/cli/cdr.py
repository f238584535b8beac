# SPDX-License-Identifier: Apache-2.0
"""`imsnode cdr`: charging records, from the files that are there."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, printable, say, show_rows
from .session import canonical_aor, flush, load_config

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage.cdr_read import Line, Selection

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Charging records.")

MESSAGE = "message"
POLL_S = 0.2
_BRIEF = ("ended", "kind", "from", "to", "size", "outcome", "status", "id")

UserOption = Annotated[
    str | None, typer.Option(metavar="AOR", help="Only what this user sent or was sent.")
]
KindOption = Annotated[
    str | None,
    typer.Option(metavar="KIND", help="Only of a kind: message, imdn, composing, session, visit."),
]
SinceOption = Annotated[
    str | None, typer.Option(metavar="T", help="That ended then or later: 2026-05-31T08:00.")
]
UntilOption = Annotated[
    str | None, typer.Option(metavar="T", help="That ended before: 2026-06-01.")
]
IdOption = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Of a message id, Call-ID or IMDN Message-ID."),
]
IcidOption = Annotated[str | None, typer.Option(metavar="ICID", help="Of an ICID.")]


class RecordFormat(StrEnum):
    """How records are written one by one."""

    JSON = "json"
    CSV = "csv"


@app.command("list")
def list_records(
    user: UserOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    identity: IdOption = None,
    icid: IcidOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="At most so many, the newest.")
    ] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List charging records, newest last; as JSON and CSV with every field."""
    from imsnode.storage.cdr_read import read_newest

    settings = load_config(config)
    selection = _selection(settings, user, kind, since, until, identity, icid)
    flush(settings)
    with _reading(settings) as path:
        found = read_newest(path, selection, limit)
    columns = _BRIEF if form is Format.TABLE else _fields()
    show_rows(columns, (_cells(line, columns, form) for line in found), form)


@app.command("follow")
def follow_records(
    user: UserOption = None,
    kind: KindOption = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="Begin with those that ended since then.")
    ] = None,
    identity: IdOption = None,
    icid: IcidOption = None,
    number: Annotated[
        int, typer.Option("--count", min=0, metavar="N", help="Stop after so many; 0: never.")
    ] = 0,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show charging records as they are written, across new files; ends with Ctrl-C.

    As JSON each is a line.
    """
    from imsnode.storage.cdr_read import follow

    settings = load_config(config)
    selection = _selection(settings, user, kind, since, None, identity, icid)
    columns = _BRIEF if form is Format.TABLE else _fields()
    if form is Format.CSV:
        say(",".join(columns))
    with _reading(settings) as path:
        lines = follow(path, selection, lambda: time.sleep(POLL_S), past=since is not None)
        for seen, line in enumerate(lines, 1):
            if form is Format.JSON:
                say(line.text.decode())
            elif form is Format.CSV:
                _write_csv(sys.stdout, line, columns)
                sys.stdout.flush()
            else:
                cells = _cells(line, columns, form)
                say("  ".join(printable(str(cell)) for cell in cells))
            if seen == number:
                return


@app.command("export")
def export_records(
    user: UserOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    identity: IdOption = None,
    icid: IcidOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write, readable by its owner only."),
    ] = None,
    form: Annotated[
        RecordFormat,
        typer.Option("--format", metavar="json|csv", help="A line of JSON each, or CSV."),
    ] = RecordFormat.JSON,
    config: ConfigOption = None,
) -> None:
    """Write charging records, oldest first, with every field: those of a month, say."""
    from imsnode.storage.cdr_read import read_all

    settings = load_config(config)
    selection = _selection(settings, user, kind, since, until, identity, icid)
    flush(settings)
    with _reading(settings) as path:
        lines = read_all(path, selection)
        if output is None:
            _write(sys.stdout, lines, form)
            return
        with _fresh(output) as stream:
            count = _write(stream, lines, form)
    say(f"wrote {count} records to {output}")


def _selection(
    settings: Config,
    user: str | None,
    kind: str | None,
    since: str | None,
    until: str | None,
    identity: str | None,
    icid: str | None,
) -> Selection:
    from imsnode.storage.cdr_read import Selection
    from pager.rules import KINDS

    if kind is not None and kind not in (MESSAGE, *KINDS):
        words = ", ".join((MESSAGE, *KINDS))
        raise UsageError(f"--kind {kind!r} is not a kind of record; kinds are {words}")
    begin, begin_wall = _time("--since", since)
    end, _ = _time("--until", until)
    if begin and end and begin >= end:
        raise UsageError(f"--until {until!r} is not later than --since {since!r}: swap them")
    return Selection(
        user=canonical_aor(settings, user, local=False) if user is not None else "",
        kind="" if kind == MESSAGE else kind,
        id=identity or "",
        icid=icid or "",
        since=begin,
        until=end,
        since_wall=begin_wall,
    )


def _time(option: str, text: str | None) -> tuple[str, float]:
    """Return a time as records have it, and in epoch seconds."""
    if text is None:
        return "", 0.0
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} {text!r} is not a time; write 2026-05-31, 2026-05-31T08:00 (local time) "
            "or 2026-05-31T08:00Z"
        ) from None
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z", at.timestamp()


@contextmanager
def _reading(settings: Config) -> Iterator[Path]:
    """Give the file of records; what goes wrong with it becomes a message."""
    from imsnode.storage.cdr_read import RecordsChanged

    path = settings.cdr_file
    if path is None:
        raise UsageError('cdr.file is "": no records are written; name a file and restart the node')
    try:
        yield path
    except RecordsChanged as error:
        raise CommandError(str(error)) from error
    except PermissionError as error:
        raise CommandError(
            f"{error.filename} cannot be opened: run the command as the user that the node runs as"
        ) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{error.filename or 'the output'}: {error.strerror}") from error


def _fresh(output: Path) -> TextIO:
    """Open a file that only its owner can read."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise CommandError(f"--output {output} cannot be written: {error.strerror}") from error
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _write(stream: TextIO, lines: Iterator[Line], form: RecordFormat) -> int:
    columns = _fields()
    if form is RecordFormat.CSV:
        stream.write(",".join(columns) + "\n")
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007
        if form is RecordFormat.CSV:
            _write_csv(stream, line, columns)
        else:
            stream.write(line.text.decode() + "\n")
    return count


def _fields() -> tuple[str, ...]:
    from imsnode.storage.cdr import Record

    return Record.__struct_encode_fields__


def _cells(line: Line, columns: tuple[str, ...], form: Format) -> list[Cell]:
    from msgspec.structs import astuple

    record = dict(zip(_fields(), astuple(line.record), strict=True))
    if form is Format.TABLE:
        record["kind"] = record["kind"] or MESSAGE
    return [record[name] for name in columns]


def _write_csv(stream: TextIO, line: Line, columns: tuple[str, ...]) -> None:
    csv.writer(stream, lineterminator="\n").writerow(_cells(line, columns, Format.CSV))
