# SPDX-License-Identifier: Apache-2.0
"""`imsnode presence`: what users publish, who follows them, what those see."""

from __future__ import annotations

import typer

from . import presence_rules

app = typer.Typer(no_args_is_help=True, help="Presence: what is published, and who may see it.")
app.add_typer(presence_rules.app, name="rules")
