# SPDX-License-Identifier: Apache-2.0
"""The conformance pack against a real node: by the command, and flow by flow."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.verify.catalogue import Need, load
from imsnode.verify.outcome import Outcome, Result
from imsnode.verify.run import Bench, run
from imsnode.verify.target import account, target
from tests.support import forking
from tests.support.running import RunningNode

EXTRA = (
    '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\n[rooms]\nenabled = "on"\n'
    "[presence]\nnotify_interval = 0\n"
    "[limits]\nregister_burst = 1000\nmessage_burst = 1000\nsubscribe_burst = 1000\n"
)
#: These wait for what must not come, and are in the way of nothing else.
SLOW = {"PM-07", "PM-09", "PM-12", "PM-18", "PM-19", "PM-21", "PR-08", "PR-18"}
#: By its configuration: one algorithm, no service for push, and Path of clients is not believed.
LACKS = {"RG-03 strongest-first", "RG-04 path", "RG-09 unknown-push-service"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(
        tmp_path_factory.mktemp("verify") / "node", extra=EXTRA, users=("alice", "bob")
    ) as running:
        yield running


def verified(node: RunningNode, transport: str, flows: set[str] | None = None) -> list[Result]:
    where = target(f"sip:127.0.0.1:{node.ports[transport]};transport={transport}", "ims.test")
    accounts = [account(f"{name}:pw-{name}", "ims.test") for name in ("alice", "bob")]
    bench = Bench(where, accounts, 4.0, f"http://{node.http}/xcap")
    chosen = [
        each
        for each in load(ids=flows or ())
        if Need.TIME not in each.needs and (flows or each.id not in SLOW)
    ]
    return asyncio.run(run(chosen, bench, lambda result: None))


def test_the_node_does_as_the_clauses_say(node: RunningNode) -> None:
    results = verified(node, "udp")
    assert len(results) > 50
    other = {f"{one.flow.id} {one.flow.name}": one for one in results
             if one.outcome is not Outcome.PASS}  # fmt: skip
    assert not [each for each in other.values() if each.outcome is Outcome.FAIL], other
    assert set(other) <= LACKS, other


def test_over_tcp_too(node: RunningNode) -> None:
    results = verified(node, "tcp", {"RG-01", "PM-01", "PR-05", "MS-02"})
    assert {each.outcome for each in results} == {Outcome.PASS}


def test_a_server_that_is_not_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"sip:127.0.0.1:{nobody.getsockname()[1]}"
        words = ["imsnode", "verify", server, "--user", "alice:x", "--wait", "0.2"]
        done = forking.run(words, "", 60.0)
    assert done.returncode == 1
    assert "no final answer to OPTIONS within 0.2 s" in done.stdout + done.stderr


def test_the_command(node: RunningNode, tmp_path: Path) -> None:
    """Exit codes by contract, reports where they are wanted; --xcap is missing."""
    server = f"sip:127.0.0.1:{node.ports['udp']}"
    csv, junit, html = (tmp_path / name for name in ("users.csv", "junit.xml", "page.html"))
    csv.write_text("aor,password\nsip:alice@ims.test,pw-alice\nsip:bob@ims.test,pw-bob\n")

    def verify(*words: str) -> tuple[int, str]:
        done = forking.run(["imsnode", "verify", server, *words], "", 60.0)
        return done.returncode, done.stdout + done.stderr

    good = verify("--domain", "ims.test", "--users", str(csv), "--flow", "PM-01", "--flow", "XC-06",
                  "--junit", str(junit), "--html", str(html))  # fmt: skip
    assert good[0] == 0, good
    assert "2 flows: 1 pass, 0 fail, 1 not applicable" in good[1]
    assert b"<testsuite " in junit.read_bytes()
    assert "PM-01" in html.read_text()
    code, said = verify("--domain", "ims.test", "--user", "alice:wrong", "--flow", "RG-02",
                        "--format", "json")  # fmt: skip
    assert (code, json.loads(said)[0]["outcome"]) == (1, "fail")
    for words in (("--user", "alice:x", "--suite", "letters"), ("--user", "alice"),
                  ("--user", "alice:x", "--flow", "PM-99"), ()):  # fmt: skip
        assert verify(*words)[0] == 2
