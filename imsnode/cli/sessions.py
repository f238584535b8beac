# SPDX-License-Identifier: Apache-2.0
"""`imsnode session`: MSRP sessions that pass through the running node."""

from __future__ import annotations

import typer

from .options import ConfigOption, Format, FormatOption
from .output import show_rows
from .session import load_config, node

app = typer.Typer(no_args_is_help=True, help="MSRP sessions that pass through the running node.")

COLUMNS = ("id", "call_id", "caller", "callee", "state", "age", "idle", "chunks", "octets")


@app.command("list")
def list_sessions(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List sessions: between whom, for how many seconds, and what has passed."""
    with node(load_config(config)) as client:
        rows = client.sessions()
    show_rows(COLUMNS, ([row[column] for column in COLUMNS] for row in rows), form)
