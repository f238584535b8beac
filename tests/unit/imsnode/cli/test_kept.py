"""Commands that read what a node has kept, while no node runs."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imsnode.storage import AorState, Storage, StorageSettings, open_storage
from pager.values import LedgerEntry, StoredMessage, StoreResult
from sip.registrar import Binding

from .conftest import Result

Command = Callable[..., Result]

WALL = 1_750_000_000.0
INSTANCE = "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"


@contextmanager
def storage(folder: Path) -> Iterator[tuple[Storage, queue.Queue[Callable[[], None]]]]:
    """Open the store as a node does; what it has done comes through the queue."""
    done: queue.Queue[Callable[[], None]] = queue.Queue()
    settings = StorageSettings(url=f"sqlite:///{folder}/imsnode.db")
    opened = open_storage(settings, done.put, lambda: WALL)
    yield opened, done
    opened.close()


@pytest.fixture
def kept(configured: Path) -> Path:
    """A store with one message that waits and its ledger."""
    message = StoredMessage(
        id="m000000000000000001",
        key=bytes(16),
        sender="sip:alice@ims.test",
        recipient="sip:bob@ims.test",
        call_id=b"call\x1b1",
        cseq=1,
        received_at=WALL,
        expires_at=WALL + 3600,
        head=b"From: <sip:alice@ims.test>;tag=1\r\nX-Bell: \x07",
        body=b"hello\r\nbob\x07",
    )
    entry = LedgerEntry(
        message_id=message.id,
        call_id=message.call_id,
        at=WALL,
        sender=message.sender,
        recipient=message.recipient,
        size=11,
        steps=[
            (WALL, "received", "", 0, "no-binding"),
            (WALL + 0.25, "stored", "", 0, "no-binding"),
            (WALL + 0.25, "replied", "", 202, "committed"),
            (WALL + 200, "answered", INSTANCE, 486, "an-unknown-rule"),
        ],
        outcome="stored",
        final=False,
    )
    results: list[StoreResult] = []
    with storage(configured.parent) as (opened, done):
        opened.messages.store(message, results.append)
        while not results:
            done.get(timeout=10)()
        opened.ledger.note(entry)
        flushed: list[bool] = []
        opened.flush(flushed.append)
        while not flushed:
            done.get(timeout=10)()
        assert flushed == [True]
    return configured


def test_the_story_of_a_message(imsnode: Command, kept: Path) -> None:
    told = imsnode("why", "m000000000000000001")
    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[:6] == [
        "message m000000000000000001   Call-ID call\\x1b1",
        "from sip:alice@ims.test to sip:bob@ims.test, 11 octets",
        "",
        "2025-06-15 15:06:40.000Z   +0.000s  received",
        f"{'':36}because no device of the recipient is registered: stored until one is "
        "(no-binding)",
        "2025-06-15 15:06:40.250Z   +0.250s  stored",
    ]
    assert "2025-06-15 15:06:40.250Z   +0.250s  replied  202" in lines
    assert f"2025-06-15 15:10:00.000Z     +200s  answered  486  device {INSTANCE}" in lines
    assert f"{'':36}because an-unknown-rule" in lines
    assert lines[-1] == "outcome: stored: waits in the store, the sender got 202"


def test_the_story_is_found_by_call_id_and_as_data(imsnode: Command, kept: Path) -> None:
    rows = imsnode("why", "call\x1b1", "--format", "json").json()
    assert [row["step"] for row in rows] == ["received", "stored", "replied", "answered"]
    assert rows[2]["status"] == 202
    unknown = imsnode("why", "m000000000000000002")
    assert (unknown.code, unknown.err) == (
        1,
        "imsnode: nothing is known of m000000000000000002\n",
    )


def test_waiting_messages_are_listed(imsnode: Command, kept: Path) -> None:
    (row,) = imsnode("message", "list", "--format", "json").json()
    assert row == {
        "id": "m000000000000000001",
        "state": "waiting",
        "received": "2025-06-15 15:06:40.000Z",
        "expires": "2025-06-15 16:06:40.000Z",
        "sender": "sip:alice@ims.test",
        "recipient": "sip:bob@ims.test",
        "size": 11,
        "call_id": "call\x1b1",
    }
    assert imsnode("message", "list", "--recipient", "bob", "--format", "json").json() == [row]
    assert imsnode("message", "list", "--recipient", "carol", "--format", "json").json() == []
    assert "\x1b" not in imsnode("message", "list").out


def test_a_message_is_shown_without_control_characters(imsnode: Command, kept: Path) -> None:
    shown = imsnode("message", "show", "m000000000000000001").out
    assert "from       sip:alice@ims.test" in shown
    assert "  X-Bell: \\x07" in shown
    assert "hello" not in shown
    assert imsnode("message", "show", "m000000000000000001", "--body").out.endswith(
        "  hello\n  bob\\x07\n"
    )
    assert imsnode("message", "show", "nothing").code == 1


def test_bindings_are_listed_and_removed(imsnode: Command, configured: Path) -> None:
    now, wall = time.monotonic(), time.time()  # noqa: TID251 - the command reads these clocks too
    bindings = [
        Binding(
            aor="sip:bob@ims.test",
            contact=contact,
            params=b"",
            q=500,
            expires_at=now + 3000,
            call_id=b"c",
            cseq=1,
            instance=INSTANCE,
            reg_id=0,
            path=(b"<sip:edge.test;lr>",),
            flow=None,
            received=("UDP", "192.0.2.1", 5060),
            user_agent=b"phone\x07",
            secure=False,
        )
        for contact in (b"sip:bob@192.0.2.1", b"sip:bob@192.0.2.2")
    ]
    written: list[bool] = []
    with storage(configured.parent) as (opened, done):
        state = AorState(bindings=bindings, devices={})
        opened.locations.append("sip:bob@ims.test", state, now, wall, written.append)
        while not written:
            done.get(timeout=10)()
    rows = imsnode("binding", "list", "bob", "--format", "json").json()
    assert [row["contact"] for row in rows] == ["sip:bob@192.0.2.1", "sip:bob@192.0.2.2"]
    assert 2900 < rows[0].pop("expires_in") <= 3000
    assert rows[0] == {
        "aor": "sip:bob@ims.test",
        "contact": "sip:bob@192.0.2.1",
        "q": 0.5,
        "flow": "udp:192.0.2.1:5060",
        "instance": INSTANCE,
        "reg_id": 0,
        "path": "<sip:edge.test;lr>",
        "user_agent": "phone\x07",
    }
    assert imsnode("binding", "list", "carol", "--format", "json").json() == []
    assert imsnode("binding", "remove", "bob", "sip:bob@192.0.2.1").out == "removed 1\n"
    again = imsnode("binding", "remove", "bob", "sip:bob@192.0.2.1")
    assert (again.code, again.err) == (
        1,
        "imsnode: sip:bob@ims.test does not have sip:bob@192.0.2.1\n",
    )
    assert imsnode("binding", "remove", "bob").out == "removed 1\n"
    assert imsnode("binding", "list").out == "none\n"
