# SPDX-License-Identifier: Apache-2.0
"""`imsnode push`: push notifications that wake devices."""

from __future__ import annotations

import typer

from .options import ConfigOption
from .output import say
from .session import load_config

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Push notifications that wake devices.")


@app.callback()
def push() -> None:
    """Push notifications that wake devices."""


@app.command("secret")
def secret(config: ConfigOption = None) -> None:
    """Print what notifications to the webhook are signed with (standardwebhooks.com)."""
    from imsnode.push.webhook import webhook_secret
    from imsnode.secret import SECRET_FILE, node_secret

    settings = load_config(config)
    say(webhook_secret(node_secret(settings.directory / SECRET_FILE)))
