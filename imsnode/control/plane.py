# SPDX-License-Identifier: Apache-2.0
"""What the control socket can do to a running node (ADR 0010)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pager.screening import UserPolicy
from presence.xcap import UNCONDITIONAL, Refusal
from session_msrp.rooms.audit import OPERATOR
from session_msrp.rooms.edits import RoomRefused
from sip.aio import BindError

from .. import settings as settings_of
from ..config import Config, ConfigError, changes, load
from ..logs import configure
from ..oversize import TooLarge
from ..recalls import RecallResult
from ..storage import Eraser, StorageError
from ..tls import TlsConfigError
from .server import ControlRefused, DocumentAnswer, ReloadResult, SubmitMessage, SubmitResult

if TYPE_CHECKING:
    from ..app import App

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # a message of the node's own is answered or stored well before


class Plane:
    """Implements `imsnode.control.server.ControlPlane` on the parts of an `App`."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.started_with = app.config
        self.reloading: set[asyncio.Task[ReloadResult]] = set()
        self._reading = asyncio.Lock()  # what is read first is applied first

    # ----------------------------------------------------------------- reload

    def reload_soon(self) -> None:
        """Reload on SIGHUP; a bad file is logged and changes nothing."""
        task = self.app.loop.create_task(self.reload())
        self.reloading.add(task)
        task.add_done_callback(self.reloading.discard)
        task.add_done_callback(_report)

    async def reload(self) -> ReloadResult:
        """Apply what can change while the node runs; name what needs a restart.

        Raises: ControlRefused when the file is not valid or the accounts cannot be read; the old
            settings stay.
        """
        try:
            new = load(self.app.config.path)
            rules = settings_of.content_rules(new)
            contexts = self.app.edge.contexts_of(new)
        except (ConfigError, TlsConfigError) as error:
            raise ControlRefused(str(error)) from error
        # What can fail comes first.
        try:
            await self.users_changed(None)
            await self.policies_changed(None)
        except StorageError as error:
            raise ControlRefused(f"the accounts cannot be read: {error}") from error
        applied = [change.key for change in changes(self.app.config, new) if change.live]
        if applied:
            self._apply(new)
        self.app.edge.configure(new, contexts)  # files may have changed under the same name
        self.app.messaging.policies.content = rules  # what they read from files may have changed
        # What needs a restart differs from what the process began with, not from the last reload.
        since_start = changes(self.started_with, new)
        restart = [change.key for change in since_start if not change.live]
        log.info("reloaded", extra={"applied": applied, "needs_restart": restart})
        return ReloadResult(applied=applied, needs_restart=restart)

    def _apply(self, config: Config) -> None:
        """Put all live settings in force, or raise and leave all as they were."""
        app = self.app
        old = app.config
        # Everything is made of the new settings before the first of them counts.
        ways = settings_of.way_settings(config)
        auth, throttle = settings_of.auth_settings(config), settings_of.throttle(config)
        rates, limits = settings_of.rates(config), settings_of.registrar_limits(config)
        proxy, pager = settings_of.proxy_config(config), settings_of.pager_settings(config)
        history = settings_of.history_settings(config)
        content = settings_of.content(config)
        policies = settings_of.policy_settings(config)
        oversize = settings_of.oversize_settings(config)
        events = settings_of.event_settings(config)
        next_hops, contacts = app.edge.next_hops(config), app.edge.contact_policy(config)
        app.peering.configure(config)  # refuses a bad table as a whole
        app.config = config
        configure(config.log.level, config.log.format, lines_per_source=config.limits.log_lines)
        app.ways.configure(ways)
        app.node.onward.held.most = config.interconnect.waiting
        app.sms.configure(config)
        app.admission.authenticator.configure(auth)
        app.admission.authenticator.admitted = frozenset(config.interconnect.admit)
        app.admission.directory.identities.configure(
            settings_of.number_plans(config), self.started_with.domains[0]
        )
        app.admission.associations.vouching = config.auth.associated
        # These forget what they have counted: not for a change of something else.
        if rates != settings_of.rates(old):
            app.admission.users.configure(rates)
        if rates != settings_of.rates(old) or config.peer != old.peer:
            app.admission.sources.configure(rates)
        if throttle != settings_of.throttle(old):
            app.admission.throttle.configure(throttle)
        app.web.bearer.configure(settings_of.token_limits(config))
        app.messaging.poster.policy = settings_of.webhook_policy(config)
        app.messaging.mailroom.retry = settings_of.webhook_retry(config)
        app.web.xcap.configure(settings_of.xcap_rate(config))
        app.documents.configure(settings_of.xcap_limits(config), config.xcap.cache_size)
        app.web.history_desk.access.configure(
            settings_of.token_limits(config).rate, config.auth.nonce_lifetime
        )
        app.registrar.limits = limits
        if app.pushing is not None:
            app.pushing.configure(config)
        app.registrar.words = settings_of.registrar_words(config, app.gruus)
        app.registrar.contact_allowed = contacts
        app.location.device_memory_s = config.registrar.device_memory
        app.location.max_devices = config.registrar.max_devices
        app.edge.proxy.config = proxy
        app.edge.proxy.may_send_to = next_hops
        app.messaging.pager.configure(pager)
        app.messaging.receipts.record_route = config.pager.imdn_record_route
        app.web.content.settings = content
        app.web.watch_size(oversize)
        app.messaging.policies.configure(policies)
        if app.presence is not None:
            app.presence.configure(events, settings_of.watcher_standing(config))
            app.presence.reg.gruus = app.registrar.words.gruus
        app.messaging.echo.configure(self.started_with.domains if config.pager.echo else ())
        app.services.offer(app.messaging.echo_service, app.messaging.echo.aors)
        app.messaging.keeping.configure(history)
        app.ims.configure(settings_of.ims_settings(config))
        app.messaging.mailing.configure(config)
        app.storage.configure(
            config.pager.duplicate_memory,
            config.ledger.retention,
            config.policy.report_retention,
        )

    # --------------------------------------------------------------- accounts

    async def users_changed(self, aors: Sequence[str] | None) -> int:
        """Read accounts again, all or those named, with what belongs to them.

        Bindings of accounts that went are removed.
        """
        async with self._reading:
            count, gone = await self._read_accounts(aors)
        await self.app.documents.refresh(aors)
        refused: ControlRefused | None = None
        for aor in gone:
            try:
                await self.remove_binding(aor, None)
            except ControlRefused as error:
                refused = error  # the others are tried all the same
            if self.app.admission.directory.get(aor) is None:
                self.app.location.forget(aor, self.app.clock.now(), self.app.clock.wall())
                self.app.messaging.policies.forget(aor, self.app.clock.now())
        if any(self.app.admission.directory.get(aor) is None for aor in gone):
            # Who is removed is in no group any more.
            await self.app.messaging.mailing.groups_changed()
            if self.app.rooms is not None:
                await self.app.rooms.changed(None)
        if self.app.presence is not None:
            self.app.presence.users_gone(gone)
        if refused is not None:
            raise refused
        return count

    async def user_erased(self, aor: str) -> tuple[int, int]:
        """Take a user who was erased from the database out of charging records and files too."""
        app = self.app
        eraser = Eraser(app.storage.database, aor, alone=False)
        try:
            records = await app.loop.run_in_executor(
                None, app.storage.rewrite_cdr, eraser.concerns, eraser.anonymised
            )
            return records, await app.web.content.erase(aor)
        except OSError as error:
            raise ControlRefused(f"charging records or files: {error.strerror}") from error

    async def _read_accounts(self, aors: Sequence[str] | None) -> tuple[int, list[str]]:
        directory, accounts = self.app.admission.directory, self.app.storage.accounts
        loop = self.app.loop
        named = None if aors is None else list(aors)
        choices = await loop.run_in_executor(None, self.app.storage.choices.load, named)
        self.app.messaging.keeping.choose(choices, named)
        if aors is None:
            fresh = await loop.run_in_executor(None, lambda: list(accounts.load_all()))
            count = directory.replace_all(fresh)
            gone = [aor for aor in self.app.location.records if not self._active(aor)]
        else:
            count = 0
            for aor in aors:
                account = await loop.run_in_executor(None, accounts.get, aor)
                if account is None:
                    directory.remove(aor)
                else:
                    directory.put(account)
                count += 1
            gone = [aor for aor in aors if not self._active(aor)]
        return count, gone

    async def tokens_changed(self) -> int:
        """Read the tokens of the HTTP API again; returns how many there are."""
        app = self.app
        app.web.tokens.replace_all(
            await app.loop.run_in_executor(None, app.storage.tokens.load_all)
        )
        return len(app.web.tokens)

    async def profiles_changed(self) -> int:
        """Read the filter criteria again; returns how many users have some."""
        app = self.app
        stored = await app.loop.run_in_executor(None, app.storage.profiles.load_all)
        app.ims.take_stored(stored)
        return len(stored)

    async def peers_changed(self) -> int:
        """Read the stored peers again; returns how many peers there are now."""
        app = self.app
        stored = await app.loop.run_in_executor(None, app.storage.peers.load_all)
        app.peering.take_stored(stored)
        app.admission.sources.configure(settings_of.rates(app.config))
        return len(app.peering.interconnect.partners)

    def peers(self) -> list[dict[str, object]]:
        """Say how the addresses of all peers do."""
        return self.app.peering.report()

    async def services_changed(self) -> int:
        """Read the service accounts again; returns how many there are."""
        app = self.app
        services = await app.loop.run_in_executor(None, app.storage.services.load_all)
        app.messaging.serve_accounts(services)
        return len(services)

    async def policies_changed(self, aors: Sequence[str] | None) -> int:
        """Read the policies of users again, all or those named."""
        app = self.app
        kept, loop = app.storage.policies, app.loop
        async with self._reading:
            if aors is None:
                fresh = await loop.run_in_executor(None, lambda: list(kept.load_all()))
                app.messaging.policies.replace_all(fresh, app.clock.now(), app.clock.wall())
                count = len(fresh)
            else:
                count = len(aors)
                for aor in aors:
                    one = await loop.run_in_executor(None, kept.get, aor)
                    one = one or UserPolicy(aor)
                    app.messaging.policies.put(one, app.clock.now(), app.clock.wall())
        app.edge.driver.wake()  # what was held back leaves now
        return count

    def _active(self, aor: str) -> bool:
        account = self.app.admission.directory.get(aor)
        return account is not None and account.enabled

    # ----------------------------------------------------------------- groups

    async def groups_changed(self) -> int:
        """Read the groups again; returns how many there are."""
        return await self.app.messaging.mailing.groups_changed()

    # ------------------------------------------------------------------ rooms

    async def rooms_changed(self, rooms: Sequence[str] | None) -> int:
        """Put in force what changed of rooms in the database; returns how many there are."""
        try:
            self.app.serve_rooms()
        except (BindError, TlsConfigError) as error:
            raise ControlRefused(str(error)) from error
        return 0 if self.app.rooms is None else await self.app.rooms.changed(rooms)

    def kick_from_room(self, room: str, who: str) -> int:
        """Hang up on somebody in a room; returns how many sessions ended."""
        return self.app.web.room_desk.kick(room, who, OPERATOR)

    async def invite_to_room(self, room: str, people: Sequence[str]) -> int:
        """Call people into a room; returns how many devices ring."""
        try:
            return await self.app.web.room_desk.invite(room, people, OPERATOR)
        except RoomRefused as refused:
            raise ControlRefused(str(refused)) from refused

    def room_participants(self, room: str) -> Sequence[Mapping[str, object]]:
        """Say who is in a room now."""
        return self.app.web.room_desk.participants(room)

    # ------------------------------------------------------------- broadcasts

    async def broadcasts_changed(self) -> int:
        """Take up broadcasts that were begun, drop those that were ended; returns how many run."""
        return await self.app.messaging.mailing.broadcasts_changed()

    # --------------------------------------------------------------- bindings

    async def remove_binding(self, aor: str, contact: str | None) -> int:
        """Remove one binding of an AoR, or all; returns how many went, after the commit."""
        removed: asyncio.Future[int] = self.app.loop.create_future()
        _Removal(self.app, aor, contact, removed).run(self.app.clock.now())
        return await removed

    async def remove_subscription(self, number: int, reason: str, retry_after: int) -> int:
        """End a subscription; returns how many went."""
        presence = self.app.presence
        return int(presence is not None and presence.remove(number, reason, retry_after))

    # --------------------------------------------------------------- messages

    async def submit_message(self, request: SubmitMessage) -> SubmitResult:
        """Send a message in the name of a local user, through the pager like any other."""
        app = self.app
        for field, aor in (("from", request.sender), ("to", request.recipient)):
            known = self._active(aor) or aor in app.messaging.echo.aors
            known = known or app.ims.serves(aor, app.clock.now())
            if not known and (field == "from" or app.messaging.mailing.groups.get(aor) is None):
                raise ControlRefused(f"{field}: {aor} is not a user of this node")
        answer: asyncio.Future[tuple[int, str]] = app.loop.create_future()

        def answered(status: int, reason: str) -> None:
            if not answer.done():
                answer.set_result((status, reason))

        if request.recipient in app.messaging.echo.aors:
            raise ControlRefused("to: the echo service answers softphones; send to a user")
        if app.messaging.mailing.groups.get(request.recipient) is not None:
            refusal = app.messaging.mailing.group_service.refused(
                len(request.body), request.sender, request.recipient
            )
            if refusal is not None:
                raise ControlRefused(f"to: {(refusal.reason or b'no such group').decode()}")
        content = request.content_type.encode(), request.body
        try:
            content = await app.messaging.fit(request.sender, (request.recipient,), *content)
        except TooLarge as refused:
            raise ControlRefused(refused.reason) from refused
        message_id = app.messaging.submit(request.sender, request.recipient, *content, answered)
        try:
            status, reason = await asyncio.wait_for(answer, ANSWER_S)
        except TimeoutError:
            return SubmitResult(message_id, 408, "pending", "no answer yet; see imsnode why")
        outcome = {200: "delivered", 202: "stored"}.get(status, "refused")
        return SubmitResult(message_id, status, outcome, reason)

    async def recall_message(self, identity: str, sender: str) -> list[RecallResult]:
        """Take a message back, for its sender or as the operator."""
        return await self.app.messaging.recalls.by_id(identity, sender)

    async def flush_ledger(self) -> None:
        """Return when all that is under way or noted so far can be read from the database."""
        app = self.app
        flushed: asyncio.Future[bool] = app.loop.create_future()
        app.messaging.flush(flushed.set_result)
        if not await flushed:
            raise ControlRefused("the ledger could not be written: " + self.app.storage.trouble)

    # -------------------------------------------------------------- documents

    async def document(self, method: str, target: str, content: bytes) -> DocumentAnswer:
        """Get, put or delete an XCAP document or a node of it, whoever's it is."""
        documents = self.app.documents
        try:
            where = documents.server.locate_text(target)
            if method == "GET":
                given = await documents.read(where, UNCONDITIONAL)
                return DocumentAnswer(
                    200, given.etag, given.content.media_type, given.content.octets
                )
            if method == "DELETE":
                documents.server.check_delete(where)
                kept = await documents.delete(where, UNCONDITIONAL)
            else:
                documents.server.check_put(where, where.media_type, len(content))
                kept = await documents.put(where, content, UNCONDITIONAL)
        except Refusal as refusal:
            if method == "GET" and refusal.status == 404:
                return DocumentAnswer(404, "")
            raise ControlRefused(str(refusal)) from refusal
        except StorageError as error:
            raise ControlRefused(f"documents cannot be reached: {error}") from error
        return DocumentAnswer(201 if kept.created else 200, kept.etag)

    # ----------------------------------------------------------------- status

    def sessions(self) -> Sequence[Mapping[str, object]]:
        """List the MSRP sessions that pass through the node."""
        return [] if self.app.sessions is None else self.app.sessions.rows()

    def status(self) -> Mapping[str, object]:
        """Return what an operator looks at first; plain values only."""
        app = self.app
        layer = app.edge.endpoint.layer
        return {
            "ready": app.readiness.ready,
            "reasons": app.readiness.reasons(),
            "listeners": [str(bound) for bound in app.edge.bound],
            "http": app.web.http.address,
            "accounts": len(app.admission.directory),
            "bindings": app.location.binding_count,
            "transactions": {
                "server": layer.server_count,
                "client": layer.client_count,
                "completed": layer.completed_count,
            },
            "connections": app.edge.driver.stats.connections,
            "storage": app.storage.trouble or "ok",
            "faults": app.edge.faults,
        }


