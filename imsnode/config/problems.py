# SPDX-License-Identifier: Apache-2.0
"""Turning what is wrong with the settings into sentences for an operator."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .errors import Problem
from .types import Unit, duration_text, size_text

__all__ = [
    "describe_all",
    "known_keys",
    "masked",
    "table_of",
    "toml_value",
    "unit_of",
    "unknown_keys",
]


def table_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Give the model of the table a field holds, and whether it is a list of such tables."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, False
    for inner in get_args(kind):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner, True
    return None, False


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Walk all settings as (dotted key, field); tables in a list are written "peer[].name"."""
    for name, field in model.model_fields.items():
        table, listed = table_of(field)
        if table is None:
            yield f"{prefix}{name}", field
        else:
            yield from known_keys(table, f"{prefix}{name}{'[]' if listed else ''}.")


# Any: the values are what TOML holds, of every kind.
def unknown_keys(tree: Mapping[str, Any], model: type[BaseModel]) -> list[Problem]:
    """Name every key that is no setting, with the nearest one that is."""
    every = [key for key, _ in known_keys(model)]
    return list(_unknown(tree, model, "", every))


def _unknown(
    tree: Mapping[str, Any], model: type[BaseModel], prefix: str, every: list[str]
) -> Iterator[Problem]:
    for key, value in tree.items():
        field = model.model_fields.get(key)
        if field is None:
            yield Problem(prefix + key, "", "is not a setting", _advice(prefix + key, model, every))
            continue
        table, listed = table_of(field)
        if table is None:
            continue
        if listed and isinstance(value, list):
            for number, entry in enumerate(value):
                if isinstance(entry, dict):
                    yield from _unknown(entry, table, f"{prefix}{key}[{number}].", every)
        elif isinstance(value, dict):
            yield from _unknown(value, table, f"{prefix}{key}.", every)


def _advice(key: str, model: type[BaseModel], every: list[str]) -> str:
    """Name the nearest key: first in the same table, then the same word elsewhere."""
    prefix, _, word = key.rpartition(".")
    here = difflib.get_close_matches(word, list(model.model_fields), 1, 0.6)
    if here:
        return f"did you mean {prefix}.{here[0]}" if prefix else f"did you mean {here[0]}"
    same = [known for known in every if known.rpartition(".")[2] == word]
    near = same or difflib.get_close_matches(key, every, 1, 0.5)
    if not near:
        near = [k for k in every if difflib.get_close_matches(word, [k.rpartition(".")[2]], 1, 0.7)]
    if near:
        return f"did you mean {near[0]}"
    return "`imsnode config show` lists all settings"


def describe_all(error: ValidationError, origins: Mapping[str, str]) -> list[Problem]:
    """Turn the findings of pydantic into Problems, each fault once.

    Unknown keys are left to `unknown_keys`, and a list is not called too short because its
    entries were bad. `origins` tells which keys came from a variable.
    """
    items = [item for item in error.errors() if item["type"] != "extra_forbidden"]
    places = [item["loc"] for item in items]
    found = []
    for item in items:
        place = item["loc"]
        inner = any(len(p) > len(place) and p[: len(place)] == place for p in places)
        if not (item["type"] == "too_short" and inner):
            found.append(_describe(item, origins))
    return found


def _describe(item: ErrorDetails, origins: Mapping[str, str]) -> Problem:
    key = _dotted(item["loc"])
    value = "" if item["type"] == "missing" else masked(key, item["input"])
    reason, remedy = _sentence(item)
    origin = origins.get(key.partition("[")[0], "file")
    if origin != "file":
        remedy = f"{remedy} (set by the variable {origin})"
    return Problem(key, value, reason, remedy)


def _sentence(item: ErrorDetails) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        reason, _, remedy = str(context["error"]).partition(": ")
        return reason, remedy
    if kind == "missing":
        return "is required", "add it"
    if kind == "literal_error":
        return "is not one of the choices", f"choose {context['expected']}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        word, bound = next(iter(context.items()))
        words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
        return "is out of range", f"it must be {words[word]} {bound:g}"
    message = str(item["msg"])
    return message[:1].lower() + message[1:], "see `imsnode config explain`"


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "[" not in part:  # pydantic names union members in brackets
            text += f".{part}" if text else part
    return text


def unit_of(field: FieldInfo) -> str:
    """The unit a plain number counts: "seconds", "octets" or ""."""
    optional = [getattr(part, "__metadata__", ()) for part in get_args(field.annotation)]
    marks = chain(field.metadata, *optional)
    return next((item.name for item in marks if isinstance(item, Unit)), "")


def masked(key: str, value: object, unit: str = "") -> str:
    """Show a value as in TOML, in its unit, without the password of a database URL."""
    if key == "storage.url":
        head, at, tail = str(value).rpartition("@")
        scheme, slashes, login = head.partition("://")
        if at and slashes:
            user = login.partition(":")[0]
            value = f"{scheme}://{user}:***@{tail}" if ":" in login else value
    if unit == "seconds" and isinstance(value, int | float):
        value = duration_text(value)
    elif unit == "octets" and isinstance(value, int):
        value = size_text(value)
        if value.isdigit():
            return value
    return toml_value(value)


def toml_value(value: object) -> str:
    """Write a value the way TOML would; what is not set is shown as empty text."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'
