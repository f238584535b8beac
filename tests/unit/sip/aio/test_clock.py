# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import pytest

from sip.aio.clock import SystemClock

DAY = 86400.0


@pytest.mark.parametrize("step", [10 * DAY, -10 * DAY])
def test_a_clock_that_is_set_moves_nothing(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    machine = time.time  # noqa: TID251
    clock = SystemClock()
    assert clock.wall() == pytest.approx(machine(), abs=1)
    assert clock.behind() == pytest.approx(0, abs=1)
    monkeypatch.setattr(time, "time", lambda: machine() + step)
    assert clock.wall() == pytest.approx(machine(), abs=1)
    assert clock.behind() == pytest.approx(step, abs=1)
    # The next run takes the new date.
    assert SystemClock().wall() == pytest.approx(machine() + step, abs=1)
