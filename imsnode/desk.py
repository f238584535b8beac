# SPDX-License-Identifier: Apache-2.0
"""The API's way to the pager and the ledger: the ports of `imsnode.http.api` on an App."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sip.errors import SipError
from sip.uri import parse_uri

from .http.api import (
    Operation,
    Security,
    broadcast_operations,
    message_operations,
    service_operations,
)
from .http.api.ports import BodyTooLarge, Outgoing, Result
from .mailing import notice
from .oversize import TooLarge
from .recalls import RecallResult
from .received import Received
from .storage import Claim, Claimed, JobRefused, JobReport, Story, find_copies, find_story

if TYPE_CHECKING:
    from .app import App

__all__ = ["Desk"]

# A device may take pager.defer_after; then there is a commit.
_COMMIT_S = 5.0


class Desk:
    """Takes messages and tells of them."""

    def __init__(self, app: App) -> None:
        self._app = app

    def operations(self, security: Security) -> list[Operation]:
        """Return the operations that this serves."""
        return [
            *message_operations(self, security, self._app.clock.wall),
            *service_operations(self, security),
            *broadcast_operations(self, security, self._app.clock.wall),
        ]

    @property
    def largest(self) -> int:
        """Octets the body of a message may have."""
        return self._app.config.limits.message_body_size

    def address(self, text: str) -> str:
        """Return the canonical AoR of "sip:alice@ims.test" or "alice@ims.test"."""
        written = text if text.startswith(("sip:", "sips:")) else f"sip:{text}"
        try:
            uri = parse_uri(written.encode())
        except (SipError, UnicodeEncodeError):
            uri = None
        if uri is None or not uri.user or uri.port is not None or uri.params or uri.headers:
            raise ValueError("not an address of record such as sip:alice@ims.test")
        return self._app.edge.names.aor_of(uri)

    def is_user(self, aor: str) -> bool:
        """Say whether messages can be sent to, and in the name of, this user."""
        account = self._app.admission.directory.get(aor)
        return account is not None and account.enabled

    def may_receive(self, aor: str) -> bool:
        """Say whether messages can be sent to this user or group."""
        return self.is_user(aor) or self._app.messaging.mailing.groups.get(aor) is not None

    async def submit(self, message: Outgoing) -> Result:
        """Hand a message to the pager, and wait for its outcome."""
        return await self._submitted(message, ())

    async def submit_list(self, message: Outgoing, recipients: Sequence[str]) -> Result:
        """Send a message to several users, and wait until everybody's copy is kept."""
        return await self._submitted(message, recipients)

    async def _submitted(self, message: Outgoing, recipients: Sequence[str]) -> Result:
        messaging = self._app.messaging
        try:
            kind, body = await messaging.fit(
                message.sender, recipients or (message.recipient,), message.content_type,
                message.body,
            )  # fmt: skip
            fitting = replace(message, content_type=kind, body=body)
            waiting = _Waiting(self._app, fitting, recipients)
        except TooLarge as refused:
            return Result("", refused.status, refused.reason)
        except SipError as error:
            raise ValueError(f"this makes no SIP message: {error}") from error
        patience = self._app.config.pager.defer_after + _COMMIT_S
        await asyncio.wait((waiting.answer,), timeout=patience)
        return waiting.result()

    async def copies(self, story: Story) -> list[Story]:
        """Return the stories of the copies of a message to a list."""
        app = self._app
        await self._flush()
        found = await app.loop.run_in_executor(
            None, find_copies, app.storage.database, story.message_id, story.sender
        )
        return [one for one in found if one.recipient != story.recipient]

    async def recall(self, message_id: str, sender: str) -> list[RecallResult]:
        """Take a message of a sender back, wherever it has not been delivered.

        Members of a group who are not for the sender to know are told of by the group's address.
        """
        messaging = self._app.messaging
        results = await messaging.recalls.by_id(message_id, sender)
        for group in {one.recipient for one in results}:
            if messaging.mailing.keeps_members_from(sender, group):
                return [replace(one, recipient=group) for one in results]
        return results

    # ------------------------------------------------------------- broadcasts

    async def broadcast(
        self,
        sender: str,
        target: str,
        content: tuple[bytes, bytes],
        rate: float | None,
        expires_s: int | None,
        identity: str = "",
    ) -> str:
        """Begin a broadcast to a domain or group; its id, once it is committed."""
        app = self._app
        aim = target.lower()
        if aim not in app.config.domains:
            aim = self.address(target)
            if app.messaging.mailing.groups.get(aim) is None:
                raise ValueError(f"{target} is neither a domain nor a group of this node")
        readers = aim if "@" in aim else f"*@{aim}"
        try:
            kind, body = await app.messaging.fit(sender, (readers,), *content)
        except TooLarge as refused:
            raise BodyTooLarge(refused.reason) from refused
        wanted = notice(app.config, sender, aim, kind.decode(), body, rate, expires_s)
        try:
            return await app.messaging.mailing.broadcast(wanted, identity)
        except JobRefused as error:
            raise ValueError(str(error)) from error

    async def broadcast_report(self, identity: str) -> JobReport | None:
        """Tell how far a broadcast has come."""
        return await self._app.messaging.mailing.broadcast_report(identity)

    async def cancel_broadcast(self, identity: str) -> None:
        """End a broadcast; copies that are made stay."""
        try:
            await self._app.messaging.mailing.cancel_broadcast(identity)
        except JobRefused as error:
            raise ValueError(str(error)) from error

    # ------------------------------------------------------ service accounts

    def has_webhook(self, aor: str) -> bool | None:
        """Say whether messages are posted; None for what is no service account."""
        room = self._app.messaging.mailroom.rooms.get(aor)
        return None if room is None else room.handler is not None

    async def fetch(self, aor: str, limit: int) -> list[Received]:
        """Return the oldest messages that wait."""
        return await self._app.messaging.mailroom.rooms[aor].fetch(limit)

    async def acknowledge(self, aor: str, ids: Sequence[str]) -> list[str]:
        """Settle messages; returns those that waited."""
        most = self._app.config.pager.mailbox_messages
        return await self._app.messaging.mailroom.rooms[aor].acknowledge(ids, most)

    # ------------------------------------------------------------- the ledger

    async def claim(self, claim: Claim) -> Claimed | None:
        """Claim an idempotency key."""
        claimed: asyncio.Future[Claimed | None] = self._app.loop.create_future()
        self._app.storage.requests.claim(claim, claimed.set_result)
        return await claimed

    async def keep_answer(self, claim: Claim, answer: str) -> None:
        """Keep the answer to a claimed request; one that is lost is found out again by sending."""
        kept: asyncio.Future[bool] = self._app.loop.create_future()
        self._app.storage.requests.answer(claim.token, claim.key, answer, kept.set_result)
        await kept

    async def story(self, message_id: str) -> Story | None:
        """Return all that is known of a message, the newest step included."""
        app = self._app
        await self._flush()
        stories = await app.loop.run_in_executor(
            None, find_story, app.storage.database, message_id, 1
        )
        return stories[0] if stories and stories[0].message_id == message_id else None

    async def _flush(self) -> None:
        flushed: asyncio.Future[bool] = self._app.loop.create_future()
        self._app.messaging.flush(flushed.set_result)
        await flushed


class _Waiting:
    """One message handed to the pager, to one recipient or to several."""

    def __init__(self, app: App, message: Outgoing, recipients: Sequence[str]) -> None:
        self.answer: asyncio.Future[tuple[int, str]] = app.loop.create_future()
        content = (message.content_type, message.body, self._answered)
        more = (message.headers, message.identity)
        if recipients:
            send = app.messaging.submit_list
            self._id = send(message.sender, recipients, *content, *more)
        else:
            self._id = app.messaging.submit(message.sender, message.recipient, *content, *more)

    def _answered(self, status: int, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_result((status, reason))

    def result(self) -> Result:
        if not self.answer.done():
            return Result(self._id, 0, "")
        return Result(self._id, *self.answer.result())
