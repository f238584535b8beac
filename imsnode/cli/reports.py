# SPDX-License-Identifier: Apache-2.0
"""`imsnode report`: spam, with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, printable, say, show_rows, timestamp
from .session import canonical_aor, database, flush, load_config, wall_clock

if TYPE_CHECKING:
    from imsnode.storage import Database, Report

app = typer.Typer(no_args_is_help=True, help="Reports of spam, with their evidence.")

COLUMNS = ("id", "at", "how", "reporter", "sender", "message_id", "reason", "body_hash")


@app.command("add")
def add(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="Message id or Call-ID.")],
    by: Annotated[str, typer.Option("--by", metavar="AOR", help="The user who complains.")],
    reason: Annotated[str, typer.Option(help="What they say.")] = "",
    config: ConfigOption = None,
) -> None:
    """Report a message; what is known of it now is kept as evidence."""
    from imsnode.storage import Reports

    settings = load_config(config)
    reporter = canonical_aor(settings, by, local=False)
    flush(settings)
    with database(settings) as opened:
        report = _gather(opened, message_id, reporter, reason)
        if not Reports(opened).add(report):
            raise CommandError(f"{reporter} has reported it before: {report.id}")
    kept = "" if report.head else "; the message itself is not kept any more"
    say(f"added {report.id}{kept}")


@app.command("list")
def list_reports(
    sender: Annotated[
        str | None, typer.Option(metavar="AOR", help="Only about this sender.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List reports."""
    from imsnode.storage import Reports

    settings = load_config(config)
    name = None if sender is None else canonical_aor(settings, sender, local=False)
    with database(settings) as opened:
        show_rows(COLUMNS, (_row(one) for one in Reports(opened).list(name, limit)), form)


@app.command("show")
def show(
    report_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the report.")],
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show a report with its evidence: header lines and body."""
    from imsnode.storage import Reports

    with database(load_config(config)) as opened:
        report = Reports(opened).get(report_id)
    if report is None:
        raise CommandError(f"there is no report {printable(report_id)}")
    facts: dict[str, Cell] = dict(zip(COLUMNS, _row(report), strict=True))
    facts["recipient"] = report.recipient
    facts["head"] = report.head.decode("utf-8", "backslashreplace")
    facts["body"] = report.body.decode("utf-8", "backslashreplace")
    if form is not Format.TABLE:
        show_rows(tuple(facts), [tuple(facts.values())], form)
        return
    lines = str(facts.pop("head")).split("\r\n")
    body = str(facts.pop("body"))
    rows = [*facts.items(), *(("head", line) for line in lines), ("body", body)]
    show_rows(("field", "value"), rows, form)


def _gather(opened: Database, message_id: str, reporter: str, reason: str) -> Report:
    """Collect what the ledger and the store know of a message."""
    from imsnode.storage import evidence, find_story, make_report

    stories = find_story(opened, message_id, 2)
    mine = [story for story in stories if reporter in (story.recipient, story.sender)] or stories
    if not mine:
        raise CommandError(f"nothing is known of {printable(message_id)}")
    if len(mine) > 1:
        raise CommandError("several messages have that Call-ID; name one by its message id")
    story = mine[0]
    head, body = evidence(opened, story, story.recipient)
    return make_report(
        reporter, "operator", reason, story.message_id, story.sender, story.recipient, head, body,
        wall_clock(),
    )  # fmt: skip


def _row(report: Report) -> tuple[Cell, ...]:
    return (
        report.id,
        timestamp(report.at),
        report.how,
        report.reporter,
        report.sender,
        report.message_id,
        report.reason,
        report.body_hash,
    )
