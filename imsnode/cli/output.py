# SPDX-License-Identifier: Apache-2.0
"""Printing lists as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from .options import Format

__all__ = ["Cell", "printable", "say", "show_rows", "timestamp"]

# Cells of a list: what JSON can hold without loss.
Cell = str | int | float | bool | None


def say(text: str = "") -> None:
    """Print one line to standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def printable(text: str) -> str:
    """Escape control and other unprintable characters, so that no text steers the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def timestamp(wall: float) -> str:
    """Write epoch seconds as UTC to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Cell]], form: Format) -> None:
    """Print rows under `columns`: a table for people, an array of objects, or CSV with a head."""
    if form is Format.JSON:
        _json(columns, rows)
    elif form is Format.CSV:
        _csv(columns, rows)
    else:
        _table(columns, rows)


def _json(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    import json

    opening = "["
    for row in rows:
        text = json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)
        sys.stdout.write(f"{opening}\n  {text}")
        opening = ","
    sys.stdout.write("[]\n" if opening == "[" else "\n]\n")


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_text(cell) for cell in row)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(_text(cell))) for cell in row))
    # A pipe has no width: nothing is folded for a reader that is a program.
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    if table.row_count:
        console.print(table)
    else:
        say("none")


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)
