# SPDX-License-Identifier: Apache-2.0
"""What a node holds in memory for anchored sessions in which nothing passes.

    python -m benchmarks.msrp_idle [--sessions 10000]

Every session is a call of its own with its two connections. Where the system does not allow so many
open files, as many as it allows are looked at. The mark is 300 MiB for 10,000 of them, the node itself
included.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import resource
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.msrp import running
from session_msrp.media import ACTIVE

MARK_MIB = 300
_RESIDENT = re.compile(r"VmRSS:\s+(\d+) kB")
_MIB = 1 << 20
_SETTLE_S = 45.0  # the transactions of the last calls are over then (64*T1)
_SPARE_FILES = 500  # of a process, beside two for each session


class Held(NamedTuple):
    """Octets of the node alone, and with so many sessions."""

    sessions: int
    empty: int
    full: int

    def with_sessions(self, count: int) -> float:
        """Return what so many sessions take, by what each of those looked at took."""
        return self.empty + (self.full - self.empty) / self.sessions * count


def resident(pid: int) -> int:
    """Return the memory of a process in octets."""
    found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def measure(sessions: int = 10_000) -> Held:
    """Set the sessions up and look."""
    from tests.support.msrp import Dialog, MsrpClient

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    sessions = min(sessions, (most - _SPARE_FILES) // 2)
    files = 2 * sessions + _SPARE_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    bounds = f"[limits]\nconnections = {files}\nconnections_per_source = {files}\n"
    with contextlib.ExitStack() as stack:
        pid, alice, bob = stack.enter_context(running(sessions, bounds))
        empty = resident(pid)
        for _ in range(sessions):
            near, far = stack.enter_context(MsrpClient()), stack.enter_context(MsrpClient(ACTIVE))
            Dialog(alice, bob, near, far)
            near.open()
            far.open()
            near.send(b"hello")
            assert far.messages() == [b"hello"]
            near.listener.close()
            far.listener.close()
        time.sleep(_SETTLE_S)
        return Held(sessions, empty, resident(pid))


def table(held: Held) -> str:
    """Return the figure as a table."""
    each = (held.full - held.empty) / held.sessions / 1024
    whole = held.with_sessions(10_000) / _MIB
    reached = "" if whole <= MARK_MIB else ": not reached"
    return (
        "| idle MSRP sessions | measured | mark |\n|---|---|---|\n"
        f"| memory of a node with 10,000 | {whole:.0f} MiB: {each:.1f} KiB each, by {held.sessions:,} "
        f"sessions (empty {held.empty / _MIB:.0f} MiB){reached} | <= {MARK_MIB} MiB |"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--sessions", type=int, default=10_000)
    print(table(measure(options.parse_args().sessions)))


if __name__ == "__main__":
    main()
