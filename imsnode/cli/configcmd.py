# SPDX-License-Identifier: Apache-2.0
"""`imsnode config`: settings and what they mean."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .errors import UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows
from .session import load_config

app = typer.Typer(no_args_is_help=True, help="Settings: check, show, explain.")

NOT_SETTINGS = ("IMSNODE_CONFIG", "IMSNODE_FAIL_POINT")


@app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check the whole configuration; names every problem and its remedy."""
    from imsnode.config.checks import missing_files
    from imsnode.config.errors import ConfigError
    from imsnode.config.loader import ENV_PREFIX
    from imsnode.config.reference import settings

    loaded = load_config(config)
    if problems := missing_files(loaded):
        raise ConfigError(problems, str(loaded.path or ""))
    known = {setting.variable for setting in settings() if setting.variable}
    for name in sorted(os.environ):
        if name.startswith(ENV_PREFIX) and name not in NOT_SETTINGS and name not in known:
            say(f"the variable {name} sets nothing")
    say(f"{loaded.path or 'defaults and environment'}: fine")


@app.command("show")
def show(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """Show every setting in effect and where it comes from; passwords are masked."""
    from imsnode.config.reference import values

    show_rows(("key", "value", "from"), values(load_config(config)), form)


@app.command("explain")
def explain(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Such as pager.defer_after.")],
    config: ConfigOption = None,
) -> None:
    """Explain a setting, or all settings of a table."""
    from imsnode.config.reference import nearest, settings, values

    wanted = key.partition("[")[0] + "[]" + key.partition("]")[2] if "[" in key else key
    found = [
        s for s in settings() if s.key == wanted or s.key.startswith((f"{wanted}.", f"{wanted}[]."))
    ]
    if not found:
        near = nearest(key)
        advice = f"did you mean {near}" if near else "`imsnode config show` lists all settings"
        raise UsageError(f"{key} is not a setting; {advice}")
    current = {name: (value, origin) for name, value, origin in values(load_config(config))}
    for number, setting in enumerate(found):
        if number:
            say()
        say(f"{setting.key}")
        say(f"  {setting.description}")
        bounds = f", {setting.bounds}" if setting.bounds else ""
        unit = f", plain numbers are {setting.unit}" if setting.unit else ""
        say(f"  written as   {setting.kind}{bounds}{unit}")
        say(f"  default      {setting.default or 'none: it is required'}")
        if setting.key in current:
            value, origin = current[setting.key]
            say(f"  now          {value} ({origin})")
        if setting.variable:
            say(f"  variable     {setting.variable}")
        applied = "when reloaded" if setting.apply == "live" else "when the node starts"
        say(f"  takes effect {applied}")
