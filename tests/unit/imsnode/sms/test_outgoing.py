"""What a centre says of a message before all of it is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from imsnode.received import Received
from imsnode.sms.link import Answer, Link, LinkSettings
from imsnode.sms.outgoing import Sender
from imsnode.sms.pdu import ShortMessage, Status
from imsnode.storage import Sent

LONG = Received(
    "m1", "sip:alice@ims.test", "sip:+492@ims.test", b"text/plain", 0.0, 3600.0, b"", b"x" * 200
)


class Slow(Link):
    """A link whose centre answers when it is told to."""

    def __init__(self) -> None:
        super().__init__("centre", LinkSettings("127.0.0.1", 1, "me", "pw"), self.nothing)
        self.asked: asyncio.Queue[asyncio.Future[Answer]] = asyncio.Queue()

    @staticmethod
    async def nothing(_message: ShortMessage) -> int:
        return Status.OK

    async def submit(self, message: ShortMessage) -> Answer:
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(answered)
        return await answered


async def test_a_receipt_waits_for_the_message_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imsnode.sms.outgoing._KEEPING_S", 0.0)
    link, disk, statuses = Slow(), asyncio.Event(), asyncio.Queue[int]()
    kept: list[str] = []

    async def keep(sent: Sequence[Sent]) -> None:
        await disk.wait()
        kept.extend(one.id for one in sent)

    sender = Sender(link, "udh", "Alice", True, keep, lambda: 0.0)
    sender.take(LONG, statuses.put_nowait)
    first, second = await link.asked.get(), await link.asked.get()
    assert await sender.kept(("a",)), "nobody waits for what the centre never named"
    first.set_result(Answer(0, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not await sender.kept(("a", "10"))
    second.set_result(Answer(0, "b"))
    monkeypatch.setattr("imsnode.sms.outgoing._KEEPING_S", 30.0)
    receipt = asyncio.create_task(sender.kept(("b",)))
    await asyncio.sleep(0)
    assert not receipt.done()
    disk.set()
    assert await receipt
    assert (kept, await statuses.get()) == (["a", "b"], 200)
    assert await sender.kept(("a", "b"))
