"""One node for the whole folder, and a bench with users of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.clients import Bench
from tests.support.running import RunningNode

LISTEN = (
    "udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0",
)  # fmt: skip
_numbers = itertools.count()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    users = [f"user{number}" for number in range(200)]
    directory = tmp_path_factory.mktemp("interop") / "node"
    # Watchers are let in; nobody is there to decide about them.
    habits = (
        '[presence]\nstrangers = "allow"\nnotify_interval = 0\n'
        '[msrp]\nanchor = "always"\nrelay = true\nrelay_plain = true\n'
        'listen = ["tcp:127.0.0.1:0", "tls:127.0.0.1:0"]\n'
    )
    https = {"IMSNODE_HTTP__TLS_LISTEN": "127.0.0.1:0"}
    with RunningNode(
        directory, listen=LISTEN, users=users, extra=habits, environment=https
    ) as running:
        yield running


@pytest.fixture(scope="session")
def ports(node: RunningNode) -> dict[str, int]:
    """The node's ports by transport; IPv6 has a 6 behind."""
    found = {}
    for listener in node.listen:
        transport, address = listener.split(":", 1)
        host, port = address.rsplit(":", 1)
        found[transport + ("6" if host.startswith("[") else "")] = int(port)
    return found


@pytest.fixture
def bench(node: RunningNode, ports: dict[str, int], tmp_path: Path) -> Iterator[Bench]:
    made = Bench(node, ports, tmp_path / "peers")
    yield made
    made.close()


@pytest.fixture
def user() -> Callable[[], str]:
    """Name a user that no other test has."""
    return lambda: f"user{next(_numbers)}"
