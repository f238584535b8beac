"""Every hostile case over each transport: refused as wanted, and nothing dies (threats.md G1, G2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.abuse.runner import Connection, answers, load_cases, run_all
from tests.support.phone import Phone
from tests.support.running import RunningNode

#: With the cases there are at least: over WebSocket those that differ there, or need no framing.
TRANSPORTS = {"udp": 90, "tcp": 90, "tls": 90, "ws": 30}
USERS = ("alice", "bob", "carol")
LISTEN = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0")

pytestmark = pytest.mark.timeout(300)


class Attack:
    """One node under the cases of one transport; `faults` waits for their end."""

    def __init__(self, folder: Path, transport: str, pool: ThreadPoolExecutor) -> None:
        self.node = RunningNode(folder, listen=LISTEN, users=())
        self.transport = transport
        self._ending = pool.submit(self._run)

    def _run(self) -> list[str]:
        rows = "".join(f"sip:{user}@ims.test,pw-{user},,true\n" for user in USERS)
        file = self.node.directory / "users.csv"
        file.write_text("aor,password,display_name,enabled\n" + rows)
        self.node.command("user", "import", str(file))
        self.node.start()
        ports = {**self.node.ports, "ws": int(self.node.http.rpartition(":")[2])}
        server = ("127.0.0.1", ports[self.transport])
        return run_all(server, self.transport, USERS[0])

    def faults(self) -> list[str]:
        return self._ending.result()


@pytest.fixture(scope="module")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Attack]]:
    """All transports at once, on nodes of their own: most of the time is spent waiting."""
    with ThreadPoolExecutor(len(TRANSPORTS)) as pool:
        under_attack = {
            transport: Attack(tmp_path_factory.mktemp(transport) / "node", transport, pool)
            for transport in TRANSPORTS
        }
        yield under_attack
    for attack in under_attack.values():
        attack.node.__exit__()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_case_comes_out_as_wanted(attacks: dict[str, Attack], transport: str) -> None:
    attack = attacks[transport]
    assert len(load_cases(transport)) > TRANSPORTS[transport]
    assert attack.faults() == []
    node = attack.node
    assert node.process is not None
    assert node.process.poll() is None, "the node died"
    assert node.metric("imsnode_faults_total") == 0, node.log()[-2000:]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_users_are_served_after_the_attack(attacks: dict[str, Attack], transport: str) -> None:
    """G1: nothing of it affects anybody else."""
    attack = attacks[transport]
    attack.faults()
    server = ("127.0.0.1", attack.node.ports["udp"])
    with Phone(server, "alice") as alice, Phone(server, "carol") as carol:
        assert alice.message("carol", "still there?").status == 202
        assert carol.register().status == 200
        assert carol.collect(1) == [b"still there?"]


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE"])
def test_known_and_unknown_users_look_alike(attacks: dict[str, Attack], method: str) -> None:
    """A7: the same status and header names for everybody without credentials."""
    node = attacks["udp"].node
    attacks["udp"].faults()
    server = ("127.0.0.1", node.ports["udp"])
    seen = set()
    for user in ("alice", "nobody"):
        connection = Connection(server, "udp")
        with Phone(server, user) as phone:
            to = "sip:ims.test" if method == "REGISTER" else f"sip:{user}@ims.test"
            lines = (f"Contact: <{phone.contact}>", "Event: presence")
            connection.send(phone.request(method, to, phone.aor, lines))
        ((status, _, data),) = answers(connection.receive(3, True))
        connection.close()
        names = re.findall(rb"(?m)^([A-Za-z-]+):", data.partition(b"\r\n\r\n")[0])
        seen.add((status, tuple(sorted(names))))
    assert len(seen) == 1, seen
