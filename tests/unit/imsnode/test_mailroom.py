"""Messages of service accounts on their way to a handler: order, retries, what is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from imsnode.mailroom import Mailroom, Retry
from imsnode.received import Received
from imsnode.storage.memory import MemoryMessages
from pager import rules
from pager.values import ExpiredMessage, LedgerEntry, StoredMessage
from tests.support.stores import WALL, message

BOT = "sip:bot@ims.test"


class Script:
    """A handler that answers as it is told, and notes what it was given."""

    def __init__(self) -> None:
        self.answers: list[int | None] = []
        self.bodies: list[bytes] = []
        self.open: list[Callable[[int], None]] = []

    def take(self, message: Received, done: Callable[[int], None]) -> None:
        self.bodies.append(message.body)
        answer = self.answers.pop(0) if self.answers else 200
        if answer is None:
            self.open.append(done)
        else:
            done(answer)


class World:
    """A store in memory with a mailroom on it. Also its clock and its ledger."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = MemoryMessages(self.loop.call_soon)
        self.entries: list[LedgerEntry] = []
        self.left = 0
        self.at = WALL
        self.told: list[tuple[str, int]] = []
        self.room = Mailroom(
            self.store,
            self,
            self._uncount,
            self,
            Retry(0.001, 0.002),
            lambda: (self,),
        )
        self.script = Script()

    def _uncount(self, recipient: str, accepted: bool) -> None:
        assert recipient == BOT
        self.left -= 1

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        assert final
        self.told.append((device, status))

    def note(self, entry: LedgerEntry) -> None:
        self.entries.append(entry)

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self.at

    def put(self, *numbers: int) -> None:
        for number in numbers:
            head = b"From: <sip:alice@ims.test>;tag=1\r\nc: text/plain"
            self.store.store(message(number, recipient=BOT, head=head), lambda result: None)
            self.left += 1
        self.room.copied((message(0, recipient=BOT),), "", 0.0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def outcomes(self) -> list[tuple[str, int, bool]]:
        return [(e.outcome, e.steps[0][3], e.final) for e in self.entries]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.room.close()


def bodies(*numbers: int) -> list[bytes]:
    return [message(number).body for number in numbers]


async def test_in_order_and_each_once(world: World) -> None:
    world.put(1, 2)
    world.room.configure({BOT: world.script})
    await world.until(lambda: world.left == 0)
    world.put(3)
    await world.until(lambda: world.left == 0)
    assert world.script.bodies == bodies(1, 2, 3)
    assert world.outcomes() == [(rules.DELIVERED, 200, True)] * 3
    assert world.told == [("webhook", 200)] * 3


async def test_a_failure_keeps_the_others_waiting_until_it_is_over(world: World) -> None:
    world.script.answers = [503, 0, 429, 204]
    world.room.configure({BOT: world.script})
    world.put(1, 2)
    await world.until(lambda: world.left == 0)
    assert world.script.bodies == bodies(1, 1, 1, 1, 2)
    retrying = [(rules.UNDECIDED, status, False) for status in (503, 0, 429)]
    assert world.outcomes() == [
        *retrying,
        (rules.DELIVERED, 204, True),
        (rules.DELIVERED, 200, True),
    ]
    assert world.room.stats.retries == 3


async def test_what_is_refused_for_good_is_given_up(world: World) -> None:
    world.script.answers = [415]
    world.room.configure({BOT: world.script})
    world.put(1, 2)
    await world.until(lambda: world.left == 0)
    assert world.script.bodies == bodies(1, 2)
    assert world.outcomes()[0] == (rules.REFUSED, 415, True)


async def test_a_deadline_that_comes_meanwhile_settles_once(world: World) -> None:
    world.script.answers = [None]
    world.room.configure({BOT: world.script})
    world.put(1)
    await world.until(lambda: bool(world.script.open))
    gone: list[ExpiredMessage] = []
    world.store.expire(message(1).expires_at, 10, lambda found: gone.extend(found or ()))
    await world.until(lambda: bool(gone))
    world.room.expired(gone[0], WALL)
    world.left -= 1  # as the pager does
    world.script.open[0](200)
    await world.until(lambda: bool(world.entries))
    assert world.left == 0
    assert world.outcomes() == [(rules.DELIVERED, 200, False)]
    assert world.told == []


async def test_what_is_too_old_is_passed_over(world: World) -> None:
    world.put(*range(1, 40))
    world.at = message(30).expires_at
    world.room.configure({BOT: world.script})
    await world.until(lambda: len(world.script.bodies) == 9)
    assert world.script.bodies == bodies(*range(31, 40))


async def test_without_a_handler_messages_are_fetched_and_acknowledged(world: World) -> None:
    world.room.configure({BOT: None})
    world.put(1, 2, 3)
    room = world.room.rooms[BOT]
    fetched = await room.fetch(2)
    assert [one.body for one in fetched] == bodies(1, 2)
    assert fetched[0].content_type == b"text/plain"
    both = await asyncio.gather(
        room.acknowledge([fetched[0].id, "unknown"], 10), room.acknowledge([fetched[0].id], 10)
    )
    assert sorted(map(len, both)) == [0, 1]
    assert [one.body for one in await room.fetch(10)] == bodies(2, 3)
    assert world.left == 2


async def test_a_store_that_cannot_be_read_is_asked_again(world: World) -> None:
    world.store.fail = "disk"
    world.room.configure({BOT: world.script})
    with pytest.raises(LookupError):
        await world.room.rooms[BOT].fetch(1)
    world.store.fail = ""
    world.put(1)
    await world.until(lambda: world.left == 0)


async def test_an_account_that_goes_is_served_no_more(world: World) -> None:
    world.room.configure({BOT: world.script})
    world.room.configure({})
    world.put(1)
    await asyncio.sleep(0.01)
    assert world.script.bodies == []
