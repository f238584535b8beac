# SPDX-License-Identifier: Apache-2.0
"""What storing costs: operations per CPU second of the whole process, commits included.

    python -m benchmarks.storage [--url URL] [--rounds 3] [--messages 1000000]

Without --url a SQLite file in a temporary folder is used. Groups have the size that a busy node
makes; each number is the median of the rounds. With --messages, a store of that many waiting
messages is filled and opened again.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection

from imsnode.identity.accounts import Account, make_account
from imsnode.storage import Accounts, AorState, Database, StorageSettings, open_storage
from imsnode.storage.binding_codec import encode_state
from imsnode.storage.entries import Entries, EntryMaking
from imsnode.storage.ledger import BLOCK, LedgerWriter
from imsnode.storage.locations import BindingLane
from imsnode.storage.mailboxes import StoreLane
from imsnode.storage.settling import MarkLane
from imsnode.storage.stats import StorageStats
from pager.values import DeliveryMark, LedgerEntry, MarkState, StoredMessage
from sip.registrar import Binding

GROUP = 48
WALL = 1_750_000_000.0
RECIPIENTS = 20_000
HEAD = b"\r\n".join(
    (
        b"From: <sip:alice@ims.test>;tag=8f31d0a2",
        b"To: <sip:bob@ims.test>",
        b"Date: Sat, 13 Nov 2010 23:29:00 GMT",
        b"Content-Type: text/plain;charset=utf-8",
        b"User-Agent: benchmark/1.0",
        b"P-Asserted-Identity: <sip:alice@ims.test>",
    )
)
Step = Callable[[Connection, int], None]


def measure(database: Database, groups: int, step: Step) -> tuple[float, float]:
    """Commit ``groups`` groups; return CPU and wall seconds."""
    with database.connect() as connection:
        cpu, wall = time.process_time(), time.perf_counter()
        for number in range(groups):
            with connection.begin():
                step(connection, number)
        return time.process_time() - cpu, time.perf_counter() - wall


def messages(count: int, chance: random.Random, first: int = 0) -> list[StoredMessage]:
    """Make messages from many senders to many recipients."""
    return [
        StoredMessage(
            f"m{first + number:018d}",
            chance.randbytes(16),
            f"sip:s{number % 997}@ims.test",
            f"sip:u{chance.randrange(RECIPIENTS)}@ims.test",
            b"%d-4f1d8a@192.0.2.1" % (first + number),
            1,
            WALL + number / 1000,
            WALL + number / 1000 + 604_800,
            HEAD,
            b"b" * 120,
        )
        for number in range(count)
    ]


def store_rate(database: Database, groups: int) -> tuple[float, float, int]:
    entries = Entries(database.engine.dialect)
    lane, making = StoreLane(database.engine.dialect, entries), EntryMaking(entries)
    chance = random.Random(os.urandom(8))
    with database.connect() as connection:
        lane.attach(connection)
    made = messages(groups * GROUP, chance)

    def step(connection: Connection, number: int) -> None:
        lane.execute(connection, made[number * GROUP : (number + 1) * GROUP])
        if making.due(0.0, urgent=False):
            making.step(connection)

    return *measure(database, groups, step), groups * GROUP


def mark_rate(database: Database, groups: int) -> tuple[float, float, int]:
    """Settle messages in the order in which they were stored."""
    entries = Entries(database.engine.dialect)
    lane = MarkLane(database.engine.dialect, entries)
    with database.connect() as connection:
        entries.attach(connection)
        rows = connection.exec_driver_sql(
            "SELECT seq, id FROM message WHERE settled_at IS NULL ORDER BY seq"
        ).fetchmany(groups * GROUP)

    def step(connection: Connection, number: int) -> None:
        part = rows[number * GROUP : (number + 1) * GROUP]
        marks = [
            DeliveryMark(identity, seq, "", MarkState.ACCEPTED, WALL, 200, True)
            for seq, identity in part
        ]
        lane.execute(connection, [[mark] for mark in marks])

    return *measure(database, groups, step), groups * GROUP


def binding(number: int) -> Binding:
    return Binding(
        f"sip:u{number % 100_000}@ims.test",
        b"sip:u%d@192.0.2.7:5062;ob" % number,
        b"",
        1000,
        4600.0,
        b"%d-af32@192.0.2.7" % number,
        number,
        "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
        received=("UDP", "192.0.2.7", 5062),
        user_agent=b"benchmark/1.0",
    )


def append_rate(database: Database, groups: int, encoded: bool) -> tuple[float, float, int]:
    """Journal bindings, with or without making their octets within the measured time."""
    lane = BindingLane(database)
    lane.adopt({}, 0)
    with database.connect() as connection:
        lane.attach(connection)
    states = [AorState((binding(number),), {}) for number in range(groups * GROUP)]
    items = [(s.bindings[0].aor, b"" if encoded else encode_state(s, 1e3, WALL)) for s in states]

    def step(connection: Connection, number: int) -> None:
        part = items[number * GROUP : (number + 1) * GROUP]
        if encoded:
            of = states[number * GROUP : (number + 1) * GROUP]
            part = [(i[0], encode_state(s, 1e3, WALL)) for i, s in zip(part, of, strict=True)]
        lane.execute(connection, part)
        lane.committed()

    return *measure(database, groups, step), groups * GROUP


def ledger_rate(database: Database, groups: int) -> tuple[float, float, int]:
    stats = StorageStats()
    writer = LedgerWriter(database.engine.dialect, stats, None)
    with database.connect() as connection:
        writer.attach(connection)
    entries = [
        LedgerEntry(
            f"m{number:018d}",
            b"%d-4f1d8a@192.0.2.1" % number,
            WALL,
            "sip:alice@ims.test",
            "sip:bob@ims.test",
            120,
            [
                (WALL, "received", "", 0, "forwarded"),
                (WALL + 0.01, "answered", "", 200, "device-accepted"),
                (WALL + 0.01, "replied", "", 200, "final-answer"),
            ],
            "relayed",
        )
        for number in range(groups * BLOCK)
    ]
    for entry in entries:
        writer.note(entry)

    def step(connection: Connection, number: int) -> None:
        writer.step(connection)
        writer.committed(0.0)

    return *measure(database, groups, step), groups * BLOCK


def report(name: str, runs: Sequence[tuple[float, float, int]]) -> None:
    """Print the medians of some runs."""
    cpu = statistics.median(count / seconds for seconds, _, count in runs)
    wall = statistics.median(count / seconds for _, seconds, count in runs)
    print(f"{name:44} {cpu:12,.0f} {wall:12,.0f}")


def rates(url: str, rounds: int) -> None:
    with Database(url) as database:
        database.upgrade()
        print(f"{'operation':44} {'per CPU s':>12} {'per second':>12}")
        report(
            f"message stored, groups of {GROUP}",
            [store_rate(database, 400) for _ in range(rounds)],
        )
        report(
            f"message settled, groups of {GROUP}",
            [mark_rate(database, 400 * rounds // (rounds + 1)) for _ in range(rounds)],
        )
        report(
            f"binding journalled, groups of {GROUP}",
            [append_rate(database, 800, encoded=False) for _ in range(rounds)],
        )
        report(
            "  the same with its octets made",
            [append_rate(database, 800, encoded=True) for _ in range(rounds)],
        )
        report(
            f"ledger entry, blocks of {BLOCK}",
            [ledger_rate(database, 50) for _ in range(rounds)],
        )


def many_messages(url: str, count: int) -> None:
    """Fill a store with waiting messages and open it again."""
    with Database(url) as database:
        entries = Entries(database.engine.dialect)
        lane = StoreLane(database.engine.dialect, entries)
        chance = random.Random(1)
        with database.connect() as connection:
            with connection.begin():
                lane.attach(connection)
            for start in range(0, count, 20_000):
                with connection.begin():
                    part = min(20_000, count - start)
                    lane.execute(connection, messages(part, chance, 10**9 + start))
                    entries.make(connection)
    started = time.perf_counter()
    storage = open_storage(StorageSettings(url), lambda run: run(), lambda: WALL)
    opened = time.perf_counter()
    counts = storage.messages.waiting_counts()
    counted = time.perf_counter()
    storage.messages.recent_keys(WALL, 100_000)
    read = time.perf_counter()
    storage.close()
    total = sum(one.open for one in counts.values())
    print(
        f"{total:,} waiting messages: opened in {opened - started:.2f} s, counted in "
        f"{counted - opened:.2f} s, 100,000 keys read in {read - counted:.2f} s"
    )


def accounts(url: str, count: int) -> None:
    """Import and load accounts."""
    with Database(url) as database:
        started = time.perf_counter()
        made: list[Account] = [make_account(f"sip:a{n}@ims.test", f"pw{n}") for n in range(count)]
        hashed = time.perf_counter()
        Accounts(database).import_many(made)
        imported = time.perf_counter()
        loaded = sum(1 for _ in Accounts(database).load_all())
        ended = time.perf_counter()
    print(
        f"{loaded:,} accounts: hashed in {hashed - started:.2f} s, imported in "
        f"{imported - hashed:.2f} s, loaded in {ended - imported:.2f} s"
    )


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--url", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'bench.db'}"
        rates(url, options.rounds)
        if options.accounts:
            accounts(url, options.accounts)
        if options.messages:
            many_messages(url, options.messages)


if __name__ == "__main__":
    main()
