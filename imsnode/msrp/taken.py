# SPDX-License-Identifier: Apache-2.0
"""One session that the node took in a user's place, and one that devices may still take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from session_msrp.session import Received
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

#: What a refusal of the pager is in MSRP (RFC 4975 10); any other is 403.
_STATUS: Final = {400: 400, 413: 413, 415: 415, 488: 415, 500: 408, 503: 408, 513: 413}


def msrp_status(status: int) -> int:
    """Return the status of an MSRP answer for that of a MESSAGE."""
    return 200 if status < 300 else _STATUS.get(status, 403)


class Taken(Listener):
    """The user of a talk that the node has taken. rule: why. octets: of what it has brought.

    headers: of the INVITE, which mean the same in its messages. verdict: on a file, "" for none.
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
        self._headers = headers
        self._deferring = deferring

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """Submit a message; it is answered when it is stored, or a device has it."""
        message = received.message
        self.octets += len(message.body)
        if media_type(message.content_type) == COMPOSING:
            talk.settle(received)  # worth nothing to somebody who is not there
            return

        def answered(status: int, _reason: str) -> None:
            talk.settle(received, msrp_status(status))

        identity = f"{talk.call_id.hex()} {message.id.hex()} {self.caller} {self.called}"
        self._deferring.submit(
            talk, self.caller, self.called, (message.content_type, message.body), self._headers,
            identity, answered,
        )  # fmt: skip

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Have it noted."""
        self._deferring.ended(talk, self, reason)


class Standby:
    """The owner of a fork: takes the call itself when no device can."""

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

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Wait for all of them."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Take the call, or pass the best answer on as a proxy does."""
        if status < 300 or fork.answered:
            return
        takes, there = self._deferring.takes_over(status)
        transaction = fork.server_tx
        if takes and transaction is not None and not fork.cancelled:
            if isinstance(fork, SessionFork):
                fork.exchange.failed()  # what was anchored for the devices
            request = self._request
            if request.body != self._body:
                request.replace_body(self._body)  # the offer as it came, not as it was passed on
            refusal = self._deferring.take(
                request, self._flow, self._caller, self._called, there, now, transaction
            )
            if refusal is None:
                return
        PLAIN.on_final(fork, response, status, now)
