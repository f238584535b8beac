# SPDX-License-Identifier: Apache-2.0
"""Service accounts whose handler runs in this process: the sender gets the handler's own answer.

Nothing is stored: the handler has the message before its sender is answered.
"""

from __future__ import annotations

from collections.abc import Callable

from pager import rules
from pager.identity import MessageIds
from pager.ports import Ledger
from pager.values import LedgerEntry
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request

from .received import Handler, Received

__all__ = ["BuiltIn"]

_ALLOW = (b"Allow: MESSAGE, OPTIONS",)


class BuiltIn:
    """Serves the addresses of a handler (`imsnode.services.Service`).

    Args: ledger: hears of every message that was taken. wall: epoch seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        handler: Handler,
        ledger: Ledger,
        ids: MessageIds,
        wall: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._handler = handler
        self._ledger = ledger
        self._ids = ids
        self._wall = wall

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request; a MESSAGE goes to the handler."""
        method = request.method
        if method == "OPTIONS":
            self._endpoint.reply(request, flow, 200, now, None, _ALLOW)
            return
        if method != "MESSAGE":
            self._endpoint.reply(request, flow, 405, now, b"Only MESSAGE is served here", _ALLOW)
            return
        transaction = self._endpoint.accept(request, flow, now)
        at = self._wall()
        message = Received(
            self._ids.next(at),
            sender,
            aor,
            request.get("content-type") or b"text/plain",
            at,
            at,
            b"\r\n".join(request.lines),
            request.body,
        )

        def done(status: int) -> None:
            self._endpoint.respond(transaction, status, now)
            self._note(message, request.call_id, status)

        self._handler.take(message, done)

    def _note(self, message: Received, call_id: bytes, status: int) -> None:
        taken = 200 <= status < 300
        answer = rules.DEVICE_ACCEPTED if taken else rules.DEVICE_REFUSED
        at = message.received_at
        self._ledger.note(
            LedgerEntry(
                message.id,
                call_id,
                at,
                message.sender,
                message.recipient,
                len(message.body),
                [
                    (at, rules.RECEIVED, "", 0, rules.FORWARDED),
                    (self._wall(), rules.ANSWERED, "", status, answer),
                ],
                rules.RELAYED if taken else rules.REJECTED,
            )
        )
