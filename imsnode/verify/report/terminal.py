# SPDX-License-Identifier: Apache-2.0
"""What came of a run, for the terminal: a table, and a ladder for each failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...cli.output import printable
from ..outcome import Outcome, Result

__all__ = ["show", "summary"]

_STYLE: Final = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.NOT_APPLICABLE: "dim"}


def show(results: Sequence[Result], console: Console) -> None:
    """Print table and ladders."""
    table = Table(box=None, pad_edge=False)
    for heading in ("flow", "suite", "what has to hold", "clause", "outcome", "s"):
        table.add_column(heading, justify="right" if heading == "s" else "left")
    for each in results:
        flow, style = each.flow, _STYLE[each.outcome]
        table.add_row(
            f"{flow.id} {flow.name}", flow.suite, escape(flow.title), flow.clause,
            f"[{style}]{each.outcome}[/]", f"{each.seconds:.1f}", style=None,
        )  # fmt: skip
        if each.reason:
            table.add_row("", "", f"[{style}]{escape(printable(each.reason))}[/]", "", "", "")
    console.print(table)
    for each in results:
        if each.outcome is Outcome.FAIL:
            head = f"{each.flow.id} {each.flow.name}: {each.reason} ({each.flow.clause})"
            console.print(f"\n[bold red]{escape(printable(head))}[/]")
            for line in each.ladder:
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{summary(results)}")


def summary(results: Sequence[Result]) -> str:
    """Return the one line that says it all."""
    count = Counter(each.outcome for each in results)
    return (
        f"{len(results)} flows: {count[Outcome.PASS]} pass, {count[Outcome.FAIL]} fail, "
        f"{count[Outcome.NOT_APPLICABLE]} not applicable"
    )
