# SPDX-License-Identifier: Apache-2.0
"""Settings of what is kept and written: store, ledger, history, charging records, log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .table import DAY, HOUR, KIB, Table, live, restart
from .types import Octets, OptionalPath, Retention, Seconds

__all__ = ["Cdr", "History", "Ledger", "Log", "Storage"]


class Storage(Table):
    """Where accounts, bindings, messages and the ledger are kept."""

    url: str = restart(
        "sqlite:///imsnode.db",
        "Database: sqlite:///FILE, relative to the configuration file, or "
        "postgresql://USER:PASSWORD@HOST/NAME.",
    )


class Ledger(Table):
    """The record of every step a message took."""

    retention: Seconds = live(
        30 * DAY, "How long the steps of a message can be asked for.", ge=HOUR, le=3660 * DAY
    )


class History(Table):
    """What users sent and received, for their own devices and commands."""

    retention: Retention = live(
        "30d",
        "How long a message stays in the history of its sender and its recipient: a time, none, or "
        "until-displayed (until its reader says that it was displayed, 30d at most).",
    )
    carbons: bool = live(
        False,
        "Whether what one device of a user sends goes to the user's other devices too; a device "
        "can ask for it, or against it, when it registers.",
    )


class Cdr(Table):
    """Charging records: one JSON line per message."""

    file: OptionalPath = restart(
        Path("cdr.jsonl"),
        'File for the records, relative to the configuration file; "" writes none.',
    )
    rotate_size: Octets = restart(
        64 * 1024 * KIB, "Size at which a new file is begun.", ge=64 * KIB, le=1024**4
    )
    keep: int = restart(10, "Older files that are kept.", ge=0, le=100_000)


class Log(Table):
    """What goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = live(
        "info", "Least important events that are written."
    )
    format: Literal["console", "json"] = restart(
        "console", "One line for people, or one JSON object, per event."
    )