class _Removal:
    """One administrative removal, in turn with the REGISTER requests of the same AoR."""

    def __init__(
        self, app: App, aor: str, contact: str | None, removed: asyncio.Future[int]
    ) -> None:
        self.app = app
        self.aor = aor
        self.contact = contact
        self.removed = removed

    def run(self, now: float) -> None:
        location = self.app.location
        self.record = location.claim(self.aor, self.run)
        if self.record is None:
            return
        held = self.record.bindings
        contact = self.contact.encode() if self.contact is not None else None
        self.left = tuple(b for b in held if contact is not None and b.contact != contact)
        self.count = len(held) - len(self.left)
        if not self.count:
            location.release(self.record, now)
            self._end(0)
            return
        location.commit(self.record, self.left, now, self.app.clock.wall(), self.committed)

    def committed(self, durable: bool) -> None:
        now = self.app.clock.now()
        if self.record is None:
            return
        if durable:
            if self.app.presence is not None:
                self.app.presence.ended_by_operator(self.aor)
            self.app.location.apply(self.record, self.left, now, self.app.clock.wall())
            self._end(self.count)
        else:
            self.app.location.release(self.record, now)
            self._end(ControlRefused("the change could not be kept: " + self.app.storage.trouble))

    def _end(self, outcome: int | ControlRefused) -> None:
        if self.removed.done():
            return  # who asked has gone; what follows in this turn is not theirs to disturb
        if isinstance(outcome, int):
            self.removed.set_result(outcome)
        else:
            self.removed.set_exception(outcome)


def _report(task: asyncio.Task[ReloadResult]) -> None:
    error = task.exception()
    if error is not None:
        log.error("reload refused", extra={"reason": str(error)})
