"""A store that cannot be written: 503, never a false 202, and recovery without a restart (threats.md D6, 11)."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.postgres import PostgresServer, running_server
from tests.support.running import RunningNode, eventually

PROMISED = [b"before", b"after"]
SETTINGS = "[limits]\nregister_burst = 1000\nregister_rate = 1000\n"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node", extra=SETTINGS) as running:
        yield running


def phone(node: RunningNode, user: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user)


def fill_disk(node: RunningNode, octets: int = 4096) -> None:
    """Let no file of the node grow beyond a few pages: what the kernel says is EFBIG."""
    _limit_files(node, octets)


def free_disk(node: RunningNode) -> None:
    _limit_files(node, resource.RLIM_INFINITY)


def _limit_files(node: RunningNode, octets: int) -> None:
    assert node.process is not None
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))


def assert_later(answer: Reply) -> None:
    assert answer.status == 503
    assert int(answer.get("retry-after")) > 0


def relayed(sender: Phone, recipient: Phone, text: str) -> int:
    """Send a message to a phone that is there."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(recipient.collect, len(recipient.messages()) + 1)
        status = sender.message(recipient.user, text).status
        assert text.encode() in waiting.result()
    return status


def refused_then_served(
    node: RunningNode, alice: Phone, bob: Phone, recover: Callable[[], object]
) -> list[bytes]:
    """With the store gone: nothing is promised. With the store back: all that was promised holds.

    Returns what was delivered in the end.
    """
    for text in ("lost 1", "lost 2"):
        assert_later(alice.message("bob", text))
    assert_later(bob.register())
    assert node.get("/healthz").status_code == 200
    assert list(node.get("/readyz").json()["reasons"]) == ["storage"]
    assert node.process is not None
    process = node.process
    recover()
    eventually(lambda: alice.message("bob", "after").status == 202, 15, "stored again")
    assert node.get("/readyz").json()["ready"]
    assert node.process is process
    assert process.poll() is None
    assert bob.register().status == 200
    eventually(lambda: b"after" in bob.collect(1 + len(bob.messages()), 0.5))
    return [message.body for message in bob.messages()]


def test_a_full_disk_refuses_and_recovers(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob, phone(node, "carol") as carol:
        assert carol.register().status == 200
        assert alice.message("bob", "before").status == 202
        fill_disk(node)
        assert_later(alice.message("bob", "lost"))
        # What needs no promise goes on.
        assert relayed(alice, carol, "you are there") == 200
        assert refused_then_served(node, alice, bob, lambda: free_disk(node)) == PROMISED
        assert relayed(alice, carol, "still there") == 200


def test_what_waits_is_delivered_from_a_full_disk_and_shown_once(node: RunningNode) -> None:
    """Reads go on. What cannot be noted is offered again with the same identity."""
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        bob.auto_status = 480
        with ThreadPoolExecutor(1) as pool:
            pool.submit(bob.collect, 1)
            assert alice.message("bob", "once").status == 202
        # Room for SQLite's index of its journal, and for nothing else.
        fill_disk(node, 32 * 1024)
        assert_later(alice.message("carol", "x" * 30_000))
        bob.auto_status = 200
        bob.inbox.clear()
        assert bob.collect(1, 15) == [b"once"]
        node.kill()
        node.start()
        assert bob.collect(2, 3) == [b"once"]


def test_a_store_that_another_process_holds(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert alice.message("bob", "before").status == 202
        other = sqlite3.connect(node.directory / "imsnode.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        delivered = refused_then_served(node, alice, bob, lambda: other.execute("ROLLBACK"))
        assert delivered == PROMISED
        other.close()


def test_a_database_that_was_moved_away(node: RunningNode) -> None:
    """A file without a name is written in vain: whoever opens the store next will not find it."""
    files = [node.directory / f"imsnode.db{suffix}" for suffix in ("", "-wal", "-shm")]
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert alice.message("bob", "before").status == 202
        away = [file.rename(file.with_name(f"away-{file.name}")) for file in files]

        def bring_back() -> None:
            for file, moved in zip(files, away, strict=True):
                moved.rename(file)

        # What was written before that was noticed came back with the file, promised or not.
        delivered = refused_then_served(node, alice, bob, bring_back)
        assert [body for body in delivered if body in PROMISED] == PROMISED


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server() as running:
        yield running


@pytest.mark.peer("initdb")
def test_a_postgresql_server_that_goes_and_comes_back(
    server: PostgresServer, tmp_path: Path
) -> None:
    extra = f'[storage]\nurl = "{server.new_database()}"\n{SETTINGS}'
    with (
        RunningNode(tmp_path / "node", extra=extra) as node,
        phone(node, "alice") as alice,
        phone(node, "bob") as bob,
    ):
        assert alice.message("bob", "before").status == 202
        server.stop()
        assert refused_then_served(node, alice, bob, server.start) == PROMISED
        server.stop()
        assert_later(alice.message("carol", "lost"))
        server.start()
        eventually(lambda: alice.message("carol", "kept").status == 202, 15)
        node.kill()
        node.start()
        with phone(node, "carol") as carol:
            assert carol.register().status == 200
            assert carol.collect(1) == [b"kept"]
