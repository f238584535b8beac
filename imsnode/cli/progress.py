# SPDX-License-Identifier: Apache-2.0
"""A progress bar on standard error, where a person looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

__all__ = ["Progress"]


class Progress:
    """Shows the steps of one command; silent when standard error is not a terminal."""

    __slots__ = ("_bars",)

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description:8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Begin a step of `total` items; the function given is told how many are done."""
        task = self._bars.add_task(name, total=total)
        yield lambda done: self._bars.update(task, completed=done)
        self._bars.update(task, completed=total)
