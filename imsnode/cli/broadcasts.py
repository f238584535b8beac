# SPDX-License-Identifier: Apache-2.0
"""`imsnode broadcast`: one message to everybody in a domain or group."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows, timestamp
from .session import canonical_aor, database, load_config, tell_node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Database, JobReport

app = typer.Typer(no_args_is_help=True, help="Broadcasts: a message to everybody.")

COLUMNS = ("id", "state", "sender", "target", "begun", "total", "left", "stored", "skipped")
OUTCOMES = ("waiting", "delivered", "refused", "expired", "forgotten")
LOOK_S = 0.5

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As printed by `send`.")]


@contextmanager
def _store(config: Config) -> Iterator[Database]:
    from imsnode.storage import StorageError

    with database(config) as opened:
        try:
            yield opened
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("send")
def send(
    sender: Annotated[str, typer.Option("--from", metavar="AOR", help="The sender.")],
    target: Annotated[
        str,
        typer.Option("--to", metavar="DOMAIN|GROUP", help="Such as ims.test, sip:all@ims.test."),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text, or - to read it.")],
    rate: Annotated[
        float | None,
        typer.Option(
            min=0, help="Copies a second, 0 for as many as can be; see lists.broadcast_rate."
        ),
    ] = None,
    lifetime: Annotated[
        float | None,
        typer.Option(min=60, metavar="SECONDS", help="How long copies wait for who is away."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until all is sent.")] = False,
    config: ConfigOption = None,
) -> None:
    """Begin a broadcast; prints its id. Without a running node it begins when one starts."""
    from imsnode.mailing import broadcast_job, notice
    from imsnode.storage import Accounts, GroupStore, JobTable
    from pager.groups import Groups
    from sip.aio.clock import SystemClock

    settings = load_config(config)
    body = sys.stdin.read() if text == "-" else text
    if not body:
        raise UsageError("the message is empty")
    if len(body.encode()) > settings.limits.message_body_size:
        raise UsageError(f"the message is longer than {settings.limits.message_body_size} octets")
    whom = target.lower() if target.lower() in settings.domains else canonical_aor(settings, target)
    source = canonical_aor(settings, sender)
    content_type = "text/plain;charset=UTF-8"
    wanted = notice(settings, source, whom, content_type, body.encode(), rate, lifetime)
    with _store(settings) as opened:
        if whom in settings.domains:
            total = sum(
                account.realm == whom and account.aor != source and account.enabled
                for account in Accounts(opened).load_all()
            )
        else:
            groups = Groups(GroupStore(opened, settings.domains).load_all())
            if groups.get(whom) is None:
                raise CommandError(f"there is no group {whom}, and it is no domain served here")
            total = len(groups.people(whom))
        if not total:
            raise CommandError(f"nobody is in {whom}")
        job = broadcast_job(wanted, SystemClock().wall(), total)
        JobTable(opened).create(job)
    running = tell_node(settings, lambda client: client.broadcasts_changed())
    say(job.original.id)
    if wait:
        if not running:
            raise CommandError("the node does not run: the broadcast begins when it starts")
        _follow(settings, job.original.id)


def _follow(config: Config, job_id: str) -> None:
    """Show how far a broadcast has come until it is over, then its report."""
    from imsnode.storage import JobTable

    from .progress import Progress

    with _store(config) as opened, Progress() as progress:
        table = JobTable(opened)
        report = table.report(job_id)
        with progress.step("sending", report.total if report else 0) as advance:
            while report is not None and report.state == "running":
                advance(report.total - report.left)
                time.sleep(LOOK_S)
                report = table.report(job_id)
    if report is not None:
        _print(report, Format.TABLE)


@app.command("list")
def list_broadcasts(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List broadcasts, newest first."""
    from imsnode.storage import JobTable
    from pager.jobs import JobKind

    with _store(load_config(config)) as opened:
        reports = JobTable(opened).reports(limit, [JobKind.BROADCAST])
    show_rows(COLUMNS, [_cells(report) for report in reports], form)


@app.command("show")
def show(
    job_id: IdArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """Show how far a broadcast has come, and what became of its copies."""
    from imsnode.storage import JobTable

    with _store(load_config(config)) as opened:
        report = JobTable(opened).report(job_id)
    if report is None:
        raise CommandError(f"there is no broadcast {job_id}")
    _print(report, form)


@app.command("cancel")
def cancel(job_id: IdArgument, config: ConfigOption = None) -> None:
    """End a broadcast; who has a copy already keeps it."""
    from imsnode.storage import JobTable
    from sip.aio.clock import SystemClock

    settings = load_config(config)
    with _store(settings) as opened:
        JobTable(opened).cancel(job_id, SystemClock().wall())
    tell_node(settings, lambda client: client.broadcasts_changed())
    say(f"cancelled {job_id}")


def _print(report: JobReport, form: Format) -> None:
    names = (*COLUMNS, *OUTCOMES)
    cells = (*_cells(report), *(getattr(report, name) for name in OUTCOMES))
    if form is Format.TABLE:
        show_rows(("field", "value"), list(zip(names, cells, strict=True)), form)
    else:
        show_rows(names, [cells], form)


def _cells(report: JobReport) -> tuple[Cell, ...]:
    return (
        report.id,
        report.state,
        report.sender,
        report.address,
        timestamp(report.created_at),
        report.total,
        report.left,
        report.stored,
        report.skipped,
    )
