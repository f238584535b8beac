# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal

import pytest

from imsnode.storage import failpoints
from imsnode.storage.failpoints import AFTER_COMMIT, BEFORE_COMMIT, FailPoint


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    signals: list[int] = []
    monkeypatch.setattr(failpoints.os, "kill", lambda process, number: signals.append(number))
    return signals


def test_only_its_point_kills(killed: list[int]) -> None:
    point = FailPoint(BEFORE_COMMIT)
    point.reach(AFTER_COMMIT)
    assert killed == []
    point.reach(BEFORE_COMMIT)
    assert killed == [signal.SIGKILL]


def test_it_kills_at_the_time_that_was_asked_for(killed: list[int]) -> None:
    point = FailPoint(f"{AFTER_COMMIT}:3")
    point.reach(AFTER_COMMIT)
    point.reach(AFTER_COMMIT)
    assert killed == []
    point.reach(AFTER_COMMIT)
    assert killed == [signal.SIGKILL]


@pytest.mark.parametrize("spec", ["", "nowhere", "before_commit:x"])
def test_an_unknown_point_is_refused(spec: str) -> None:
    with pytest.raises(ValueError):
        FailPoint(spec)
