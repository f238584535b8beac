# SPDX-License-Identifier: Apache-2.0
"""The node as service centre of phones that send short messages inside SIP (TS 24.341).

Served at the address of the centre's number: RP-DATA becomes a message of the user, RP-ACK and
RP-ERROR say what became of what the node sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from imsnode.receipts import Errand
from imsnode.storage import Part
from sip.bodies.mediatype import media_type
from sip.bodies.rpdata import MEDIA_TYPE, RpKind, RpMessage, parse_rp
from sip.flow import Flow
from sip.message import Request
from sip.proxy import Fork
from sip.registrar import Binding

from .bridge import SmsBridge
from .capability import takes_sms_alone
from .delivering import Delivering, relay_draft
from .submitting import Submitting

if TYPE_CHECKING:
    from imsnode.app import App

__all__ = ["ServiceCentre"]

_ACCEPT = b"Accept: " + MEDIA_TYPE
_ALLOW = b"Allow: MESSAGE, OPTIONS"
_AT_A_TIME = 1000


class ServiceCentre:
    """Serves the address of a service centre (`imsnode.services.Service`).

    Args: number: of the centre, as phones have it.
    """

    def __init__(self, app: App, number: str, bridge: SmsBridge) -> None:
        self._app = app
        self._bridge = bridge
        self.aors = [f"sip:{number}@{domain}" for domain in app.config.domains]
        self._submitting = Submitting(number, self, app.clock.wall)
        self._delivering = Delivering(app.edge.proxy, number, self.aors[0], app.clock.wall)
        self._alone: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        app.services.offer(self, self.aors)
        app.messaging.pager.deliver_by(self._delivering)
        app.location.heed(self._moved)

    def start(self, now: float) -> None:
        """Take note of the phones whose bindings were brought back."""
        for aor, record in self._app.location.records.items():
            self._moved(aor, (), record.bindings, now)

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Serve one request of a user."""
        endpoint = self._app.edge.endpoint
        if request.method == "OPTIONS":
            endpoint.reply(request, flow, 200, now, None, (_ALLOW, _ACCEPT))
        elif request.method != "MESSAGE":
            endpoint.reply(request, flow, 405, now, None, (_ALLOW,))
        elif media_type(request.get("content-type") or b"") != MEDIA_TYPE:
            endpoint.reply(request, flow, 415, now, None, (_ACCEPT,))
        else:
            self._take(request, flow, sender, now)

    def _take(self, request: Request, flow: Flow, sender: str, now: float) -> None:
        endpoint = self._app.edge.endpoint
        try:
            message = parse_rp(request.body)
        except ValueError as error:
            endpoint.reply(request, flow, 400, now, str(error).encode())
            return
        if message.kind == RpKind.DATA_MS:
            if len(self._tasks) >= _AT_A_TIME:
                endpoint.refuse(request, flow, 503, now, None, self._app.retry_after(), ())
                return
            # TS 24.341 5.3.3.4.1: taken by SIP; that it is kept, the RP-ACK says.
            endpoint.respond(endpoint.accept(request, flow, now), 202, now)
            self._spawn(self._submit(message, sender, request.call_id))
            return
        endpoint.respond(endpoint.accept(request, flow, now), 200, now)
        if message.kind == RpKind.SMMA:
            self._tell(
                sender, RpMessage(RpKind.ACK_NET, message.reference).encode(), request.call_id
            )
            self._app.messaging.pager.registered(sender, now)
        elif message.kind in (RpKind.ACK_MS, RpKind.ERROR_MS):
            self._delivering.answered(sender, message, now)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, message: RpMessage, sender: str, call_id: bytes) -> None:
        await self._submitting.take(
            message, sender, lambda octets: self._tell(sender, octets, call_id)
        )

    def _tell(self, user: str, body: bytes, call_id: bytes) -> None:
        """Send a phone what it waits for, or nobody: without a device it asks again."""
        app = self._app
        now = app.clock.now()
        targets = app.location.targets(user, now)
        answered = (b"In-Reply-To", call_id)
        draft = relay_draft(app.ids, self.aors[0], user, body, answered)
        Fork(app.edge.proxy, None, draft, Errand(app.edge.endpoint, None)).start(targets, now)
        app.edge.driver.wake()

    def _moved(
        self, aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float
    ) -> None:
        """Have messages for a phone that knows short messages alone stored before they are sent."""
        bridged = self._app.messaging.pager.bridged
        if any(binding.params and takes_sms_alone(binding.params) for binding in new):
            self._alone.add(aor)
            bridged.add(aor)
        elif aor in self._alone:
            self._alone.discard(aor)
            bridged.discard(aor)

    # ------------------------------------------- imsnode.sms.submitting.SubmitDesk

    def way_to(self, number: str) -> str:
        """Return the user or the mailbox that stands for a number."""
        return self._bridge.user_of(number) or self._bridge.mailbox_of(number)

    async def deliver(self, sender: str, recipient: str, text: str, identity: str) -> int:
        """Send a text in the name of a user."""
        return await self._bridge.send(sender, recipient, text, identity)

    async def keep_part(self, part: Part) -> list[Part] | None:
        """Keep a part."""
        return await self._bridge.keep_part(part)

    async def forget_parts(self, part: Part) -> None:
        """Forget the parts of a message."""
        await self._bridge.forget_parts(part)
