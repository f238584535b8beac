"""What service accounts hear of messages they sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from imsnode.mailroom import MailroomStats
from imsnode.tracking import Tracking
from pager import rules
from pager.identity import MessageIds
from pager.values import ExpiredMessage, Notice, StoredMessage, StoreKind, StoreResult
from tests.support.stores import WALL, message

BOT, ALICE = "sip:bot@ims.test", "sip:alice@ims.test"


class World:
    """The mailbox of the bot, and the clock."""

    def __init__(self) -> None:
        self.kept: list[StoredMessage] = []
        self.left = 0
        self.room = True
        self.result = StoreKind.STORED
        self.news: list[str] = []
        self.stats = MailroomStats()
        self.tracking = Tracking(
            self, MessageIds("abcde"), self, lambda: 60.0, self.find, self.news.append, self.stats  # type: ignore[arg-type]
        )  # fmt: skip
        self.tracking.watch(frozenset((BOT,)))

    def full(self, recipient: str, accepted: bool) -> bool:
        return not self.room

    def store(self, one: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        self.kept.append(one)
        asyncio.get_running_loop().call_soon(done, StoreResult(self.result))

    def uncount(self, recipient: str, accepted: bool) -> None:
        self.left += 1

    async def find(self, imdn_id: str) -> str:
        return {"i1": "m1"}.get(imdn_id, "")

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return WALL

    async def told(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self.kept) + self.stats.events_dropped < count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        return [json.loads(one.body) for one in self.kept]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.tracking.close()


def submission(sender: str, recipient: str, status: int, notice: Notice | None = None) -> Any:
    return SimpleNamespace(
        sender=sender, recipient=recipient, status=status, notice=notice, id="m7",
        wall=lambda now: WALL + now,
    )  # fmt: skip


def states(told: list[dict[str, Any]]) -> list[str]:
    return [one["data"]["state"] for one in told]


async def test_every_state_in_its_order(world: World) -> None:
    tracking = world.tracking
    one = message(1, sender=BOT, recipient=ALICE)
    gone = ExpiredMessage("m3", 3, b"c", BOT, ALICE, 5, False)
    for status in (200, 202, 486):
        tracking.answered(submission(BOT, ALICE, status), 1.0)
    tracking.concluded(one, "<phone>", 200, True, 2.0)
    tracking.concluded(one, "<phone>", 603, True, 2.0)
    tracking.expired(gone, WALL + 3)
    tracking.recalled(gone)
    tracking.copied((one,), "j1", 4.0)
    told = await world.told(8)
    assert states(told) == [
        "delivered", "stored", "failed", "delivered", "failed", "expired", "recalled", "stored",
    ]  # fmt: skip
    assert told[0] == {
        "type": "message.delivered",
        "timestamp": told[0]["timestamp"],
        "data": {"id": "m7", "from": BOT, "to": ALICE, "state": "delivered", "sip_status": 200},
    }
    assert told[3]["data"]["device"] == "<phone>"
    assert {kept.recipient for kept in world.kept} == {BOT}
    assert len({kept.key for kept in world.kept}) == 8
    assert world.news == [BOT] * 8


async def test_what_a_reader_has_seen(world: World) -> None:
    told = ((b"i1", rules.SAYS_DISPLAYED), (b"i2", rules.SAYS_DELIVERED))
    world.tracking.answered(submission(ALICE, BOT, 202, Notice(rules.IMDN, b"n", 0, told)), 1.0)
    (seen,) = await world.told(1)
    assert seen["data"] == {
        "id": "m1", "from": BOT, "to": ALICE, "state": "displayed", "imdn_message_id": "i1",
    }  # fmt: skip


async def test_others_are_not_told(world: World) -> None:
    tracking = world.tracking
    tracking.answered(submission(ALICE, BOT, 202), 1.0)
    tracking.concluded(message(1, sender=ALICE, recipient=BOT), "webhook", 200, True, 1.0)
    taken = message(2, sender=BOT, recipient=ALICE, accepted=True)
    tracking.concluded(taken, "<tablet>", 603, True, 1.0)
    tracking.expired(ExpiredMessage("m3", 3, b"c", BOT, ALICE, 5, True), WALL)
    tracking.answered(submission(BOT, ALICE, 200), 1.0)
    assert states(await world.told(1)) == ["delivered"]


async def test_what_finds_no_room_is_counted(world: World) -> None:
    world.room = False
    world.tracking.answered(submission(BOT, ALICE, 200), 1.0)
    assert await world.told(1) == []
    world.room, world.result = True, StoreKind.FAILED
    world.tracking.answered(submission(BOT, ALICE, 200), 1.0)
    await world.told(3)
    assert (world.stats.events_dropped, world.left, world.news) == (2, 1, [])
