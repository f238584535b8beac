# SPDX-License-Identifier: Apache-2.0
"""Options that many commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ConfigOption", "Format", "FormatOption"]


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="IMSNODE_CONFIG",
        help="Configuration file; by default ./imsnode.toml when it exists.",
        show_default=False,
        metavar="FILE",
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", metavar="table|json|csv", help="How it is printed.")
]
