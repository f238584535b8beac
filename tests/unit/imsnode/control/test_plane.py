# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from imsnode.control.plane import Plane, _Removal
from imsnode.control.server import ControlRefused
from imsnode.history import HistorySettings, Keeping
from imsnode.identity.accounts import Account, Directory, make_account

ALICE = make_account("sip:alice@ims.test", "pw", enabled=True)


class Accounts:
    """The table of accounts; reading all of them takes until it is told to go on."""

    def __init__(self) -> None:
        self.held = {ALICE.aor: ALICE}
        self.reading = threading.Event()
        self.go_on = threading.Event()

    def load_all(self) -> Iterator[Account]:
        snapshot = list(self.held.values())
        self.reading.set()
        self.go_on.wait(5)
        yield from snapshot

    def get(self, aor: str) -> Account | None:
        return self.held.get(aor)


async def unchanged(_aors: object) -> None:
    """Documents of users: there are none."""


async def test_a_long_reading_does_not_bring_back_what_changed_meanwhile() -> None:
    loop = asyncio.get_running_loop()
    accounts = Accounts()
    directory = Directory([ALICE])
    app = SimpleNamespace(
        config=None,
        loop=loop,
        admission=SimpleNamespace(directory=directory),
        documents=SimpleNamespace(refresh=unchanged),
        presence=None,
        storage=SimpleNamespace(accounts=accounts, choices=SimpleNamespace(load=lambda _aors: {})),
        location=SimpleNamespace(records={}),
        messaging=SimpleNamespace(keeping=Keeping(HistorySettings(), {})),
    )
    plane = Plane(app)  # type: ignore[arg-type]  # only what it uses

    async def nothing_bound(_aor: str, _contact: str | None) -> int:
        return 0

    plane.remove_binding = nothing_bound  # type: ignore[method-assign]
    everything = asyncio.create_task(plane.users_changed(None))
    await loop.run_in_executor(None, accounts.reading.wait, 5)
    accounts.held[ALICE.aor] = ALICE.changed(enabled=False)
    one = asyncio.create_task(plane.users_changed([ALICE.aor]))
    await asyncio.sleep(0.05)
    accounts.go_on.set()
    assert await everything == 0
    assert await one == 1
    alice = directory.get(ALICE.aor)
    assert alice is not None
    assert not alice.enabled


async def test_who_asked_for_a_removal_may_be_gone_when_it_is_done() -> None:
    removed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    removed.cancel()
    told: list[str] = []
    record = SimpleNamespace(bindings=(SimpleNamespace(contact=b"sip:alice@192.0.2.1"),))
    location = SimpleNamespace(
        claim=lambda _aor, _again: record,
        commit=lambda _record, _left, _now, _wall, done: done(True),
        apply=lambda _record, left, _now, _wall: told.append(f"{len(left)} left"),
    )
    clock = SimpleNamespace(now=lambda: 1.0, wall=lambda: 2.0)
    app = SimpleNamespace(location=location, clock=clock, presence=None)
    _Removal(app, ALICE.aor, None, removed).run(1.0)  # type: ignore[arg-type]  # only what it uses
    assert told == ["0 left"]


async def test_one_removal_that_fails_does_not_spare_the_others() -> None:
    app = SimpleNamespace(
        config=None,
        location=SimpleNamespace(forget=lambda _aor, _now, _wall: None),
        clock=SimpleNamespace(now=lambda: 1.0, wall=lambda: 2.0),
        loop=asyncio.get_running_loop(),
        admission=SimpleNamespace(directory=Directory()),
        documents=SimpleNamespace(refresh=unchanged),
        presence=None,
        rooms=None,
        storage=SimpleNamespace(
            accounts=SimpleNamespace(get=lambda _aor: None),
            choices=SimpleNamespace(load=lambda _aors: {}),
        ),
    )
    groups_read: list[bool] = []

    async def groups_changed() -> int:
        groups_read.append(True)
        return 0

    app.messaging = SimpleNamespace(
        keeping=Keeping(HistorySettings(), {}),
        mailing=SimpleNamespace(groups_changed=groups_changed),
        policies=SimpleNamespace(forget=lambda _aor, _now: None),
    )
    plane = Plane(app)  # type: ignore[arg-type]  # only what it uses
    tried: list[str] = []

    async def remove(aor: str, _contact: str | None) -> int:
        tried.append(aor)
        raise ControlRefused("the store is away")

    plane.remove_binding = remove  # type: ignore[method-assign]
    with pytest.raises(ControlRefused, match="away"):
        await plane.users_changed(["sip:a@ims.test", "sip:b@ims.test"])
    assert tried == ["sip:a@ims.test", "sip:b@ims.test"]
    assert groups_read == [True]  # who is removed is in no group any more
