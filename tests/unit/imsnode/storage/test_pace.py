# SPDX-License-Identifier: Apache-2.0
"""When the writer is roused, beside a loop that is played here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.storage import StorageSettings, open_storage, pace, writer
from imsnode.storage.pace import Pace
from tests.support.stores import WALL, message


class Loop:
    """Rounds of a loop; the time goes on only when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.roused = 0
        self._next: list[Callable[[], None]] = []
        self.pace = Pace(self._rouse, self._next.append)
        monkeypatch.setattr(pace.time, "monotonic", lambda: self.now)

    def _rouse(self) -> None:
        self.roused += 1

    def round(self, busy: bool) -> None:
        """Ask for what is ready, handle it, and run what was deferred."""
        if busy:
            self.pace.turned()
        due, self._next[:] = list(self._next), []
        for run in due:
            run()

    @property
    def at_rest(self) -> bool:
        return not self._next


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_a_lone_operation_waits_for_one_look_at_what_is_ready(loop: Loop) -> None:
    loop.pace.queued()
    loop.round(busy=True)
    assert loop.roused == 0
    loop.round(busy=False)
    assert loop.roused == 1
    assert loop.at_rest


def test_what_the_loop_has_in_hand_joins(loop: Loop) -> None:
    for _ in range(50):
        loop.pace.queued()
        loop.round(busy=True)
    assert loop.roused == 0
    loop.round(busy=False)
    assert loop.roused == 1


def test_a_loop_without_rest_does_not_keep_anybody_waiting(loop: Loop) -> None:
    loop.pace.queued()
    loop.round(busy=True)
    loop.now += 0.0041
    loop.round(busy=True)
    assert loop.roused == 1


def test_the_next_operation_is_watched_again(loop: Loop) -> None:
    for roused in (1, 2):
        loop.pace.queued()
        loop.round(busy=True)
        loop.round(busy=False)
        assert loop.roused == roused


def test_without_a_loop_nothing_waits() -> None:
    roused: list[bool] = []
    Pace(lambda: roused.append(True), None).queued()
    assert roused == [True]


def test_what_is_queued_during_a_commit_is_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looks again when results come back; no operation waits for the writer's tick."""
    monkeypatch.setattr(writer, "_TICK_S", 60.0)  # longer than a test may take

    async def run() -> int:
        loop = asyncio.get_running_loop()
        storage = open_storage(
            StorageSettings(f"sqlite:///{tmp_path / 'store.db'}"),
            loop.call_soon_threadsafe,
            lambda: WALL,
            defer=loop.call_soon,
        )
        results: list[object] = []
        all_done = asyncio.Event()

        def store() -> None:
            storage.messages.store(message(len(results)), done)

        def done(result: object) -> None:
            results.append(result)
            if len(results) < 200:
                loop.call_later(0.0002 * (len(results) % 5), store)
            elif len(results) == 207:
                all_done.set()

        for _ in range(8):
            store()
        await all_done.wait()
        storage.close()
        return len(results)

    assert asyncio.run(run()) == 207
