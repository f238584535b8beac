# SPDX-License-Identifier: Apache-2.0
"""What a reload would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from .loader import Config
from .problems import masked, table_of, unit_of

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs; `live` says whether a reload applies it."""

    key: str
    old: str
    new: str
    live: bool


def changes(old: Config, new: Config) -> list[Change]:
    """Compare two configurations, setting by setting; lists of tables count as one setting."""
    return list(_compare(old, new, ""))


def _compare(old: BaseModel, new: BaseModel, prefix: str) -> Iterator[Change]:
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        table, listed = table_of(field)
        if table is not None and not listed:
            yield from _compare(before, after, f"{prefix}{name}.")
            continue
        key = prefix + name
        extra = field.json_schema_extra
        live = table is not None or (isinstance(extra, dict) and extra.get("apply") == "live")
        if listed:
            yield Change(key, f"{len(before)} tables", f"{len(after)} tables", live)
        else:
            unit = unit_of(field)
            yield Change(key, masked(key, before, unit), masked(key, after, unit), live)
