# SPDX-License-Identifier: Apache-2.0
"""Stores under test, driven as an event loop would: completions run when they are waited for."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from imsnode.storage import Storage, StorageSettings, open_storage
from imsnode.storage.memory import MemoryStorage
from pager.values import DeliveryMark, LedgerEntry, MarkState, StoredMessage, StoreResult
from sip.registrar import Binding

__all__ = ["WALL", "DurableStore", "Loop", "MemoryStore", "binding", "entry", "mark", "message"]

WALL = 1_750_000_000.0
WAIT_S = 20.0


class Loop:
    """Where completions are delivered; `call` waits for the one of a single operation."""

    def __init__(self) -> None:
        self._callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.wakeups = 0

    def deliver(self, callback: Callable[[], None]) -> None:
        self._callbacks.put(callback)

    def run_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._callbacks.get(timeout=WAIT_S)()
            self.wakeups += 1

    def call(self, operation: Callable[..., None], *arguments: object) -> Any:
        results: list[Any] = []
        operation(*arguments, results.append)
        assert not results, "called back from inside the call"
        self.run_until(lambda: bool(results))
        return results[0]


class DurableStore(Loop):
    """A store in a database; ``reopen`` is what a restart of the node does to it."""

    durable = True

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__()
        self.settings = StorageSettings(url, **settings)
        self.wall = WALL
        self.storage: Storage = self._open()

    def _open(self) -> Storage:
        return open_storage(self.settings, self.deliver, lambda: self.wall)

    def reopen(self, **settings: Any) -> None:
        assert self.storage.close(WAIT_S)
        self.settings = replace(self.settings, **settings)
        self.storage = self._open()

    def flush(self) -> bool:
        return bool(self.call(self.storage.flush))

    def close(self) -> None:
        assert self.storage.close(WAIT_S)


class MemoryStore(Loop):
    """The same in memory, where a restart changes nothing."""

    durable = False

    def __init__(self) -> None:
        super().__init__()
        self.storage = MemoryStorage(self.deliver)

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass


def message(number: int, **values: Any) -> StoredMessage:
    """Make the message of a number; ``values`` replace fields of it."""
    made = StoredMessage(
        id=f"m{number:018d}",
        key=number.to_bytes(16, "big"),
        sender="sip:alice@ims.test",
        recipient="sip:bob@ims.test",
        call_id=b"call-%d@host" % number,
        cseq=1,
        received_at=WALL + number,
        expires_at=WALL + number + 1000,
        head=b"From: <sip:alice@ims.test>;tag=1\r\nX-Odd: \xff\x00\x80",
        body=b"hello \x00\xff %d" % number,
    )
    return replace(made, **values)


def mark(stored: StoreResult, device: str = "", **values: Any) -> DeliveryMark:
    """Say that a device took a stored message and nobody else waits for it."""
    made = DeliveryMark(
        stored.id, stored.seq, device, MarkState.ACCEPTED, WALL + 5, status=200, settles=True
    )
    return replace(made, **values)


def entry(number: int, **values: Any) -> LedgerEntry:
    """Make a ledger entry of the message of a number."""
    at = WALL + number
    made = LedgerEntry(
        message_id=f"m{number:018d}",
        call_id=b"call-%d@host" % number,
        at=at,
        sender="sip:alice@ims.test",
        recipient="sip:bob@ims.test",
        size=12,
        steps=[
            (at, "received", "", 0, "forwarded"),
            (at + 0.25, "answered", "<urn:uuid:1>", 200, "device-accepted"),
        ],
        outcome="relayed",
    )
    return replace(made, **values)


def binding(number: int, **values: Any) -> Binding:
    """Make a binding of sip:bob@ims.test."""
    fields: dict[str, Any] = {
        "aor": "sip:bob@ims.test",
        "contact": b"sip:bob@192.0.2.7:%d;ob" % (5000 + number),
        "params": b';+sip.x="\xff;,"',
        "q": 500,
        "expires_at": 4600.5,
        "call_id": b"reg-%d@192.0.2.7" % number,
        "cseq": number,
        "instance": f"<urn:uuid:{number}>",
        "reg_id": 1,
        "path": (b"<sip:p1.test;lr>", b"<sip:p2.test;lr>"),
        "received": ("TCP", "2001:db8::7", 5060),
        "user_agent": b"phone/1.0 \xe2\x82\xac",
        "secure": True,
    }
    fields.update(values)
    return Binding(**fields)
