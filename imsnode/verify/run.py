# SPDX-License-Identifier: Apache-2.0
"""Runs flows, one after the other, and says what came of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sip.aio import SystemClock

from .catalogue import Flow, Need
from .lab import Lab
from .outcome import Failed, NotApplicable, Outcome, Result
from .tape import Tape
from .target import Account, Target

__all__ = ["Bench", "reach", "run"]

_FLOW_S: Final = 60.0  # the longest that a flow may take
_QUIET: Final = logging.CRITICAL + 1
_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class Bench:
    """What flows are run with. quick: those that need time are left out."""

    target: Target
    accounts: Sequence[Account]
    patience: float = 5.0
    xcap: str = ""
    quick: bool = False

    def lacks(self, flow: Flow) -> str:
        """Say why a flow cannot be run, "" when it can."""
        if flow.users > len(self.accounts):
            return f"it needs {flow.users} users (--user)"
        if Need.XCAP in flow.needs and not self.xcap:
            return "it needs an XCAP root (--xcap)"
        if Need.TIME in flow.needs and self.quick:
            return "it takes more than half a minute (--quick)"
        return ""


async def run(flows: Iterable[Flow], bench: Bench, done: Callable[[Result], None]) -> list[Result]:
    """Run flows; ``done`` hears of each at once."""
    logging.getLogger("sip").setLevel(_QUIET)
    results = []
    for flow in flows:
        result = await _one(flow, bench)
        results.append(result)
        done(result)
    return results


async def reach(bench: Bench) -> str:
    """Say why nothing can be verified, "" when the server answers at all."""
    lab = Lab(bench.target, bench.accounts, Tape("", _CLOCK.wall), bench.patience)
    try:
        phone = await lab.phone(lab.alice)
        await phone.request("OPTIONS", f"sip:{lab.domain}")
    except Failed as why:
        return str(why)
    finally:
        await lab.close()
    return ""


async def _one(flow: Flow, bench: Bench) -> Result:
    lacking = bench.lacks(flow)
    if lacking:
        return Result(flow, Outcome.NOT_APPLICABLE, lacking)
    tape = Tape(bench.target.host, _CLOCK.wall)
    lab = Lab(bench.target, bench.accounts, tape, bench.patience, bench.xcap)
    began = time.monotonic()
    outcome, reason = Outcome.PASS, ""
    try:
        async with asyncio.timeout(_FLOW_S):
            await flow.run(lab)
    except NotApplicable as why:
        outcome, reason = Outcome.NOT_APPLICABLE, str(why)
    except Failed as why:
        outcome, reason = Outcome.FAIL, str(why)
    except TimeoutError:
        outcome, reason = Outcome.FAIL, f"it is not over after {_FLOW_S:g} s"
    except Exception as error:  # noqa: BLE001 - what the server sent broke the flow: the others go on
        outcome, reason = Outcome.FAIL, f"{type(error).__name__}: {error}"
    finally:
        took = time.monotonic() - began
        ladder = tape.ladder()
        await lab.close()
    return Result(flow, outcome, reason, took, ladder if outcome is Outcome.FAIL else ())
