"""Jobs in a database: a batch and the place of its job are one transaction."""

from __future__ import annotations

import pytest

from imsnode.storage import JobRefused, JobTable
from pager.jobs import Job, JobKind
from pager.original import Original
from pager.ports import Advance, CopiesResult
from pager.values import MarkState, StoredMessage, StoreKind
from tests.support.stores import WALL, DurableStore, mark, message

JOB = "b1"


def job(**values: object) -> Job:
    original = Original(
        JOB, "sip:alice@ims.test", "ims.test", JOB.encode(), 1, b"job:b1", WALL, WALL + 1000,
        b"From: <sip:alice@ims.test>\r\nX: \xff", b"to all \x00", True,
    )  # fmt: skip
    return Job(original, JobKind.BROADCAST, 12.5, 6)


def copies(first: int, count: int) -> list[StoredMessage]:
    return [
        message(n, recipient=f"sip:u{n}@ims.test", call_id=JOB.encode())
        for n in range(first, first + count)
    ]


def step(before: str, after: str, ended: float | None = None, skipped: int = 0) -> Advance:
    return Advance(JOB, before, after, 6, ended, skipped)


@pytest.fixture
def table(durable: DurableStore) -> JobTable:
    return JobTable(durable.storage.database)


def send(store: DurableStore, batch: list[StoredMessage], advance: Advance | None) -> CopiesResult:
    result = store.call(store.storage.jobs.store_copies, batch, advance)
    assert isinstance(result, CopiesResult)
    return result


def test_a_job_comes_back_as_it_was(durable: DurableStore, table: JobTable) -> None:
    assert durable.call(durable.storage.jobs.begin, job()) is True
    assert durable.call(durable.storage.jobs.begin, job()) is True
    assert table.running() == [job()]


def test_copies_are_stored_like_messages(durable: DurableStore) -> None:
    result = send(durable, copies(0, 3), None)
    assert result.copies is not None
    assert [one.kind for one in result.copies] == [StoreKind.STORED] * 3
    (found,) = durable.call(durable.storage.messages.pending, "sip:u1@ims.test", 0, 10)
    assert found.message == copies(1, 1)[0]
    again = send(durable, copies(2, 2), None)
    assert again.copies is not None
    assert [one.kind for one in again.copies] == [StoreKind.DUPLICATE, StoreKind.STORED]


def test_a_job_goes_forward_with_its_copies(durable: DurableStore, table: JobTable) -> None:
    table.create(job())
    assert send(durable, copies(0, 2), step("", "sip:u1@ims.test", skipped=1)).copies
    (running,) = table.running()
    assert (running.cursor, running.total) == ("sip:u1@ims.test", 6)
    report = table.report(JOB)
    assert report is not None
    assert (report.stored, report.skipped, report.left, report.waiting) == (2, 1, 3, 2)
    assert send(durable, [], step("sip:u1@ims.test", "sip:u1@ims.test", WALL + 9)).copies == []
    assert table.running() == []
    report = table.report(JOB)
    assert report is not None
    assert (report.state, report.ended_at, report.left) == ("done", WALL + 9, 0)


def test_a_batch_that_was_sent_already_stores_nothing(
    durable: DurableStore, table: JobTable
) -> None:
    table.create(job())
    assert send(durable, copies(0, 2), step("", "sip:u1@ims.test")).copies
    assert send(durable, copies(0, 3), step("", "sip:u2@ims.test")) == CopiesResult(None, True)
    assert durable.call(durable.storage.messages.pending, "sip:u2@ims.test", 0, 10) == []


def test_a_cancelled_job_stores_nothing_more(durable: DurableStore, table: JobTable) -> None:
    table.create(job())
    assert send(durable, copies(0, 2), step("", "sip:u1@ims.test")).copies
    table.cancel(JOB, WALL + 5)
    assert send(durable, copies(2, 2), step("sip:u1@ims.test", "z")).stopped
    report = table.report(JOB)
    assert report is not None
    assert (report.state, report.stored, report.ended_at) == ("cancelled", 2, WALL + 5)
    with pytest.raises(JobRefused, match="cancelled"):
        table.cancel(JOB, WALL + 6)
    with pytest.raises(JobRefused, match="no broadcast"):
        table.cancel("b2", WALL + 6)


def test_the_report_says_what_became_of_the_copies(durable: DurableStore, table: JobTable) -> None:
    table.create(job())
    batch = copies(0, 5)
    results = send(durable, batch, step("", "sip:u4@ims.test")).copies
    assert results is not None
    durable.call(durable.storage.messages.store, message(99))
    settle = durable.storage.messages.mark
    durable.call(settle, [mark(results[0]), mark(results[1], state=MarkState.REFUSED, status=488)])
    durable.call(settle, [mark(results[2], "<device>", settles=False)])
    durable.call(durable.storage.messages.expire, batch[3].expires_at, 10)
    report = table.report(JOB)
    assert report is not None
    assert (report.stored, report.forgotten) == (5, 0)
    outcomes = (report.delivered, report.refused, report.expired, report.waiting)
    assert outcomes == (2, 1, 1, 1)
    assert table.report("b2") is None


def test_a_store_in_trouble_says_so(durable: DurableStore, table: JobTable) -> None:
    table.create(job())
    broken = [message(0, recipient="sip:half \ud800 a character@ims.test")]
    result = send(durable, broken, step("", "sip:u0@ims.test"))
    assert (result.copies, result.stopped) == (None, False)
    assert table.running() == [job()]


def test_old_jobs_are_forgotten(durable: DurableStore, table: JobTable) -> None:
    table.create(job())
    assert table.forget(WALL + 100) == 0
    send(durable, copies(0, 1), step("", "sip:u0@ims.test", WALL + 50))
    assert [report.id for report in table.reports(10, [JobKind.BROADCAST])] == [JOB]
    assert table.reports(10, [JobKind.GROUP]) == []
    assert table.forget(WALL + 100) == 1
    assert table.reports(10) == []
