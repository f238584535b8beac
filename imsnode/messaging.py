# SPDX-License-Identifier: Apache-2.0
"""Pager mode in the node: the pager, and everything that takes part in its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pager import Pager
from pager.identity import MessageIds
from pager.receipts import Receipts
from pager.values import ExpiredMessage
from sip.flow import Flow
from sip.message import Request
from sip.registrar import date_line

from . import settings as settings_of
from .builtin import BuiltIn
from .carbons import Carbons
from .echo import Echo
from .history import Keeping
from .history_desk import registered
from .history_observer import HistoryObserver
from .local import Asked, local_message
from .mailing import Mailing, list_aor
from .mailroom import Mailroom
from .recalls import Recalls
from .receipts import Courier
from .reporting import Reporting, report_aor
from .screening import ContentRules, Policies
from .storage import ServiceAccount, find_story
from .tracking import Tracking
from .webhook import Poster, Webhook

if TYPE_CHECKING:
    from .app import App

__all__ = ["Messaging"]

_HEAD_OCTETS = 500  # of the header lines of a message of the node's own, about


class Messaging:
    """Everything of a node that has to do with single messages.

    Args: rules: judge what messages carry.
    """

    def __init__(self, app: App, rules: ContentRules) -> None:
        self._app = app
        config, storage, edge = app.config, app.storage, app.edge
        self.pager = Pager(
            edge.proxy,
            edge.endpoint.timers,
            app.location,
            storage.messages,
            storage.ledger,
            app.clock,
            app.ids,
            settings_of.pager_settings(config),
        )
        storage.on_unheard(self.pager.found)
        policies = settings_of.policy_settings(config)
        self.policies = Policies.on(self.pager, edge.endpoint.timers, storage, rules, policies)
        self.keeping = Keeping(settings_of.history_settings(config), storage.choices.load())
        storage.archive.keep = self.keeping.of
        self.pager.observe(HistoryObserver(storage.archive.note, storage.archive.displayed))
        self.carbons = Carbons(edge.proxy, app.location, registered, self.keeping.carbons)
        self.pager.observe(self.carbons)
        domains = config.domains if config.pager.echo else ()
        self.echo = Echo(domains, app.admission.is_user, self._send)
        self.echo_service = BuiltIn(
            edge.endpoint, self.echo, storage.ledger, MessageIds(app.ids.token(5)), app.clock.wall
        )
        app.services.offer(self.echo_service, self.echo.aors)
        self.recalls = Recalls(
            self.pager, storage, app.clock, app.admission.is_user, self._send, app.retry_after,
            self.flush,
        )  # fmt: skip
        self.reporting = Reporting(
            edge.endpoint, storage, edge.names.aor_of, app.clock, edge.driver.wake
        )
        app.services.offer(self.reporting, [report_aor(domain) for domain in config.domains])
        self.receipts = self._join_receipts()
        self.poster = Poster(settings_of.webhook_policy(config), app.clock.wall)
        self.mailroom = Mailroom(
            storage.messages,
            storage.ledger,
            self.pager.keeper.uncount,
            app.clock,
            settings_of.webhook_retry(config),
            lambda: self.pager.observers,
        )
        self.tracking = Tracking(
            self.pager.keeper,
            MessageIds(app.ids.token(5)),
            app.clock,
            lambda: app.config.pager.message_lifetime,
            self._find_message,
            self.mailroom.news,
            self.mailroom.stats,
        )
        self.recalls.recall.heard = self._recalled
        self.recalls.recall.unseen = lambda gone: storage.archive.taken_back(
            gone.id, gone.recipient
        )
        self._serving = self._tracking = False
        self.mailing = Mailing(app, self.pager, self.receipts)
        self.recalls.recall.secure = self.mailing.fanout.parcels.secure

    def _join_receipts(self) -> Receipts:
        """Make the node an intermediary of RFC 5438, at an address of its own."""
        app, edge = self._app, self._app.edge
        courier = Courier(
            edge.endpoint,
            edge.proxy,
            self.pager,
            app.storage.ledger,
            app.ids,
            app.clock,
            app.admission.is_user,
            self._way_to,
            edge.driver.wake,
            app.config.domains,
        )
        receipts = courier.receipts = Receipts(
            courier.send,
            edge.names.aor_of,
            app.admission.is_user,
            app.storage.ledger,
            app.location,
            app.clock,
            edge.key,
            app.config.pager.imdn_record_route,
            app.storage.archive.displayed,
        )
        self.pager.examiner = receipts
        self.pager.observe(receipts, plain=False)
        app.services.offer(courier, courier.aors)
        return receipts

    # ----------------------------------------------------------- start, stop

    def start(self, reachable: Iterable[str], now: float, wall: float) -> None:
        """Take up what was stored; blocks while it reads.

        Args: reachable: everybody who is registered.
        """
        storage = self._app.storage
        self.pager.start(reachable, now, wall)
        self.serve_accounts(storage.services.load_all())
        self.mailing.start(self.pager.keeper.waiting_recipients(), now)

    def stop(self) -> None:
        """Begin nothing further."""
        self.mailing.stop()
        self.pager.stop()

    async def close(self) -> None:
        """Let the handlers of service accounts go."""
        self.tracking.close()
        await self.mailroom.close()
        await self.poster.close()

    # -------------------------------------------------------------- services

    def serve_accounts(self, services: Iterable[ServiceAccount]) -> None:
        """Take messages for exactly these service accounts to their handlers."""
        services = list(services)
        handlers = {
            one.aor: Webhook(self.poster, one.webhook, one.secret) if one.webhook else None
            for one in services
        }
        self.mailroom.configure(handlers)
        # Nobody looks at every message for accounts that do not exist.
        if handlers and not self._serving:
            self._serving = True
            self.pager.observe(self.mailroom)
        told = frozenset(one.aor for one in services if one.events and one.webhook)
        if told and not self._tracking:
            self._tracking = True
            self.pager.observe(self.tracking)
        self.tracking.watch(told)

    def _recalled(self, gone: ExpiredMessage) -> None:
        self.mailroom.recalled(gone)
        self.tracking.recalled(gone)

    async def _find_message(self, imdn_id: str) -> str:
        """Return the message id that belongs to an IMDN Message-ID, "" for none that is known."""
        app = self._app
        flushed: asyncio.Future[bool] = app.loop.create_future()
        self.flush(flushed.set_result)
        await flushed
        found = await app.loop.run_in_executor(None, find_story, app.storage.database, imdn_id, 1)
        return found[0].message_id if found else ""

    def flush(self, done: Callable[[bool], None]) -> None:
        """Call back when all that was noted until now can be read; see `Storage.flush`.

        That takes in the copies on their way: what became of them is told when they are settled.
        """
        storage, parcels = self._app.storage, self.mailing.fanout.parcels
        if not parcels.open:
            storage.flush(done)
            return
        parcels.secure(self._app.clock.now())
        storage.flush(lambda _settled: storage.flush(done))

    # ---------------------------------------------------- messages of our own

    def submit(
        self,
        sender: str,
        recipient: str,
        content_type: bytes,
        body: bytes,
        answered: Callable[[int, str], None],
        headers: Sequence[tuple[bytes, bytes]] = (),
        identity: str = "",
    ) -> str:
        """Hand a message of the node's own to the pager; returns its id.

        ``answered(status, reason)`` comes once: 200 delivered, 202 stored, or the refusal.
        ``headers`` and ``identity`` as in `local_message`.
        """
        app = self._app
        now, wall = app.clock.now(), app.clock.wall()
        request: Request = local_message(
            app.ids,
            sender,
            recipient,
            content_type,
            body,
            date_line(wall),
            headers,
            identity,
            app.edge.limits,
        )
        asked = Asked(request, answered)
        if self.mailing.groups.get(recipient) is not None:
            message_id = self.mailing.group_service.send(
                asked, request, sender, recipient, now, local=True
            )
        else:
            message_id = self.pager.originate(asked, request, sender, recipient, now, wall)
        app.edge.driver.wake()
        return message_id

    def submit_list(
        self,
        sender: str,
        recipients: Sequence[str],
        content_type: bytes,
        body: bytes,
        answered: Callable[[int, str], None],
        headers: Sequence[tuple[bytes, bytes]] = (),
        identity: str = "",
    ) -> str:
        """Send a message of the node's own to several users, as one to a list; returns its id.

        Args: as in `submit`; the answer is 202 when everybody's copy is kept.
        """
        app = self._app
        now, wall = app.clock.now(), app.clock.wall()
        address = list_aor(sender.rpartition("@")[2])
        request = local_message(
            app.ids, sender, address, content_type, body, date_line(wall), headers, identity,
            app.edge.limits,
        )  # fmt: skip
        content = (b"Content-Type: " + content_type, body)
        message_id = self.mailing.distribution.send(
            Asked(request, answered), request, sender, address, recipients, now, content, True
        )
        app.edge.driver.wake()
        return message_id

    async def fit(
        self, sender: str, recipients: Sequence[str], content_type: bytes, body: bytes
    ) -> tuple[bytes, bytes]:
        """Return the content in which a message of the node's own is sent; see `Oversize.fit`.

        Args: recipients: users, a group, or ``*@DOMAIN`` for everybody of a domain.
        Raises: TooLarge.
        """
        oversize = self._app.node.oversize
        if oversize is None:
            return content_type, body
        reached: Sequence[str] = recipients
        if self.mailing.groups.get(recipients[0]) is not None:
            reached = self.mailing.group_service.recipients(sender, recipients[0])
        elif recipients[0].startswith("*@"):
            reached = ()
        return await oversize.fit(sender, recipients, reached, content_type, body, _HEAD_OCTETS)

    def _send(
        self, sender: str, recipient: str, content_type: bytes, body: bytes, now: float = 0.0
    ) -> None:
        self.submit(sender, recipient, content_type, body, _nobody_asks)

    def _way_to(self, host: str, now: float) -> Flow | None:
        """Return a flow to whoever takes requests for a foreign domain."""
        return self._app.node.onward.way_to(host, now)


def _nobody_asks(_status: int, _reason: str) -> None:
    """The ledger tells what became of it."""
