# SPDX-License-Identifier: Apache-2.0
"""`imsnode db`: the database as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import CommandError
from .options import ConfigOption
from .output import say
from .session import load_config

app = typer.Typer(no_args_is_help=True, help="The database: bring it up to date, check it.")


@app.command("upgrade")
def upgrade(config: ConfigOption = None) -> None:
    """Make the database, or bring its schema up to date. `imsnode serve` does so by itself."""
    say(prepare_database(config))


def prepare_database(config: Path | None) -> str:
    """Make or migrate the database of a configuration and say what was done."""
    from imsnode.storage import Database, StorageError

    settings = load_config(config)
    try:
        with Database(settings.storage_url) as opened:
            before, after = opened.upgrade()
    except StorageError as error:
        raise CommandError(str(error)) from error
    if before == after:
        return f"the database is up to date (schema {after})"
    if not before:
        return f"made the database (schema {after})"
    return f"brought the database from schema {before} to {after}"


@app.command("check")
def check(
    full: Annotated[bool, typer.Option("--full", help="Read every page; takes its time.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check that the database is sound and fits this version."""
    from imsnode.storage import Database, StorageError

    settings = load_config(config)
    file = settings.storage_file
    if file is not None and not file.exists():
        raise CommandError(f"there is no database {file}; make one with `imsnode db upgrade`")
    try:
        with Database(settings.storage_url) as opened:
            report = opened.check(full=full)
    except StorageError as error:
        raise CommandError(str(error)) from error
    say(f"{report.backend}, schema {report.revision or 'none'} (this version: {report.head})")
    for problem in report.problems:
        say(problem)
    if not report.ok:
        raise CommandError("the database has problems")
    say("sound" if report.complete else "sound as far as was read; --full reads everything")
