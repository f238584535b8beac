# SPDX-License-Identifier: Apache-2.0
"""`imsnode presence`: what users publish, who follows them, what those see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from . import presence_rules
from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, printable, say, show_rows, timestamp
from .session import canonical_aor, database, load_config, wall_clock

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Database

    from .presencedesk import PresenceDesk

app = typer.Typer(no_args_is_help=True, help="Presence: what is published, and who may see it.")
app.add_typer(presence_rules.app, name="rules")

PUBLICATIONS = ("number", "user", "package", "etag", "type", "octets", "since", "expires_in")
WATCHERS = ("watcher", "state", "standing", "rule", "since", "expires_in", "number")

AorArgument = Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")]


@app.command("publications")
def publications(
    aor: Annotated[str | None, typer.Argument(metavar="[AOR]", help="Only this user.")] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List what users have published, with the seconds each has left."""
    settings = load_config(config)
    wanted = None if aor is None else canonical_aor(settings, aor, local=False)
    with database(settings) as opened:
        show_rows(PUBLICATIONS, _published(opened, wanted), form)


def _published(opened: Database, wanted: str | None) -> Iterator[list[Cell]]:
    from imsnode.storage.publications import read_publications

    wall = wall_clock()
    for number, kept in read_publications(opened):
        if wanted in (None, kept.resource) and kept.expires_at > wall:
            yield [
                number,
                kept.resource,
                kept.package,
                kept.etag.decode("ascii", "backslashreplace"),
                kept.content_type.decode("ascii", "backslashreplace"),
                len(kept.body),
                timestamp(kept.since),
                round(kept.expires_at - wall),
            ]


@app.command("watchers")
def watchers(
    aor: AorArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """List who follows a user's presence, how each stands and by which rule."""
    settings = load_config(config)
    name = canonical_aor(settings, aor)
    with database(settings) as opened:
        desk = _desk(settings, opened, name)
        rows = [
            [w.watcher, w.state, w.standing, w.rule, timestamp(w.since), w.expires_in, w.number]
            for w in desk.watchers()
        ]
    show_rows(WATCHERS, rows, form)


@app.command("show")
def show(
    aor: AorArgument,
    watcher: Annotated[
        str | None,
        typer.Option("--as", metavar="AOR", help="Only what this watcher sees, follower or not."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show a user's presence: all of it, then what each watcher sees and why, rule by rule."""
    settings = load_config(config)
    name = canonical_aor(settings, aor)
    only = None if watcher is None else canonical_aor(settings, watcher, local=False)
    with database(settings) as opened:
        desk = _desk(settings, opened, name)
        if only is None:
            say(f"presence of {name}")
            say(printable_lines(desk.document()))
        seen = [only] if only is not None else sorted({w.watcher for w in desk.watchers()})
        for one in seen:
            view = desk.view(one)
            say()
            say(f"{printable(one) or 'somebody without identity'}: {view.standing}, by {view.rule}")
            for step in view.steps:
                say(f"  {printable(step)}")
            if view.document:
                say(printable_lines(view.document))


def _desk(settings: Config, opened: Database, aor: str) -> PresenceDesk:
    from imsnode.storage import Accounts

    from .presencedesk import PresenceDesk

    if Accounts(opened).get(aor) is None:
        raise CommandError(f"there is no user {aor}")
    return PresenceDesk(settings, opened, aor, wall_clock())


def printable_lines(text: str) -> str:
    """Escape what steers a terminal in each line."""
    return "\n".join(printable(line) for line in text.splitlines())
