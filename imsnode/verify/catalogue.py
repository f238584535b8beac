# SPDX-License-Identifier: Apache-2.0
"""What a flow is, and which flows there are."""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from inspect import cleandoc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .lab import Lab

__all__ = ["Flow", "Need", "Suite", "flow", "load"]

Run = Callable[["Lab"], Awaitable[None]]


class Suite(StrEnum):
    """What can be chosen."""

    REGISTRAR = "registrar"
    PAGER = "pager"
    PRESENCE = "presence"
    MSRP = "msrp"
    XCAP = "xcap"
    IMS = "ims"


class Need(StrEnum):
    """What a flow needs beside users: an address that the caller has to name, or time."""

    XCAP = "xcap"
    TIME = "time"  # more than half a minute


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. id: of docs/reference/conformance.md; clause: where its rule stands.

    users: so many accounts it plays. run: plays it; raises `Failed` or `NotApplicable`.
    """

    id: str
    name: str
    title: str
    clause: str
    suite: Suite
    users: int
    needs: frozenset[Need]
    run: Run


def flow(
    number: str, clause: str, *, suite: Suite, users: int = 1, needs: Collection[Need] = ()
) -> Callable[[Run], Flow]:
    """Make a flow of the function below; its docstring says what has to hold."""

    def made(run: Run) -> Flow:
        title = cleandoc(run.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
        name = run.__name__.replace("_", "-")
        return Flow(number, name, title, clause, suite, users, frozenset(needs), run)

    return made


def load(suites: Collection[Suite] = (), ids: Collection[str] = ()) -> list[Flow]:
    """Return the flows of some suites, none named: of all, suite by suite.

    Args: ids: of the flows that are wanted, such as PM-01; none named: all.
    """
    package = import_module(f"{__package__}.flows")
    found: list[Flow] = []
    for module in sorted(each.name for each in pkgutil.iter_modules(package.__path__)):
        values = vars(import_module(f"{package.__name__}.{module}")).values()
        found += [value for value in values if isinstance(value, Flow)]
    wanted = {each.upper() for each in ids}
    order = list(Suite)
    found.sort(key=lambda each: (order.index(each.suite), each.id))
    return [
        each
        for each in found
        if (not suites or each.suite in suites) and (not wanted or each.id in wanted)
    ]
