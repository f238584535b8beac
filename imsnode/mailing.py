# SPDX-License-Identifier: Apache-2.0
"""Messages to many on a running node: groups, lists, broadcasts, and what these share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from pager import Pager
from pager.fanout import Fanout
from pager.groups import Group, Groups
from pager.identity import MessageIds
from pager.jobs import Job, JobKind, Jobs
from pager.original import Original
from pager.receipts import Receipts
from pager.tally import Tallies
from sip.aio.ids import SystemIds
from sip.forward import Target
from sip.headers.date import format_date

from . import settings as settings_of
from .config import Config
from .distribution import Distribution
from .groups import GroupService
from .lists import ListService
from .oversize import Oversize
from .storage import GroupStore, JobRefused, JobReport, JobTable

if TYPE_CHECKING:
    from .app import App

_FOREIGN = 1
_FOREIGN_S = 30.0  # between two looks at messages for other domains that had no way out


def reserved_aors(domains: Sequence[str]) -> frozenset[str]:
    """Return the addresses of the node's own services, which are nobody else's."""
    names = ("echo", "list", "conference-factory", "spam-report")
    return frozenset(f"sip:{name}@{domain}" for name in names for domain in domains)


def list_aor(domain: str) -> str:
    """Return the address of the list server of a domain."""
    return f"sip:list@{domain}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to everybody in a domain or group, as an operator or a program writes it.

    target: a domain served here, or the AoR of a group. rate: copies a second, 0 for as many as
    can be. lifetime_s: how long copies wait for who cannot be reached.
    """

    sender: str
    target: str
    content_type: str
    body: bytes
    rate: float
    lifetime_s: float


def notice(
    config: Config,
    sender: str,
    target: str,
    content_type: str,
    body: bytes,
    rate: float | None = None,
    lifetime_s: float | None = None,
) -> Notice:
    """Make a notice, with the configuration's rate and lifetime where none is given."""
    return Notice(
        sender,
        target,
        content_type,
        body,
        config.lists.broadcast_rate if rate is None else rate,
        config.pager.message_lifetime if lifetime_s is None else lifetime_s,
    )


def broadcast_job(wanted: Notice, wall: float, total: int, identity: str = "") -> Job:
    """Make the job of a notice.

    Args: identity: the same whenever the same broadcast is meant, so that it has the same id.
    """
    if identity:
        job_id = "b" + blake2b(identity.encode(), digest_size=10).hexdigest()
    else:
        job_id = "b" + MessageIds(SystemIds().token(5)).next(wall)[1:]
    head = [
        b"From: <%b>;tag=%b" % (wanted.sender.encode(), job_id.encode()),
        b"Date: " + format_date(int(wall)),
        b"Content-Type: " + wanted.content_type.encode(),
    ]
    original = Original(
        job_id,
        wanted.sender,
        wanted.target,
        job_id.encode(),
        1,
        b"job:" + job_id.encode(),
        wall,
        wall + wanted.lifetime_s,
        b"\r\n".join(head),
        wanted.body,
        True,
    )
    return Job(original, JobKind.BROADCAST, wanted.rate, total)


