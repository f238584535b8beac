# SPDX-License-Identifier: Apache-2.0
"""Commands for a node as a whole: init, serve, demo, status, reload, trace."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows
from .session import load_config, node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imsnode.config import Config

__all__ = ["create", "init", "reload", "run_node", "serve", "status", "trace"]


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new node.")],
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN", help="Domain to serve; may be repeated.", show_default="ims.test"
        ),
    ] = None,
) -> None:
    """Make a node: a commented configuration file and the database."""
    say(f"wrote {create(directory, domain or ['ims.test'])} and the database beside it")
    say(f"run it with: imsnode serve --config {directory / 'imsnode.toml'}")


def create(directory: Path, domains: list[str], others: Mapping[str, str] | None = None) -> Path:
    """Write the configuration and the database of a new node; gives the file's path.

    others: settings that differ from the default, by dotted key.
    """
    from imsnode.config.template import render
    from imsnode.config.types import parse_domain

    from .dbcmd import prepare_database

    try:
        names = [parse_domain(name) for name in domains]
    except ValueError as error:
        raise UsageError(f"--domain {' '.join(domains)}: {error}") from error
    file = directory / "imsnode.toml"
    os.umask(0o077)  # what is kept here is for the node's own user alone
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(render(names, others))
    except FileExistsError as error:
        raise CommandError(f"{error.filename} exists already") from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    prepare_database(file)
    return file


@contextmanager
def _ending_early() -> Iterator[None]:
    """Let signals end the command well while there is nothing yet that would have to be closed.

    At once, not by an exception: one that comes up while a compiled module is loading another can
    be lost there, and the signal with it.
    """

    def stop(_number: int, _frame: object) -> NoReturn:
        os._exit(0)

    early: dict[int, Callable[[int, object], NoReturn] | signal.Handlers]
    early = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in early.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(config: ConfigOption = None) -> None:
    """Run the node in the foreground until SIGTERM or SIGINT."""
    raise typer.Exit(run_node(load_config(config), say))


def run_node(settings: Config, announce: Callable[[str], None]) -> int:
    """Run a node and turn what keeps it from starting into one line; gives the exit code."""
    os.umask(0o077)  # messages, bindings and keys are for the node's own user alone
    with _ending_early():
        gc.disable()  # nothing that is loaded now is garbage, and looking takes a tenth of a second
        from imsnode.serve import serve as run
        from imsnode.storage import StorageError
        from imsnode.tls import TlsConfigError
        from sip.aio.errors import BindError

        gc.enable()
        try:
            return run(settings, announce=announce)
        except (BindError, TlsConfigError) as error:
            raise UsageError(str(error)) from error
        except StorageError as error:
            raise CommandError(str(error)) from error


def status(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """Show how the running node is."""
    with node(load_config(config)) as client:
        answer = client.status()
    if form is Format.JSON:
        say(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        show_rows(("what", "value"), _flat(answer, ""), form)


# Any: the values are what JSON holds.
def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            rows.append((prefix + key, " ".join(str(item) for item in value)))
        else:
            rows.append((prefix + key, value))
    return rows


def reload(config: ConfigOption = None) -> None:
    """Have the running node read its configuration again."""
    with node(load_config(config)) as client:
        answer = client.reload()
    for key in answer["applied"]:
        say(f"applied {key}")
    for key in answer["needs_restart"]:
        say(f"needs a restart: {key}")
    if not answer["applied"] and not answer["needs_restart"]:
        say("nothing has changed")


class TraceFormat(StrEnum):
    """How live traffic is shown."""

    LADDER = "ladder"
    JSON = "json"


def trace(
    contains: Annotated[
        str, typer.Option("--contains", help="Only messages with this text, such as a Call-ID.")
    ] = "",
    text: Annotated[bool, typer.Option("--text", help="Show whole messages.")] = False,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="Show whole messages with their bodies.")
    ] = False,
    count: Annotated[
        int, typer.Option(min=0, metavar="N", help="Stop after so many; 0: never.")
    ] = 0,
    form: Annotated[
        TraceFormat, typer.Option("--format", metavar="ladder|json", help="How it is shown.")
    ] = (TraceFormat.LADDER),
    config: ConfigOption = None,
) -> None:
    """Follow live traffic as a ladder; ends with Ctrl-C."""
    from shutil import get_terminal_size

    from .ladder import Ladder

    ladder = Ladder((get_terminal_size((150, 24)).columns - 34) // 30, text=text or bodies)
    seen = 0
    with node(load_config(config)) as client:
        for event in client.trace(bodies=bodies, contains=contains):
            if form is TraceFormat.JSON:
                say(json.dumps(event, ensure_ascii=False))
            else:
                sys.stdout.writelines(f"{line}\n" for line in ladder.feed(event))
                sys.stdout.flush()
            seen += "dir" in event
            if count and seen >= count:
                return
