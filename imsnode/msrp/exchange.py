# SPDX-License-Identifier: Apache-2.0
"""Requests within calls whose sessions are anchored, and what their responses settle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pager import rules
from session_msrp.errors import MediaError
from sip.errors import BadMessage
from sip.forward import Proxy
from sip.message import Request, Response
from sip.proxy import PLAIN, Fork, ForkOwner
from sip.routing import Routed
from sip.transaction.server import ServerTransaction

from .described import describe, description
from .timer import SessionTimer

if TYPE_CHECKING:
    from .calls import Call, Calls

__all__ = ["Exchange", "SessionFork"]

_GRACE_S: Final = 32.0  # for a refresh that is on its way when the session timer ends


class Exchange:
    """A request with its responses, as far as they concern the sessions of its dialog."""

    __slots__ = ("_by_caller", "_call", "_calls", "_method", "_offered", "_settled", "_timer")

    def __init__(
        self, calls: Calls, call: Call, request: Request, timer: SessionTimer | None
    ) -> None:
        self._calls = calls
        self._call = call
        self._by_caller = call.by_caller(request)
        self._method = request.method
        self._offered = call.media.open and bool(description(request))
        self._settled = False
        self._timer = timer

    def fork(
        self,
        proxy: Proxy,
        transaction: ServerTransaction,
        request: Request,
        routed: Routed,
        extra: Sequence[bytes],
        from_peer: bool,
        owner: ForkOwner = PLAIN,
    ) -> Fork:
        """Return the fork that sends the request on, as an ordinary proxy does."""
        fork = SessionFork(
            proxy, transaction, request, owner, routed, extra=extra, from_peer=from_peer
        )
        fork.exchange = self
        return fork

    def responded(self, response: Response, now: float) -> None:
        """Change what a response on its way to the sender says; note what it settles."""
        call, media = self._call, self._call.media
        status = response.status
        if self._method == "BYE":
            if status >= 200 and status not in (401, 407):  # asked again with credentials
                self._calls.end(call, rules.HUNG_UP)
            return
        if status >= 300:
            self.failed()
            return
        settles = status >= 200 and not self._settled
        text = description(response)
        if text:
            try:
                if self._offered:
                    describe(response, media.answer(text))
                    if settles:
                        media.commit(text)
                else:
                    # The offer is in the response; its answer comes in the ACK or PRACK.
                    describe(response, media.offer(text, not self._by_caller, now))
            except (BadMessage, MediaError):
                # It goes on as it is; the sessions it was for do not come about.
                media.fail()
        if settles:
            self._settled = True
            if self._timer is not None:
                seconds = self._timer.settle(response)
                call.expires = now + seconds + _GRACE_S if seconds else 0.0
            self._calls.settled(call, response, self._method)

    def failed(self) -> None:
        """Note that the request was refused, or nobody answered."""
        if self._settled:
            return
        self._settled = True
        self._call.media.fail()
        if not self._call.answered:
            self._calls.end(self._call, rules.REFUSED_CALL)


class SessionFork(Fork):
    """A fork that shows every response to the exchange it belongs to."""

    exchange: Exchange

    def relay(self, response: Response, now: float) -> None:
        """Send a response upstream, changed where it speaks of a session."""
        self.exchange.responded(response, now)
        super().relay(response, now)

    def reply(
        self,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
    ) -> None:
        """Answer upstream on our own: nobody took the call."""
        if status >= 300:
            self.exchange.failed()
        super().reply(status, now, reason, extra)
