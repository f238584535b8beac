# SPDX-License-Identifier: Apache-2.0
"""The conformance pack against Kamailio, whose gaps it has to find."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.verify.catalogue import load
from imsnode.verify.outcome import Outcome
from imsnode.verify.run import Bench, run
from imsnode.verify.target import Target, account
from tests.interop.clients import PEERS, Program, free_port
from tests.support.running import eventually

TABLES = Path("/usr/share/kamailio/db_sqlite")
#: What Kamailio 5.6 as its default script makes it does otherwise than the clause says.
GAPS = {
    "RG-03 replay": "recorded credentials are taken",
    "RG-10 unknown-extension": "200",
    "PM-03 large": "1300 octets",
    "PM-05 offline": "Offline message",
    "PM-07 one-at-a-time": "before the first is answered",
    "PM-11 never-408": "408",
    "PM-18 composing-is-not-kept": "",
    "PR-03 stale-tag": "500",
    "IM-03 asserted-by-a-client": "passed on",
    "IM-04 charging-stays-inside": "passed on",
}
HOLDS = {"PM-01 online", "PM-02 two-devices", "PM-13 cpim", "PR-05 subscription", "MS-02 session",
         "RG-02 older-changes-nothing", "IM-03 privacy-id"}  # fmt: skip
LACKS = {"PM-19 recipient-list", "RM-01 conference", "RG-07 reg-event", "XC-01 document"}


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[int]:
    """Kamailio with a store of its own; gives its port."""
    program, port = shutil.which("kamailio"), free_port()
    assert program is not None
    if not (TABLES / "msilo-create.sql").exists():
        pytest.skip("no tables: Debian's kamailio-sqlite-modules is not installed")
    database = tmp_path / "kamailio.sqlite"
    with sqlite3.connect(database) as tables:
        for name in ("standard", "msilo", "presence"):
            tables.executescript((TABLES / f"{name}-create.sql").read_text())
    tables.close()
    text = (PEERS / "kamailio" / "verify.cfg").read_text()
    for word, value in (("VERIFY_PORT", str(port)), ("VERIFY_DB", f"sqlite:///{database}"),
                        ("VERIFY_FILE", str(database))):  # fmt: skip
        text = text.replace(word, value)
    config = tmp_path / "verify.cfg"
    config.write_text(text)
    folder = str(tmp_path)
    running = Program(
        [program, "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8", "-Y", folder, "-w", folder],
        tmp_path, "kamailio",
    )  # fmt: skip
    probe = "OPTIONS sip:ims.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1\r\n"
    probe += "From: <sip:a@b>;tag=1\r\nTo: <sip:ims.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    probe += "Max-Forwards: 9\r\nContent-Length: 0\r\n\r\n"

    def answers() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.settimeout(0.3)
            way.sendto(probe.encode(), ("127.0.0.1", port))
            try:
                return bool(way.recv(2000))
            except OSError:
                return False

    eventually(answers, 30.0, "kamailio to answer")
    yield port
    running.end()


@pytest.mark.peer("kamailio")
def test_known_gaps_are_found(kamailio: int) -> None:
    accounts = [account(f"{name}:pw-{name}", "ims.test") for name in ("alice", "bob")]
    bench = Bench(Target("UDP", "127.0.0.1", kamailio, "ims.test"), accounts, 4.0)
    wanted = {*GAPS, *HOLDS, *LACKS}
    chosen = [each for each in load() if f"{each.id} {each.name}" in wanted]
    assert len(chosen) == len(wanted)
    results = asyncio.run(run(chosen, bench, lambda result: None))
    found = {f"{each.flow.id} {each.flow.name}": each for each in results}
    for name, word in GAPS.items():
        assert found[name].outcome is Outcome.FAIL, found[name]
        assert word in found[name].reason
        assert any("SIP/2.0" in line or "|" in line for line in found[name].ladder)
    assert {name: found[name].outcome for name in HOLDS} == dict.fromkeys(HOLDS, Outcome.PASS)
    assert {found[name].outcome for name in LACKS} == {Outcome.NOT_APPLICABLE}
