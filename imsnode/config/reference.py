# SPDX-License-Identifier: Apache-2.0
"""What each setting means: the source of `config show`, `config explain` and the reference."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .loader import ENV_PREFIX, Config
from .model import Settings
from .problems import known_keys, masked, table_of, unit_of

__all__ = ["Setting", "nearest", "settings", "tables", "values"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as an operator sees it.

    `kind` says how it is written, `unit` what a plain number counts ("" when nothing), `default`
    is TOML ("" when it is required), `bounds` reads "1 to 10" or is empty, `apply` is "live" or
    "restart", `variable` the environment variable that sets it ("" inside a list of tables).
    """

    key: str
    description: str
    kind: str
    unit: str
    default: str
    bounds: str
    apply: str
    variable: str


def settings() -> list[Setting]:
    """All settings in the order of the file."""
    return [_setting(key, field) for key, field in known_keys(Settings)]


def tables() -> Iterator[tuple[str, str, bool]]:
    """All tables: name, what it is for, and whether there may be several."""
    for name, field in Settings.model_fields.items():
        table, listed = table_of(field)
        if table is not None:
            yield name, (table.__doc__ or "").strip(), listed


def nearest(key: str) -> str:
    """The known key most like `key`, or ""."""
    every = [setting.key for setting in settings()]
    found = [known for known in every if known.rpartition(".")[2] == key]
    return (found or difflib.get_close_matches(key, every, 1, 0.5) or [""])[0]


def values(config: Config) -> Iterator[tuple[str, str, str]]:
    """All settings in effect as (key, TOML value, where it comes from)."""
    yield from _values(config, config, "")


def _values(config: Config, model: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(model).model_fields.items():
        table, listed = table_of(field)
        value = getattr(model, name)
        key = f"{prefix}{name}"
        if table is None:
            origin = config.origins.get(key.partition("[")[0], "")
            yield (
                key,
                masked(key, value, unit_of(field)),
                origin or ("file" if "[" in key else "default"),
            )
        elif listed:
            for number, entry in enumerate(value):
                yield from _values(config, entry, f"{key}[{number}].")
        else:
            yield from _values(config, value, f"{key}.")


def _setting(key: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra
    default, unit = field.default, unit_of(field)
    return Setting(
        key=key,
        description=field.description or "",
        kind=_kind(field.annotation, field.metadata),
        unit=unit,
        default="" if default is PydanticUndefined else masked(key, default, unit),
        bounds=_bounds(field.metadata, unit),
        apply=str(extra["apply"]) if isinstance(extra, dict) else "restart",
        variable="" if "[]" in key else ENV_PREFIX + key.upper().replace(".", "__"),
    )


# Any: annotations are of every kind there is.
def _kind(annotation: Any, metadata: list[Any]) -> str:
    for item in metadata:
        schema = getattr(item, "json_schema", None)
        if isinstance(schema, dict):
            return str(schema["type"])
    if get_origin(annotation) is Literal:
        return " | ".join(f'"{choice}"' for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_kind(*_parts(get_args(annotation)[0]))}"
    choices = [part for part in get_args(annotation) if part is not type(None)]
    if choices:
        return _kind(*_parts(choices[0]))
    names = {bool: "true | false", int: "whole number", float: "number", str: "text"}
    return names.get(annotation, "path")


def _parts(annotation: Any) -> tuple[Any, list[Any]]:
    """Take an Annotated type apart into the type and what it is annotated with."""
    metadata = list(getattr(annotation, "__metadata__", ()))
    return (annotation.__origin__ if metadata else annotation), metadata


def _bounds(metadata: list[Any], unit: str) -> str:
    found: dict[str, str] = {}
    for item in metadata:
        for word in ("ge", "gt", "le"):
            if (bound := getattr(item, word, None)) is not None:
                found[word] = masked("", bound, unit).strip('"')
    low = found.get("ge") or (f"above {found['gt']}" if "gt" in found else "")
    return f"{low} to {found['le']}" if low and "le" in found else low
