"""SHA-256 with a client that knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.clients import Bench, Pjsua
from tests.support.phone import Phone
from tests.support.running import RunningNode


@pytest.fixture(scope="module", params=[["SHA-256"], ["SHA-256", "MD5"]], ids="+".join)
def strict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningNode, list[str]]]:
    """A node that offers the stronger algorithm, alone or first."""
    directory = tmp_path_factory.mktemp("digest") / "node"
    offered = ", ".join(f'"{name}"' for name in request.param)
    with RunningNode(directory, extra=f"[auth]\nalgorithms = [{offered}]\n") as running:
        yield running, request.param


def challenges(node: RunningNode, *lines: str) -> list[str]:
    """Algorithms of the challenges that a REGISTER with these further lines gets."""
    with Phone(("127.0.0.1", node.ports["udp"]), "carol", password="") as phone:
        found = phone.register(lines=lines).all("www-authenticate")
    return [re.findall(r"algorithm=([^,]*)", line)[0] for line in found]


def test_what_is_offered(strict: tuple[RunningNode, list[str]]) -> None:
    """One challenge each, strongest first; the strongest alone where two are too long an answer."""
    node, offered = strict
    assert challenges(node, "Supported: " + "path, " * 40 + "path") == offered
    assert challenges(node) == ["SHA-256"]


@pytest.mark.peer("pjsua2")
def test_pjsua2_answers_it(strict: tuple[RunningNode, list[str]], tmp_path: Path) -> None:
    node, _ = strict
    bench = Bench(node, node.ports, tmp_path / "peers")
    try:
        alice, bob = Pjsua(bench, "alice"), Pjsua(bench, "bob", "tcp")
        assert alice.send("bob", "sealed") == 200
        assert bob.event("msg_in")["body"] == "sealed"
    finally:
        bench.close()
