"""Copies for many on a virtual network: stored together, delivered once, taken up after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pager import PagerSettings, StoreMode, rules
from pager.fanout import Fanout
from pager.jobs import Job, JobKind, Jobs
from pager.original import Original
from pager.ports import CopiesResult
from pager.recall import RecallState
from tests.support.pager_world import ALICE, Phone, World

NOTICE = b"the office is closed"


class Crowd(World):
    """A world of many users; ``everybody`` is the audience of each job."""

    def __init__(self, count: int, settings: PagerSettings | None = None) -> None:
        self.everybody = [f"sip:u{number:04d}@ims.test" for number in range(count)]
        self.removed: set[str] = set()
        self.job: Job | None = None
        super().__init__(settings=settings)

    def _begin(self) -> None:
        super()._begin()
        ids = self.node.endpoint.ids
        self.fanout = Fanout(self.pager, self.store, lambda aor: aor not in self.removed, ids)
        timers = self.node.endpoint.timers
        self.jobs = Jobs(self.fanout, self.store, self._audience, timers, self.pager.clock)
        if self.job is not None and self.job.original.id in self.store.jobs:
            cursor = self.store.jobs[self.job.original.id]
            self.jobs.resume([replace(self.job, cursor=cursor)])

    def _audience(self, job: Job) -> Sequence[str]:
        return self.everybody

    def user(self, number: int) -> Phone:
        """Register a device of a user."""
        host = f"198.51.{101 + number // 200}.{number % 200 + 1}"
        phone = self.phone(f"u{number}", host, f"<{number}>", self.everybody[number])
        self.register(phone)
        return phone

    def original(self, **values: object) -> Original:
        wall = self.network.wall
        made = Original(
            "p1", ALICE, "sip:all@ims.test", b"call", 1, b"identity", wall, wall + 1000,
            b"From: <sip:alice@ims.test>;tag=1\r\nContent-Type: text/plain", NOTICE, True,
        )  # fmt: skip
        return replace(made, **values)  # type: ignore[arg-type]

    def send(self, recipients: Sequence[str], original: Original | None = None) -> CopiesResult:
        results: list[CopiesResult] = []
        self.fanout.send(original or self.original(), recipients, self.network.now, results.append)
        self.network.run(2.0)
        (result,) = results
        return result

    def start(self, rate: float = 0.0) -> None:
        self.job = Job(self.original(), JobKind.BROADCAST, rate)
        answers: list[bool] = []
        self.jobs.begin(self.job, answers.append)
        self.network.run(0.01)
        assert answers == [True]

    def copies(self) -> list[str]:
        """Whose copies were kept, by themselves or in a parcel."""
        rows = [row.message for row in self.store.rows.values()]
        carried = [copy for parcel in self.store.parcels.values() for copy in parcel]
        return sorted(copy.recipient for copy in (*rows, *carried, *self.store.taken))


def test_copies_are_stored_and_delivered_each_with_an_identity_of_its_own() -> None:
    world = Crowd(4)
    phones = [world.user(0), world.user(2)]
    result = world.send(world.everybody)
    assert result.copies is not None
    assert world.copies() == world.everybody
    requests = [phone.received for phone in phones]
    assert [[r.body for r in got] for got in requests] == [[NOTICE], [NOTICE]]
    first, second = (got[0] for got in requests)
    assert first.get("to") == b"<sip:u0000@ims.test>"
    assert len({first.call_id, second.call_id, b"call"}) == 3
    assert [row.message.recipient for row in world.store.waiting()] == world.everybody[1::2]
    late = world.user(1)
    world.network.run(1.0)
    assert late.shown == [NOTICE]
    assert not world.faults


def test_a_copy_has_a_ledger_entry_that_leads_to_the_others() -> None:
    world = Crowd(2)
    world.user(0)
    world.send(world.everybody)
    entries = world.ledger.entries
    assert {entry.call_id for entry in entries} == {b"call"}
    assert len({entry.message_id for entry in entries}) == 2
    story = {entry.recipient: [(step[1], step[4]) for step in entry.steps] for entry in entries}
    kept = [(rules.RECEIVED, rules.COPY), (rules.STORED, rules.COPY)]
    assert story[world.everybody[0]] == [*kept, (rules.ANSWERED, rules.DEVICE_ACCEPTED)]
    assert story[world.everybody[1]] == kept


def test_the_same_message_again_makes_no_second_copy() -> None:
    world = Crowd(3)
    phone = world.user(0)
    world.send(world.everybody[:2])
    world.send(world.everybody)
    assert world.copies() == world.everybody
    assert phone.shown == [NOTICE]
    assert [world.pager.waiting(aor) for aor in world.everybody] == [0, 1, 1]


def test_who_has_no_room_or_is_gone_is_left_out_and_the_ledger_says_why() -> None:
    world = Crowd(3, PagerSettings(mailbox_messages=1))
    world.alice.send(b"before", world.everybody[0])
    world.network.run(1.0)
    world.removed = {world.everybody[1]}
    world.send(world.everybody)
    assert world.copies() == [world.everybody[0], world.everybody[2]]
    told = {entry.recipient: entry.steps[-1][4] for entry in world.ledger.entries}
    assert told[world.everybody[0]] == rules.MAILBOX_FULL
    assert told[world.everybody[1]] == rules.NO_SUCH_USER


@pytest.mark.parametrize("lasting", [True, False])
def test_what_is_never_stored_goes_to_who_is_there(lasting: bool) -> None:
    settings = PagerSettings(mode=StoreMode.OFF) if lasting else None
    world = Crowd(2, settings)
    phone = world.user(0)
    world.send(world.everybody, world.original(lasting=lasting))
    assert phone.shown == [NOTICE]
    assert phone.received[0].get("to") == b"<sip:u0000@ims.test>"
    assert world.copies() == []
    rule = rules.STORE_OFF if lasting else rules.NOT_STORABLE
    assert [e.steps[-1][4] for e in world.ledger.entries if e.recipient == world.everybody[1]] == [
        rule
    ]


def test_a_store_in_trouble_keeps_nothing() -> None:
    world = Crowd(2)
    phone = world.user(0)
    world.store.failing = True
    assert world.send(world.everybody).copies is None
    assert world.pager.keeper.recipients() == 0
    assert phone.received == []


def test_a_job_reaches_everybody_once_in_batches() -> None:
    world = Crowd(600)
    phone = world.user(599)
    world.start()
    world.network.run(5.0)
    assert world.copies() == world.everybody
    assert phone.shown == [NOTICE]
    assert world.store.jobs == {}
    assert world.jobs.running == {}


def test_a_job_keeps_its_rate() -> None:
    world = Crowd(100)
    world.start(rate=20.0)
    world.network.run(2.0)
    assert 35 <= len(world.copies()) <= 46
    world.network.run(3.5)
    assert world.copies() == world.everybody


def test_a_job_goes_on_after_a_restart_where_it_was() -> None:
    world = Crowd(60)
    phones = [world.user(number) for number in range(0, 60, 2)]
    world.start(rate=20.0)
    for _ in range(4):
        world.network.run(0.6)
        world.restart()
    world.network.run(20.0)
    assert world.copies() == world.everybody
    assert [phone.shown for phone in phones] == [[NOTICE]] * 30
    assert not world.faults


def test_a_job_whose_commit_was_not_answered_makes_no_second_copy() -> None:
    world = Crowd(20)
    world.start(rate=20.0)
    world.store.lose_answer = True
    world.network.run(0.5)
    made = len(world.copies())
    assert made
    world.store.lose_answer = False
    world.restart()
    world.network.run(5.0)
    assert world.copies() == world.everybody


def test_a_job_waits_out_trouble_of_the_store() -> None:
    world = Crowd(30)
    world.start(rate=20.0)
    world.store.failing = True
    world.network.run(10.0)
    made = len(world.copies())
    assert made < 30
    world.store.failing = False
    world.network.run(10.0)
    assert world.copies() == world.everybody


def test_a_cancelled_job_takes_up_nobody_else() -> None:
    world = Crowd(30)
    world.start(rate=20.0)
    world.network.run(0.3)
    del world.store.jobs["p1"]
    made = len(world.copies())
    world.network.run(5.0)
    assert len(world.copies()) == made
    assert world.jobs.running == {}


def test_a_stopping_node_begins_no_further_batch() -> None:
    world = Crowd(30)
    world.start(rate=20.0)
    world.network.run(0.3)
    world.jobs.stop()
    made = len(world.copies())
    world.network.run(5.0)
    assert len(world.copies()) == made


def test_copies_for_who_is_there_are_one_record_until_they_have_answered() -> None:
    world = Crowd(4)
    phones = [world.user(number) for number in range(3)]
    world.fanout.send(world.original(), world.everybody, world.network.now, lambda result: None)
    world.network.run(0.004)
    assert [len(copies) for copies in world.store.parcels.values()] == [3]
    world.network.run(0.5)
    assert world.store.parcels == {}
    assert [row.message.recipient for row in world.store.rows.values()] == world.everybody[3:]
    assert [phone.shown for phone in phones] == [[NOTICE]] * 3
    outcomes = {e.recipient: e.outcome for e in world.ledger.entries if e.final}
    assert outcomes == dict.fromkeys(world.everybody[:3], rules.DELIVERED)


@pytest.mark.parametrize("status", [408, 480, 503])
def test_a_copy_its_device_does_not_take_now_is_stored_and_tried_again(status: int) -> None:
    world = Crowd(2)
    phones = [world.user(0), world.user(1)]
    phones[1].answers = [status]
    world.send(world.everybody)
    assert [row.message.recipient for row in world.store.waiting()] == [world.everybody[1]]
    world.network.run(120.0)
    assert [phone.shown for phone in phones] == [[NOTICE]] * 2
    assert len({request.call_id for request in phones[1].received}) == 1
    assert world.store.waiting() == []
    assert not world.faults


def test_a_copy_its_device_refuses_is_over_and_told_so() -> None:
    world = Crowd(1)
    world.user(0).answers = [488]
    world.send(world.everybody)
    assert world.store.waiting() == []
    assert [e.outcome for e in world.ledger.entries if e.final] == [rules.REFUSED]
    assert not world.faults


def test_a_device_that_is_slow_gets_its_copy_once() -> None:
    world = Crowd(2)
    phones = [world.user(0), world.user(1)]
    phones[1].delay_s = 3.0
    world.send(world.everybody)
    assert [row.message.recipient for row in world.store.waiting()] == [world.everybody[1]]
    world.network.run(60.0)
    assert phones[1].shown == [NOTICE]
    assert world.store.waiting() == []
    assert not world.faults


def test_a_store_that_cannot_settle_is_asked_again() -> None:
    world = Crowd(2)
    phones = [world.user(0), world.user(1)]
    phones[1].silent = True
    world.send(world.everybody[:1])
    world.fanout.send(world.original(), world.everybody, world.network.now, lambda result: None)
    world.network.run(0.02)
    world.store.failing = True
    world.network.run(10.0)
    world.store.failing = False
    phones[1].silent = False
    world.network.run(120.0)
    assert [phone.shown for phone in phones] == [[NOTICE]] * 2
    assert world.store.waiting() == []
    assert world.store.parcels == {}


def test_a_crash_while_devices_answer_shows_nobody_a_copy_twice() -> None:
    world = Crowd(6)
    phones = [world.user(number) for number in range(6)]
    for number, phone in enumerate(phones):
        phone.delay_s = number * 0.3
    world.fanout.send(world.original(), world.everybody, world.network.now, lambda result: None)
    world.network.run(0.7)
    world.restart()
    for phone in phones:
        world.register(phone)
    world.network.run(120.0)
    assert [phone.shown for phone in phones] == [[NOTICE]] * 6
    assert world.store.waiting() == []


def test_a_copy_on_its_way_can_be_taken_back() -> None:
    world = Crowd(1)
    phone = world.user(0)
    phone.silent = True
    world.recall.secure = world.fanout.parcels.secure
    world.fanout.send(world.original(), world.everybody, world.network.now, lambda result: None)
    world.network.run(0.1)
    (carried,) = (copy for copies in world.store.parcels.values() for copy in copies)
    states: list[object] = []
    world.recall.by_id(carried.id, ALICE, world.everybody[0], states.append)
    world.network.run(0.1)
    assert states == [RecallState.ON_ITS_WAY]
    phone.silent = False
    before = len(phone.shown)
    world.register(phone)
    world.network.run(60.0)
    assert len(phone.shown) - before <= 1
    assert world.store.waiting() == []


def test_a_large_copy_takes_the_way_of_stored_messages() -> None:
    world = Crowd(1)
    world.user(0)
    world.send(world.everybody, world.original(body=b"x" * 1300))
    assert [row.message.recipient for row in world.store.rows.values()] == world.everybody
