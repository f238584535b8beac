"""A link to a message centre: bound again, slowed down, asked, and never answered too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from imsnode.sms.link import Link, LinkSettings
from imsnode.sms.pdu import (
    HEAD,
    Command,
    Head,
    Pdu,
    ShortMessage,
    Status,
    address_of,
    read_head,
)

TEXT = ShortMessage(address_of("+491"), address_of("+492"), b"hi")


class Centre:
    """The other end of one connection after another."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self.writers: list[asyncio.StreamWriter] = []

    async def bound(self, status: int = 0) -> None:
        self.reader, self.writer = await self.connections.get()
        self.writers.append(self.writer)
        head, _ = await self.receive()
        assert head.command == Command.BIND_TRANSCEIVER
        self.answer(head, status, b"centre\0")

    async def receive(self) -> tuple[Head, bytes]:
        head = read_head(await self.reader.readexactly(HEAD.size))
        return head, await self.reader.readexactly(head.length - HEAD.size)

    def answer(self, head: Head, status: int = 0, body: bytes = b"") -> None:
        command = head.command | 0x80000000
        self.writer.write(Pdu(command, head.sequence, status, body).encode())


@asynccontextmanager
async def linked(
    take: Callable[[ShortMessage], Awaitable[int]] | None = None, **settings: float
) -> AsyncIterator[tuple[Link, Centre]]:
    centre = Centre()

    async def taken(message: ShortMessage) -> int:
        return Status.OK

    server = await asyncio.start_server(
        lambda reader, writer: centre.connections.put_nowait((reader, writer)), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    given = {"enquire_s": 30.0, "answer_s": 30.0, "pause_s": 0.01, **settings}
    link = Link("c", LinkSettings("127.0.0.1", port, "me", "pw", **given), take or taken)  # type: ignore[arg-type]
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(20):
            yield link, centre
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        while not centre.connections.empty():
            centre.writers.append(centre.connections.get_nowait()[1])
        for writer in centre.writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        server.close()


async def test_a_submit_waits_for_the_bind_and_for_its_answer() -> None:
    async with linked() as (link, centre):
        submitting = asyncio.create_task(link.submit(TEXT))
        await centre.bound()
        head, body = await centre.receive()
        assert (head.command, ShortMessage.decode(body)) == (Command.SUBMIT_SM, TEXT)
        assert not submitting.done()
        centre.answer(head, 0, b"42\0")
        answer = await submitting
        assert (answer.status, answer.id, link.stats.submitted) == (0, "42", 1)


async def test_the_window_is_kept() -> None:
    async with linked(window=2) as (link, centre):
        await centre.bound()
        submitting = [asyncio.create_task(link.submit(TEXT)) for _ in range(3)]
        first, second = (await centre.receive())[0], (await centre.receive())[0]
        centre.answer(second, 0, b"2\0")
        third, _ = await centre.receive()
        assert {first.sequence, second.sequence, third.sequence} == {2, 3, 4}
        for head in (first, third):
            centre.answer(head, 0, b"x\0")
        assert all(answer.status == 0 for answer in await asyncio.gather(*submitting))


async def test_a_broken_link_is_made_anew_and_the_submit_goes_again() -> None:
    async with linked() as (link, centre):
        await centre.bound()
        submitting = asyncio.create_task(link.submit(TEXT))
        await centre.receive()
        centre.writer.close()
        await centre.bound()
        head, _ = await centre.receive()
        centre.answer(head, 0, b"1\0")
        assert (await submitting).status == 0
        assert link.stats.binds == 2


async def test_a_refused_bind_is_told_and_tried_again() -> None:
    async with linked() as (link, centre):
        await centre.bound(0x0E)
        await centre.bound()
        submitting = asyncio.create_task(link.submit(TEXT))
        centre.answer((await centre.receive())[0], 0, b"1\0")
        assert ((await submitting).status, link.trouble) == (0, "")


@pytest.mark.parametrize("status", [Status.THROTTLED, Status.QUEUE_FULL])
async def test_who_is_told_to_slow_down_counts_it(status: Status) -> None:
    async with linked() as (link, centre):
        await centre.bound()
        submitting = asyncio.create_task(link.submit(TEXT))
        centre.answer((await centre.receive())[0], status)
        assert (await submitting).status == status
        assert (link.stats.throttled, link.stats.refused) == (1, 0)


async def test_a_silent_centre_is_asked_and_then_left() -> None:
    async with linked(enquire_s=0.05, answer_s=0.05) as (link, centre):
        await centre.bound()
        head, _ = await centre.receive()
        assert head.command == Command.ENQUIRE_LINK
        await centre.bound()
        assert link.stats.binds >= 1


async def test_nothing_is_acknowledged_before_it_is_kept() -> None:
    kept = asyncio.Event()

    async def take(message: ShortMessage) -> int:
        await kept.wait()
        return Status.OK

    async with linked(take) as (_, centre):
        await centre.bound()
        centre.writer.write(Pdu(Command.DELIVER_SM, 7, 0, TEXT.encode()).encode())
        centre.writer.write(Pdu(Command.ENQUIRE_LINK, 8).encode())
        head, _ = await centre.receive()
        assert head.command == Command.ENQUIRE_LINK_RESP
        kept.set()
        head, _ = await centre.receive()
        assert (head.command, head.sequence) == (Command.DELIVER_SM_RESP, 7)


async def test_a_message_of_a_connection_that_is_gone_is_not_answered_on_the_next_one() -> None:
    arrived, kept = asyncio.Event(), asyncio.Event()

    async def take(message: ShortMessage) -> int:
        arrived.set()
        await kept.wait()
        return Status.OK

    async with linked(take) as (_, centre):
        await centre.bound()
        centre.writer.write(Pdu(Command.DELIVER_SM, 7, 0, TEXT.encode()).encode())
        await arrived.wait()
        centre.writer.close()
        await centre.bound()
        kept.set()
        centre.writer.write(Pdu(Command.ENQUIRE_LINK, 8).encode())
        assert (await centre.receive())[0].command == Command.ENQUIRE_LINK_RESP


async def test_what_nobody_knows_is_refused_and_unbind_ends_the_session() -> None:
    async with linked() as (_, centre):
        await centre.bound()
        centre.writer.write(Pdu(0x77, 5).encode())
        head, _ = await centre.receive()
        assert (head.command, head.status) == (Command.GENERIC_NACK, Status.INVALID_COMMAND)
        centre.writer.write(Pdu(Command.UNBIND, 6).encode())
        assert (await centre.receive())[0].command == Command.UNBIND_RESP
        await centre.bound()
