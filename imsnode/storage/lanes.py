# SPDX-License-Identifier: Apache-2.0
"""What the writer carries: lanes of like operations, and the handle by which they are submitted.

A lane turns the operations of one kind that are in a group into as few statements as possible.
Lanes run in the order in which the writer was given them; reading lanes run after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

__all__ = [
    "Background",
    "Completions",
    "Done",
    "Item",
    "Lane",
    "Operation",
    "Result",
    "Submit",
    "execute_lane",
]

_log = logging.getLogger(__name__)

# Any: each lane has its own item and result types; the writer only carries them from submit()
# to the lane and back to the callback, in order.
Item = Any
Result = Any
Done = Callable[[Result], None]
Operation = tuple["Lane", Item, Done | None]


class Lane(Protocol):
    """One kind of operation. All methods but ``failed`` run on the writer's thread."""

    reads: bool
    """True for a lane that only reads: it runs after the commit of its group."""

    def attach(self, connection: Connection) -> None:
        """Prepare for a new connection, or again after a group was rolled back."""
        ...

    def execute(self, connection: Connection, items: Sequence[Item]) -> Sequence[Result]:
        """Do all items inside the running transaction; one result each, in their order."""
        ...

    def committed(self) -> None:
        """Take note that what ``execute`` wrote last is durable."""
        ...

    def failed(self, item: Item, reason: str) -> Result:
        """Return the result that says an item was not done."""
        ...


class Background(Protocol):
    """Work that may wait: done in small transactions of its own."""

    def attach(self, connection: Connection) -> None:
        """Prepare for a new connection, or again after a step was rolled back."""
        ...

    def due(self, now: float, urgent: bool) -> bool:
        """True when ``step`` has something to do at ``now`` (monotonic seconds).

        urgent: the store is about to close, or was asked to flush; said to buffers only.
        """
        ...

    def step(self, connection: Connection) -> bool:
        """Do a few milliseconds of work in the running transaction; False when none is left."""
        ...

    def committed(self, now: float) -> None:
        """Take note that the step is durable."""
        ...

    def failed(self, now: float, refused: bool) -> None:
        """Take note that the step was rolled back; what it took up has to be kept or given up.

        refused: the engine does not take what was to be written; else the store is in trouble.
        """
        ...


class Submit(Protocol):
    """Hand an operation to the writer."""

    def __call__(self, lane: Lane, item: Item, done: Done | None) -> None:
        """Queue an item; ``done`` gets its result, later, on the thread of the event loop."""
        ...


class Completions:
    """The results of one group, for the thread of the event loop."""

    __slots__ = ("_pairs", "_then")

    def __init__(self, pairs: list[tuple[Done, Result]], then: Callable[[], None]) -> None:
        self._pairs = pairs
        self._then = then

    def run(self) -> None:
        """Call back everyone; one that fails does not keep the others waiting."""
        for done, result in self._pairs:
            try:
                done(result)
            except Exception:  # noqa: BLE001 - the root of what runs for other messages (G1)
                _log.exception("a storage callback failed")
        self._then()


def execute_lane(
    connection: Connection, lane: Lane, operations: list[Operation]
) -> list[tuple[Done, Result]]:
    """Execute operations of one lane; return whom to tell what."""
    results = lane.execute(connection, [operation[1] for operation in operations])
    return [
        (operation[2], result)
        for operation, result in zip(operations, results, strict=True)
        if operation[2] is not None
    ]
