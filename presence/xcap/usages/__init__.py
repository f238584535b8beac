# SPDX-License-Identifier: Apache-2.0
"""The application usages of the server: every module here that has a USAGE."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..usage import Usage

__all__ = ["all_usages"]


@cache
def all_usages() -> tuple[Usage, ...]:
    """Return the usages, by AUID."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return tuple(sorted((module.USAGE for module in modules), key=lambda usage: usage.auid))
