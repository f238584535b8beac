# SPDX-License-Identifier: Apache-2.0
"""All commands. Those that need much code import it when they run, so that every start is fast."""

from __future__ import annotations

from typing import Annotated

import typer

from imsnode import __version__

from . import (
    bindings,
    broadcasts,
    cdr,
    configcmd,
    dbcmd,
    groups,
    ifc,
    messages,
    nodecmd,
    peers,
    policy,
    presence,
    push,
    reports,
    rooms,
    services,
    sessions,
    subscriptions,
    tokens,
    users,
    xcap,
)
from .demo import demo
from .history import history
from .output import say
from .verify import verify
from .why import why

__all__ = ["app"]

app = typer.Typer(
    name="imsnode",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="imsnode, a SIP/IMS messaging node.",
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"imsnode {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A SIP/IMS messaging node: registrar, proxy, messages online and offline.

    Exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration.
    """


app.command("init")(nodecmd.init)
app.command("serve")(nodecmd.serve)
app.command("demo")(demo)
app.command("status")(nodecmd.status)
app.command("reload")(nodecmd.reload)
app.command("trace")(nodecmd.trace)
app.command("why")(why)
app.command("history")(history)
app.command("verify")(verify)
app.add_typer(users.app, name="user")
app.add_typer(groups.app, name="group")
app.add_typer(rooms.app, name="room")
app.add_typer(messages.app, name="message")
app.add_typer(tokens.app, name="token")
app.add_typer(services.app, name="service")
app.add_typer(broadcasts.app, name="broadcast")
app.add_typer(policy.app, name="policy")
app.add_typer(peers.app, name="peer")
app.add_typer(ifc.app, name="ifc")
app.add_typer(presence.app, name="presence")
app.add_typer(push.app, name="push")
app.add_typer(reports.app, name="report")
app.add_typer(xcap.app, name="xcap")
app.add_typer(subscriptions.app, name="subscription")
app.add_typer(bindings.app, name="binding")
app.add_typer(sessions.app, name="session")
app.add_typer(cdr.app, name="cdr")
app.add_typer(configcmd.app, name="config")
app.add_typer(dbcmd.app, name="db")