class Mailing:
    """Everything of a node that sends one message to many."""

    def __init__(self, app: App, pager: Pager, receipts: Receipts) -> None:
        self.app = app
        self._receipts = receipts
        config = app.config
        self.groups = Groups()
        self.group_store = GroupStore(
            app.storage.database, config.domains, reserved_aors(config.domains)
        )
        self.job_table = JobTable(app.storage.database)
        self.fanout = Fanout(pager, app.storage.jobs, self.known, app.ids)
        self.jobs = Jobs(
            self.fanout, app.storage.jobs, self.audience, app.edge.endpoint.timers, app.clock
        )
        self.tallies = Tallies(
            self.fanout,
            app.storage.tallies,
            self._is_recipient,
            receipts.party,
            app.edge.endpoint.timers,
            app.clock,
            settings_of.tally_settings(config),
        )
        self.fanout.unreached = self.tallies.failed
        receipts.tallies = self.tallies
        self.distribution = Distribution(self.fanout, self.jobs, receipts, self.tallies)
        lists = config.lists
        self.group_service = GroupService(
            app.edge.endpoint,
            self.groups,
            self.distribution,
            to_sender=lists.to_sender,
            body_bytes=config.limits.message_body_size,
            group_max=lists.group_max,
        )
        self.list_service = ListService(
            app.edge.endpoint,
            self.distribution,
            app.edge.names.aor_of,
            config.domains,
            self.known,
            app.ids,
        )
        self.foreign: set[str] = set()
        self._reading = asyncio.Lock()
        app.location.elsewhere = self.elsewhere

    # ----------------------------------------------------------- start, stop

    def start(self, waiting: Iterable[str], now: float) -> None:
        """Serve groups and lists, take up the jobs of an earlier run; blocks while it reads.

        Call it before anything listens.

        Args: waiting: everybody a stored message waits for.
        """
        self._have(self.group_store.load_all())
        self.configure(self.app.config)
        self.foreign.update(aor for aor in waiting if self._is_foreign(aor))
        self.on_timer(_FOREIGN, now)
        self.job_table.forget(self.app.clock.wall() - self.app.config.ledger.retention)
        self.tallies.start(self.app.storage.tallies.load(self.app.clock.wall()))
        self._resume(self.job_table.running())

    def stop(self) -> None:
        """Begin nothing further."""
        self.jobs.stop()
        self.fanout.parcels.secure(self.app.clock.now())

    def configure(self, config: Config) -> None:
        """Use other settings from now on."""
        self.tallies.settings = settings_of.tally_settings(config)
        self.group_service.to_sender = config.lists.to_sender
        self.group_service.group_max = config.lists.group_max
        lists, domains = config.lists, self.group_store.domains if config.lists.service else ()
        self.list_service.configure(lists.list_max, config.limits.message_body_size, lists.consent)
        self.app.services.offer(self.list_service, [list_aor(domain) for domain in domains])

    def watch_size(self, oversize: Oversize | None) -> None:
        """Have large messages to lists and groups dealt with from now on."""
        self.group_service.oversize = self.list_service.oversize = oversize

    # ---------------------------------------------------------------- groups

    async def groups_changed(self) -> int:
        """Read the groups again; returns how many there are."""
        async with self._reading:
            loop = self.app.loop
            self._have(await loop.run_in_executor(None, self.group_store.load_all))
            return len(self.groups)

    def _have(self, groups: Sequence[Group]) -> None:
        self.groups.replace_all(groups)
        self.app.services.offer(self.group_service, [group.aor for group in self.groups])

    def keeps_members_from(self, sender: str, aor: str) -> bool:
        """Say whether an address is a group's whose members somebody may not know."""
        known = self.groups.get(aor) is None or self.group_service.knows_members(sender, aor)
        return not known

    # ------------------------------------------------------------ broadcasts

    async def broadcast(self, wanted: Notice, identity: str = "") -> str:
        """Keep a broadcast and begin it; returns its id after the commit.

        Args: identity: as in `broadcast_job`; one that is kept already is not begun again.
        Raises: JobRefused when nobody is meant by the target.
        """
        wall = self.app.clock.wall()
        job = broadcast_job(wanted, wall, 0, identity)
        if identity and await self.broadcast_report(job.original.id) is not None:
            return job.original.id
        total = len(self.audience(job))
        if not total:
            raise JobRefused(f"nobody is in {wanted.target}")
        job = broadcast_job(wanted, wall, total, identity)
        await self.app.loop.run_in_executor(None, self.job_table.create, job)
        self._resume([job])
        return job.original.id

    async def broadcasts_changed(self) -> int:
        """Take up jobs that were made, and drop those that were ended, by somebody else."""
        running = await self.app.loop.run_in_executor(None, self.job_table.running)
        alive = {job.original.id for job in running}
        self.jobs.cancel([job_id for job_id in self.jobs.running if job_id not in alive])
        self._resume(running)
        return len(running)

    def _resume(self, jobs: Sequence[Job]) -> None:
        """Go on with jobs; what recipients of broadcasts say is gathered like that of lists."""
        for job in jobs:
            if job.kind is JobKind.BROADCAST:
                self._count(job)
        self.jobs.resume(jobs)

    def _count(self, job: Job) -> None:
        """Gather the receipts of a broadcast, which come from the group or the list server."""
        original = job.original
        read = self._receipts.content(original.content_type or b"", original.body, "")
        if not isinstance(read, tuple):
            return
        told = True
        if "@" in original.address:
            told = self.group_service.knows_members(original.sender, original.address)
        else:
            original = replace(original, address=list_aor(original.address))
        self.tallies.begin(original, read, self.audience(job), False, told)

    def _is_recipient(self, address: str, person: str) -> bool:
        """Say whether a message to a group, or to everybody of a domain, is for somebody."""
        everybody = list_aor(person.rpartition("@")[2])
        return address == everybody or self.groups.is_member(address, person)

    async def cancel_broadcast(self, job_id: str) -> None:
        """End a broadcast; copies that are made stay. Raises: JobRefused."""
        wall = self.app.clock.wall()
        await self.app.loop.run_in_executor(None, self.job_table.cancel, job_id, wall)
        self.jobs.cancel([job_id])

    async def broadcast_report(self, job_id: str) -> JobReport | None:
        """Tell how far a broadcast has come and what became of its copies."""
        return await self.app.loop.run_in_executor(None, self.job_table.report, job_id)

    def audience(self, job: Job) -> Sequence[str]:
        """Return everybody a job is for, in order of their AoRs."""
        sender, target = job.original.sender, job.original.address
        if self.groups.get(target) is not None:
            return self.group_service.recipients(sender, target)
        return sorted(
            account.aor
            for account in self.app.admission.directory
            if account.enabled and account.realm == target and account.aor != sender
        )

    # ------------------------------------------------------------ recipients

    def known(self, aor: str) -> bool:
        """Tell whether somebody can get a copy: a user of ours, or of a domain with a route."""
        account = self.app.admission.directory.get(aor)
        if account is not None:
            return account.enabled
        if self._is_foreign(aor):
            if not self.foreign:
                self.app.edge.endpoint.timers.schedule(
                    self.app.clock.now() + _FOREIGN_S, self, _FOREIGN
                )
            self.foreign.add(aor)
            return True
        return False

    def elsewhere(self, aor: str, now: float) -> Sequence[Target]:
        """Find the way to a user of another domain, where there is one now."""
        flow = self.app.node.onward.way_to(aor.rpartition("@")[2], now)
        return () if flow is None else (Target(aor.encode(), flow),)

    def on_timer(self, kind: int, now: float) -> None:
        """Try messages for other domains again: nobody registers there."""
        pager = self.app.messaging.pager
        for aor in list(self.foreign):
            if pager.waiting(aor):
                if aor not in pager.offline.boxes:
                    pager.registered(aor, now)
            else:
                self.foreign.discard(aor)
        if self.foreign:
            self.app.edge.endpoint.timers.schedule(now + _FOREIGN_S, self, _FOREIGN)

    def _is_foreign(self, aor: str) -> bool:
        return self.app.node.onward.knows(aor.rpartition("@")[2])
