# SPDX-License-Identifier: Apache-2.0
"""`imsnode subscription`: who follows what."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows, timestamp
from .session import canonical_aor, database, load_config, wall_clock

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Database

app = typer.Typer(no_args_is_help=True, help="Subscriptions: who follows what (SUBSCRIBE).")

COLUMNS = ("number", "package", "resource", "watcher", "since", "expires_in", "call_id", "contact")


class Reason(StrEnum):
    """Why a subscription ends."""

    DEACTIVATED = "deactivated"
    PROBATION = "probation"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    GIVEUP = "giveup"
    NORESOURCE = "noresource"
    INVARIANT = "invariant"


_LATER = (Reason.PROBATION, Reason.GIVEUP)


@app.command("list")
def list_subscriptions(
    to: Annotated[
        str | None, typer.Option("--to", metavar="AOR", help="Only those to this user.")
    ] = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="AOR", help="Only those of this watcher.")
    ] = None,
    package: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this event package.")
    ] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List subscriptions, with the seconds each has left.

    A watcher who left before the user decided has no seconds and no contact.
    """
    settings = load_config(config)
    resource = None if to is None else canonical_aor(settings, to, local=False)
    watcher = None if of is None else canonical_aor(settings, of, local=False)
    with database(settings) as opened:
        show_rows(COLUMNS, _rows(opened, resource, watcher, package), form)


def _rows(
    opened: Database, resource: str | None, watcher: str | None, package: str | None
) -> Iterator[list[Cell]]:
    from imsnode.storage.subscriptions import read_subscriptions

    wall = wall_clock()
    for number, kept in read_subscriptions(opened):
        if not kept.waiting and kept.expires_at <= wall:
            continue
        if resource in (None, kept.resource) and watcher in (None, kept.watcher):
            if package not in (None, kept.package):
                continue
            yield [
                number,
                kept.package,
                kept.resource,
                kept.watcher,
                timestamp(kept.since),
                None if kept.waiting else round(kept.expires_at - wall),
                kept.call_id.decode("utf-8", "backslashreplace"),
                kept.remote_target.decode("utf-8", "backslashreplace"),
            ]


@app.command("remove")
def remove(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As listed.")],
    reason: Annotated[
        Reason,
        typer.Option(
            help="What the watcher is told (RFC 6665 4.1.3): come back at once (deactivated, "
            "timeout), later (probation, giveup), or not at all."
        ),
    ] = Reason.DEACTIVATED,
    retry_after: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", help="With probation and giveup: when to come back.", min=0
        ),
    ] = 0,
    config: ConfigOption = None,
) -> None:
    """End a subscription; its watcher is told when the node runs."""
    settings = load_config(config)
    later = retry_after if reason in _LATER and retry_after else -1
    if not _remove(settings, number, reason, later):
        raise CommandError(f"there is no subscription {number}")
    say("removed 1")


def _remove(settings: Config, number: int, reason: Reason, retry_after: int) -> bool:
    """Remove through the running node, or in the database when none runs."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning
    from imsnode.storage.subscriptions import remove_subscription

    try:
        with ControlClient(settings.control_socket) as client:
            return client.remove_subscription(number, reason.value, retry_after) > 0
    except ControlRefused as error:
        raise CommandError(str(error)) from error
    except NodeNotRunning:
        pass
    with database(settings) as opened:
        return remove_subscription(opened, number)
