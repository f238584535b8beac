# SPDX-License-Identifier: Apache-2.0
"""One session that the node took in a user's place, and one that devices may still take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from session_msrp.outbox import Outgoing
from session_msrp.session import Received, Reported
from sip.bodies.iscomposing import MEDIA_TYPE as COMPOSING
from sip.bodies.mediatype import media_type
from sip.flow import Flow
from sip.message import Request, Response
from sip.proxy import PLAIN, Branch, Fork

from .exchange import SessionFork
from .talk import Talk
from .talk_user import Listener

if TYPE_CHECKING:
    from .deferring import Deferring

__all__ = ["Standby", "Taken", "msrp_status"]

_RATE, _PATIENCE = 1, 2  # timers
#: What a refusal of the pager is in MSRP (RFC 4975 10); any other is 403.
_STATUS: Final = {400: 400, 413: 413, 415: 415, 488: 415, 500: 408, 503: 408, 513: 413}


def msrp_status(status: int) -> int:
    """Return the status of an MSRP answer for that of a MESSAGE."""
    return 200 if status < 300 else _STATUS.get(status, 403)


def _settle(talk: Talk, received: Received, status: int, _reason: str) -> None:
    talk.settle(received, msrp_status(status))


class Taken(Listener):
    """The user of a talk that the node has taken. rule: why. octets: of what it has brought.

    headers: of the INVITE, which mean the same in its messages. verdict: on a file, "" for none.
    sender: sends what the called user writes back, where that goes in the same session.
    """

    def __init__(
        self,
        deferring: Deferring,
        caller: str,
        called: str,
        headers: Sequence[tuple[bytes, bytes]],
        rule: str,
    ) -> None:
        self.caller = caller
        self.called = called
        self.rule = rule
        self.octets = 0
        self.verdict = ""
        self.sender: Listener | None = None
        self._headers = headers
        self._deferring = deferring
        self._queue: deque[tuple[Talk, Received]] = deque()

    def established(self, talk: Talk, now: float) -> None:
        """Go on sending, when the session was taken up again."""
        if self.sender is not None:
            self.sender.established(talk, now)

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """Submit a message; it is answered when it is stored, or a device has it."""
        message = received.message
        self.octets += len(message.body)
        if media_type(message.content_type) == COMPOSING:
            talk.settle(received)  # worth nothing to somebody who is not there
            return
        self._queue.append((talk, received))
        if len(self._queue) == 1:
            self._submit(now)

    def on_timer(self, kind: int, now: float) -> None:
        """Go on with what came faster than the caller may send."""
        self._submit(now)

    def _submit(self, now: float) -> None:
        """Submit what waits, as fast as single messages of the caller would be taken."""
        deferring = self._deferring
        while self._queue:
            wait = deferring.pause(self.caller, now)
            if wait > 0:
                deferring.timers.schedule(now + wait, self, _RATE)
                return
            talk, received = self._queue.popleft()
            message = received.message
            identity = f"{talk.call_id.hex()} {message.id.hex()} {self.caller} {self.called}"
            deferring.submit(
                talk, self.caller, self.called, (message.content_type, message.body),
                self._headers, identity, partial(_settle, talk, received),
            )  # fmt: skip

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        """The caller has what the called user wrote."""
        if self.sender is not None:
            self.sender.delivered(talk, message, now)

    def failed(self, talk: Talk, message: Outgoing, status: int, now: float) -> None:
        """The caller does not take it."""
        if self.sender is not None:
            self.sender.failed(talk, message, status, now)

    def reported(self, talk: Talk, report: Reported, now: float) -> None:
        """The caller, who is behind a relay, has it or not."""
        if self.sender is not None:
            self.sender.reported(talk, report, now)

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Have it noted."""
        self._deferring.ended(talk, self, status, reason)
        if self.sender is not None:
            self.sender.ended(talk, status, reason, now)


class Standby:
    """The owner of a fork: takes the call itself when no device can, or none answers at all."""

    def __init__(
        self,
        deferring: Deferring,
        request: Request,
        flow: Flow,
        caller: str,
        called: str,
    ) -> None:
        self._deferring = deferring
        self._request = request
        self._body = request.body
        self._flow = flow
        self._caller = caller
        self._called = called
        self._fork: Fork | None = None
        self._over = False

    def watch(self, fork: Fork, now: float) -> None:
        """Wait for a sign of life as long as for the answer to a MESSAGE."""
        deferring = self._deferring
        if deferring.settings.deferred and not self._over:
            self._fork = fork
            deferring.timers.schedule(now + deferring.settings.patience_s, self, _PATIENCE)

    def on_timer(self, kind: int, now: float) -> None:
        """Take the call when no device has said anything."""
        fork, self._fork = self._fork, None
        if fork is None or self._over or any(branch.provisional for branch in fork.branches):
            return
        if self._take(fork, 408, now):
            fork.cancel(now)

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Wait for all of them."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take the call, or pass the best answer on as a proxy does."""
        if self._over:
            return
        if status < 300 or fork.answered or not self._take(fork, status, now):
            self._over = True
            PLAIN.on_final(fork, response, status, now)

    def _take(self, fork: Fork, status: int, now: float) -> bool:
        takes, there = self._deferring.takes_over(self._called, status)
        transaction = fork.server_tx
        if not takes or transaction is None or fork.cancelled:
            return False
        self._over = True
        if isinstance(fork, SessionFork):
            fork.exchange.failed()  # what was anchored for the devices
        request = self._request
        if request.body != self._body:
            request.replace_body(self._body)  # the offer as it came, not as it was passed on
        refusal = self._deferring.take(
            request, self._flow, self._caller, self._called, there, now, transaction
        )
        self._over = refusal is None
        return self._over
