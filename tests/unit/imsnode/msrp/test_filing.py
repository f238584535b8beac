# SPDX-License-Identifier: Apache-2.0
"""Files that broke off: which are waited for, and that none is forgotten half taken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from imsnode.content import ContentRefused
from imsnode.msrp.filing import FileTaken, Filing
from session_msrp.files import FileOffer

FILE = FileOffer(b"name:a", b"id", b"a", b"text/plain", 10, (), 1, None, True)


class Store:
    """A content store that reads what comes, or refuses it. ended: files of which no rest came."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.ended = 0

    async def put(self, *what: Any, exact: bool) -> Any:
        if self.refuses:
            raise ContentRefused("quota", "there is no room")
        try:
            async for _octets in what[4]:
                pass
        except BaseException:
            self.ended += 1
            raise


def begun(filing: Filing, file: FileOffer = FILE) -> FileTaken:
    """Have a file begin to come."""
    deferring: Any = SimpleNamespace(ended=lambda *_: None)
    taken = FileTaken(deferring, filing, "sip:a@ims.test", "sip:b@ims.test", (), "why", file)
    talk: Any = SimpleNamespace(hang_up=lambda why: None, end=None, connection=None)
    taken.established(talk, 0.0)
    return taken


def end(taken: FileTaken) -> None:
    talk: Any = None
    taken.ended(talk, 200, "connection: closed", 0.0)


def test_of_two_that_break_off_the_last_is_waited_for() -> None:
    async def scenario() -> None:
        store: Any = Store()
        filing = Filing(lambda: store, lambda token: token)
        files = [begun(filing), begun(filing)]
        await asyncio.sleep(0)
        for each in files:
            end(each)
        await asyncio.sleep(0)
        assert list(filing._unfinished.values()) == files[1:]
        assert store.ended == 1
        files[1].give_up()
        await asyncio.sleep(0)
        assert store.ended == 2

    asyncio.run(scenario())


def test_so_many_of_one_sender_are_waited_for() -> None:
    async def scenario() -> None:
        store: Any = Store()
        filing = Filing(lambda: store, lambda token: token)
        for number in range(11):
            taken = begun(filing, replace(FILE, name=b"%d" % number))
            await asyncio.sleep(0)
            end(taken)
        await asyncio.sleep(0)
        assert len(filing._unfinished) == 8
        assert store.ended == 3

    asyncio.run(scenario())


def test_what_the_store_refused_is_not_waited_for() -> None:
    async def scenario() -> None:
        store: Any = Store(refuses=True)
        filing = Filing(lambda: store, lambda token: token)
        taken = begun(filing)
        await asyncio.sleep(0)
        end(taken)
        assert not filing._unfinished

    asyncio.run(scenario())
