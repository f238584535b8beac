# SPDX-License-Identifier: Apache-2.0
"""`imsnode binding`: where users can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import printable, say, show_rows
from .session import canonical_aor, database, load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imsnode.config import Config
    from imsnode.storage import Database
    from sip.registrar import Binding

app = typer.Typer(no_args_is_help=True, help="Bindings: where users can be reached.")

COLUMNS = (
    "aor", "contact", "expires_in", "q", "flow", "instance", "reg_id", "path", "user_agent",
)  # fmt: skip


@app.command("list")
def list_bindings(
    aor: Annotated[str | None, typer.Argument(metavar="[AOR]", help="Only this user.")] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List bindings, with the seconds each has left."""
    settings = load_config(config)
    wanted = canonical_aor(settings, aor, local=False) if aor is not None else None
    with database(settings) as opened:
        show_rows(COLUMNS, _rows(opened, wanted), form)


def _rows(opened: Database, wanted: str | None) -> Iterator[tuple[str | int | float, ...]]:
    from imsnode.storage import read_locations
    from sip.aio.clock import SystemClock

    clock = SystemClock()
    now = clock.now()
    for aor, state in read_locations(opened, now, clock.wall()):
        if wanted in (None, aor):
            for binding in state.bindings:
                yield _row(aor, binding, now)


def _row(aor: str, binding: Binding, now: float) -> tuple[str | int | float, ...]:
    transport, host, port = binding.received
    return (
        aor,
        binding.contact.decode("utf-8", "backslashreplace"),
        max(0, round(binding.expires_at - now)),
        binding.q / 1000,
        f"{transport.lower()}:{host}:{port}",
        binding.instance,
        binding.reg_id,
        " ".join(hop.decode("utf-8", "backslashreplace") for hop in binding.path),
        binding.user_agent.decode("utf-8", "backslashreplace"),
    )


@app.command("remove")
def remove(
    aor: Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")],
    contact: Annotated[
        str | None,
        typer.Argument(metavar="[CONTACT]", help="The contact as listed; without it all go."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Remove one binding of a user, or all of them."""
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    count = _remove(settings, name, contact)
    if not count:
        what = printable(contact) if contact is not None else "any binding"
        raise CommandError(f"{name} does not have {what}")
    say(f"removed {count}")


def _remove(settings: Config, aor: str, contact: str | None) -> int:
    """Remove through the running node, or in the database when none runs."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning
    from imsnode.storage import remove_bindings
    from sip.aio.clock import SystemClock

    try:
        with ControlClient(settings.control_socket) as client:
            return client.remove_binding(aor, contact)
    except ControlRefused as error:
        raise CommandError(str(error)) from error
    except NodeNotRunning:
        pass
    clock = SystemClock()
    with database(settings) as opened:
        return remove_bindings(opened, aor, contact, clock.now(), clock.wall())
