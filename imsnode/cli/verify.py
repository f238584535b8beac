# SPDX-License-Identifier: Apache-2.0
"""`imsnode verify`: the conformance pack against any server."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import Format, FormatOption
from .output import Cell, show_rows

if TYPE_CHECKING:
    from imsnode.verify.catalogue import Flow
    from imsnode.verify.outcome import Result
    from imsnode.verify.run import Bench
    from imsnode.verify.target import Account

__all__ = ["verify"]

_COLUMNS = ("flow", "name", "suite", "title", "clause", "outcome", "reason", "seconds")
_PASSWORD = "IMSNODE_VERIFY_PASSWORD"  # noqa: S105 - the name of a variable


def verify(
    server: Annotated[
        str,
        typer.Argument(
            metavar="sip:HOST[:PORT]",
            help="The server to verify; ;transport=tcp and sips: are honoured.",
        ),
    ],
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:PASSWORD]",
            help=f"An account to play, two or more; without a password that of {_PASSWORD}.",
        ),
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="A CSV file of accounts, with columns aor and password.")
    ] = None,
    suite: Annotated[
        str,
        typer.Option(
            help="Suites, separated by commas: registrar, pager, presence, msrp, xcap, ims. "
            "Without it: all."
        ),
    ] = "",
    flow: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="This flow alone, such as PM-01; may be repeated."),
    ] = None,
    domain: Annotated[
        str, typer.Option(help="Domain of the accounts, where it is not the host.")
    ] = "",
    xcap: Annotated[
        str, typer.Option(metavar="URL", help="XCAP root, such as https://HOST/xcap.")
    ] = "",
    wait: Annotated[
        float, typer.Option(min=0.2, max=60.0, help="Seconds to wait for anything.")
    ] = 5.0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out flows that take more than half a minute.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML report here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run the flows of the conformance table as a client against any server.

    Every flow says pass, fail or n/a (not applicable: the server has not got what it is about)
    with the clause of the specification. Exit code 1 when one fails.
    """
    from imsnode.verify.outcome import Outcome

    bench = _bench(server, user or [], users, domain, xcap, wait, quick)
    results = _run(bench, _flows(suite, flow or []))
    _report(results, form, server, junit, html)
    if any(each.outcome is Outcome.FAIL for each in results):
        raise typer.Exit(1)


def _report(
    results: list[Result], form: Format, server: str, junit: Path | None, html: Path | None
) -> None:
    """Print the results, and write the reports that are wanted. Raises: CommandError."""
    from rich.console import Console

    from imsnode.verify.report.junit import junit as junit_of
    from imsnode.verify.report.page import page
    from imsnode.verify.report.terminal import show
    from sip.aio import SystemClock

    if form is Format.TABLE:
        show(results, Console(width=None if sys.stdout.isatty() else 160, highlight=False))
    else:
        show_rows(_COLUMNS, [_row(each) for each in results], form)
    try:
        if junit is not None:
            junit.write_bytes(junit_of(results, server))
        if html is not None:
            html.write_text(page(results, server, SystemClock().wall()), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the report cannot be written: {error}") from error


def _row(result: Result) -> tuple[Cell, ...]:
    flow = result.flow
    said = (result.outcome.value, result.reason, round(result.seconds, 3))
    return (flow.id, flow.name, flow.suite.value, flow.title, flow.clause, *said)


def _run(bench: Bench, flows: list[Flow]) -> list[Result]:
    """Run the flows, with a line for each on a terminal. Raises: CommandError."""
    from imsnode.verify.run import reach, run

    def done(result: Result) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"{result.flow.id} {result.flow.name}: {result.outcome}\n")

    async def work() -> list[Result]:
        unreached = await reach(bench)
        if unreached:
            raise CommandError(f"{bench.target.host}: {unreached}")
        return await run(flows, bench, done)

    return asyncio.run(work())


def _flows(suites: str, ids: list[str]) -> list[Flow]:
    """Return the flows that are wanted. Raises: UsageError."""
    from imsnode.verify.catalogue import Suite, load

    try:
        chosen = [Suite(word.strip()) for word in suites.split(",") if word.strip()]
    except ValueError as error:
        known = ", ".join(Suite)
        raise UsageError(f"--suite: {error}; there are {known}") from None
    flows = load(chosen, ids)
    unknown = {each.upper() for each in ids} - {each.id for each in flows}
    if unknown:
        raise UsageError(f"--flow: there is no {min(unknown)} among the flows that are chosen")
    return flows


def _bench(
    server: str, given: list[str], file: Path | None, domain: str, xcap: str, wait: float,
    quick: bool,
) -> Bench:  # fmt: skip
    """Read what was given on the command line. Raises: UsageError."""
    from imsnode.verify.run import Bench
    from imsnode.verify.target import account, target

    try:
        where = target(server, domain)
        password = os.environ.get(_PASSWORD, "")
        accounts = [account(text, where.domain, password) for text in given]
        accounts += _accounts(file, where.domain) if file is not None else []
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not accounts:
        raise UsageError("an account is needed: --user NAME:PASSWORD, or --users FILE")
    return Bench(where, accounts, wait, xcap, quick)


def _accounts(file: Path, domain: str) -> list[Account]:
    """Read accounts from a file. Raises: ValueError."""
    from imsnode.verify.target import account

    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--users {file}: {error}") from error
    if not rows or not {"aor", "password"} <= rows[0].keys():
        raise ValueError(f"--users {file}: no columns aor and password")
    return [account(row["aor"], domain, row["password"]) for row in rows]
