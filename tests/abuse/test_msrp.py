"""Hostile MSRP over TCP and TLS: refused as wanted, and nothing dies (threats.md M1 to M4)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.abuse.runner import load_cases, run_all
from tests.support.running import RunningNode

pytestmark = pytest.mark.timeout(120)


def test_every_msrp_case_comes_out_as_wanted(tmp_path: Path) -> None:
    """Against the anchor and the relay, over TCP and TLS at once."""
    listen = '["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]'
    extra = f'[msrp]\nanchor = "always"\nrelay = true\nlisten = {listen}\n'
    with (
        RunningNode(tmp_path / "node", extra=extra) as node,
        ThreadPoolExecutor(len(node.msrp)) as pool,
    ):
        sip = (("127.0.0.1", node.ports["udp"]), "udp")

        def attack(transport: str) -> list[str]:
            assert len(load_cases(transport)) == 16
            return run_all(("127.0.0.1", node.msrp[transport]), transport, "alice", sip)

        assert list(pool.map(attack, ("msrp", "msrps"))) == [[], []]
        assert node.metric("imsnode_faults_total") == 0, node.log()[-2000:]
