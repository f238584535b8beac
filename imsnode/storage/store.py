# SPDX-License-Identifier: Apache-2.0
"""The store of a running node: database, writer and the ports on top of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from .accounts import Accounts
from .archive import ArchiveMerging, ArchiveRetention, ArchiveWriter
from .cards import Cards
from .cdr import CdrFile, CdrSettings
from .choices import Choices
from .contacts import Contacts
from .database import Database
from .documents import Documents
from .entries import make_entries
from .errors import StorageError
from .failpoints import FailPoint
from .jobs import Jobs
from .lanes import Done, Item, Lane
from .ledger import LedgerRetention, LedgerWriter
from .locations import BindingLane, Locations
from .messages import Messages
from .pace import Defer
from .parcels import ParcelRecovery, ParcelRetention, Parcels, SettleLane, recover_parcels
from .peers import StoredPeers
from .policies import UserPolicies
from .profiles import StoredProfiles
from .publications import Publications
from .reports import ReportRetention, Reports
from .requests import RequestRetention, Requests
from .room_history import RoomRetention
from .rooms import Rooms
from .schema import message
from .services import ServiceAccounts
from .settling import Forgetting
from .sms import ShortMessages
from .stats import StorageStats
from .subscriptions import Subscriptions
from .tallies import Tallies
from .tokens import Tokens
from .writer import Deliver, Writer

__all__ = ["Storage", "StorageSettings", "open_storage"]

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """How a store is opened and how long things are kept, in seconds.

    url: ``sqlite:////path/file.db`` or ``postgresql://...``. queue_limit: operations that may
    wait for the writer; beyond it they fail at once. domains: those served here. reserved: AoRs
    of the node's own services.
    duplicate_memory_s: how long a settled
    message recognises a resend. check_seconds: time for the integrity check at start.
    """

    url: str
    queue_limit: int = 20_000
    duplicate_memory_s: float = _DAY_S
    ledger_retention_s: float = 30 * _DAY_S
    report_retention_s: float = 90 * _DAY_S
    cdr: CdrSettings | None = None
    check_seconds: float = 1.5
    domains: Collection[str] = ()
    reserved: Collection[str] = ()


class Storage:
    """Everything a node keeps. Built by `open_storage`."""

    def __init__(
        self,
        settings: StorageSettings,
        database: Database,
        deliver: Deliver,
        wall: Callable[[], float],
        fail_point: FailPoint | None,
        defer: Defer | None,
    ) -> None:
        dialect = database.engine.dialect
        self.database = database
        self.stats = StorageStats()
        self.accounts = Accounts(database)
        self.policies = UserPolicies(database)
        self._cdr = CdrFile(settings.cdr, self.stats) if settings.cdr is not None else None
        self.ledger = LedgerWriter(dialect, self.stats, self._cdr)
        self.archive = ArchiveWriter(dialect, wall, self.stats)
        self.choices = Choices(database)
        self._forgetting = Forgetting(dialect, wall, settings.duplicate_memory_s, self.stats)
        self._retention = LedgerRetention(wall, settings.ledger_retention_s)
        self._report_retention = ReportRetention(wall, settings.report_retention_s)
        bindings = BindingLane(database)
        self.messages = Messages(database, self.submit)
        store_lane, parcels = self.messages.store_lane, Parcels(dialect)
        settle = SettleLane(parcels, store_lane, wall)
        self.jobs = Jobs(store_lane, parcels, settle, self.submit)
        self._parcels = ParcelRetention(wall, settings.duplicate_memory_s)
        self.tallies = Tallies(database, self.submit)
        self.locations = Locations(database, bindings, self.submit)
        self.tokens = Tokens(database)
        self.peers = StoredPeers(database)
        self.profiles = StoredProfiles(database)
        self.short_messages = ShortMessages(database)
        self.services = ServiceAccounts(database)
        self.requests = Requests(dialect, self.submit)
        self._requests = RequestRetention(wall, settings.duplicate_memory_s)
        self.cards = Cards(self.submit)
        self.contacts = Contacts(database, self.submit)
        self.documents = Documents(database, self.submit)
        self.reports = Reports(database, self.submit, wall)
        self.rooms = Rooms(database, self.submit, wall, settings.domains, settings.reserved)
        self._room_retention = RoomRetention(wall, settings.ledger_retention_s)
        self.subscriptions = Subscriptions(database, self.submit)
        self.publications = Publications(database, self.submit)
        self.writer = Writer(
            database,
            (
                bindings,
                self.tallies.lane,
                *self.jobs.lanes,
                *self.messages.lanes,
                *self.requests.lanes,
                self.cards.lane,
                self.contacts.lane,
                self.documents.lane,
                self.reports.lane,
                *self.rooms.lanes,
                self.publications.lane,
                self.subscriptions.lane,
            ),
            (self.ledger, self.archive),
            (
                ParcelRecovery(parcels, store_lane, wall),
                self.messages.entry_making,
                self._forgetting,
                bindings.compaction,
                self.publications.lane.compaction,
                self.subscriptions.lane.compaction,
                self._retention,
                self._requests,
                self._parcels,
                ArchiveRetention(wall),
                ArchiveMerging(dialect),
                self._report_retention,
                self._room_retention,
            ),
            deliver,
            settings.queue_limit,
            self.stats,
            fail_point,
            defer,
        )
        self._deliver = deliver
        self.ledger.rouse = self.writer.rouse
        self.archive.rouse = self.writer.rouse

    def rewrite_cdr(
        self, concerns: Callable[[bytes], bool], changed: Callable[[bytes], bytes]
    ) -> int:
        """Change charging records that were written; see `CdrFile.rewrite`."""
        return self._cdr.rewrite(concerns, changed) if self._cdr is not None else 0

    def submit(self, lane: Lane, item: Item, done: Done | None) -> None:
        """Hand an operation to the writer."""
        self.writer.submit(lane, item, done)

    def give_way(self, now: float) -> None:
        """Let the writer have the interpreter when it has work; once per wake-up of the loop."""
        self.writer.give_way(now)

    def on_unheard(self, tell: Callable[[list[tuple[str, bool]]], None]) -> None:
        """Have somebody told of messages whose commit was not heard of, as `StoreLane` says."""

        def deliver(kept: list[tuple[str, bool]]) -> None:
            with suppress(RuntimeError):  # the loop has been closed
                self._deliver(lambda: tell(kept))

        self.messages.store_lane.unheard = deliver

    def flush(self, done: Callable[[bool], None]) -> None:
        """Write all that waits, the ledger too; ``done(True)`` when it is durable."""
        self.writer.flush(done)

    @property
    def trouble(self) -> str:
        """Why the last group failed; "" once one has been committed since."""
        return self.writer.trouble

    def newest(self) -> float:
        """Return the wall time of the newest message in the store, 0.0 without any; blocks."""
        last = select(message.c.received_at).order_by(message.c.seq.desc()).limit(1)
        with self.database.reading() as connection:
            return connection.execute(last).scalar() or 0.0

    @property
    def waiting(self) -> int:
        """Operations that wait for the writer."""
        return self.writer.waiting

    def configure(
        self,
        duplicate_memory_s: float | None = None,
        ledger_retention_s: float | None = None,
        report_retention_s: float | None = None,
    ) -> None:
        """Change how long things are kept, from now on."""
        if duplicate_memory_s is not None:
            self._forgetting.memory_s = duplicate_memory_s
            self._requests.memory_s = duplicate_memory_s
            self._parcels.memory_s = duplicate_memory_s
        if ledger_retention_s is not None:
            self._retention.retention_s = ledger_retention_s
            self._room_retention.events_s = ledger_retention_s
        if report_retention_s is not None:
            self._report_retention.retention_s = report_retention_s

    def close(self, timeout_s: float = 4.0) -> bool:
        """Write all that waits and close; blocks. False when the time was not enough."""
        ended = self.writer.close(timeout_s)
        self.documents.close()
        if ended:
            if self._cdr is not None:
                self._cdr.close()
            self.database.close()
        return ended


def open_storage(
    settings: StorageSettings,
    deliver: Deliver,
    wall: Callable[[], float],
    fail_point: str | None = None,
    defer: Defer | None = None,
) -> Storage:
    """Open a store, migrating it when needed, check it, and start its writer; blocks.

    Args:
        deliver: runs a callable on the thread of the event loop (loop.call_soon_threadsafe).
        wall: epoch seconds, called from the writer's thread.
        fail_point: see `FailPoint`; tests only.
        defer: runs a callable in the loop's next round (loop.call_soon): what the loop has in hand
            may then join a group; without it every operation is written at once.

    Raises: StorageUnavailable, StoreDamaged, SchemaTooNew, ValueError (no such fail point).
    """
    point = FailPoint(fail_point) if fail_point else None
    database = Database(settings.url)
    try:
        database.upgrade(settings.check_seconds)
        with database.writing() as connection:
            recover_parcels(connection, wall())
            make_entries(connection)
    except StorageError:
        database.close()
        raise
    storage = Storage(settings, database, deliver, wall, point, defer)
    storage.writer.start()
    return storage
