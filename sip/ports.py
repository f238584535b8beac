# SPDX-License-Identifier: Apache-2.0
"""What the core needs from the world around it, and what it tells those who use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .flow import Flow
    from .message import Request, Response
    from .transaction.client import ClientTransaction
    from .transaction.server import ServerTransaction

__all__ = ["Admit", "ClientUser", "OnFault", "RequestUser", "Spares", "Trace", "Transport", "Work"]


class Transport(Protocol):
    """Sockets, as the core sees them."""

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one message. Never blocks and never raises; buffers, within a bound, until
        connected. A failure comes back as ``Endpoint.flow_failed``."""

    def flow_to(self, transport: str, host: str, port: int, now: float) -> Flow | None:
        """Return a live or connecting flow to an IP address, None when there can be none."""


class RequestUser(Protocol):
    """The transaction user on the server side (RFC 3261 section 5)."""

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        """A new request, or an ACK that belongs to no failed INVITE (never answer that one)."""

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        """A CANCEL, answered already, for an INVITE that has no final response yet."""

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        """INVITE: no ACK came for the failure sent (Timer H). Else: 64*T1 passed without a final
        response and none may be sent any more (RFC 4320 4.2)."""


class Work(Protocol):
    """Something to be done for a message, put off until others have come as far."""

    def proceed(self, now: float) -> None:
        """Do it; may put off what follows."""


class ClientUser(Protocol):
    """The transaction user on the client side.

    After a provisional response an INVITE waits for ever (RFC 3261 17.1.1.2): the user bounds that
    with a timer of its own, as a proxy does with Timer C, and calls ``cancel``.
    """

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """A provisional or the final response; 2xx to INVITE may come more than once."""

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """TIMEOUT or TRANSPORT in place of a final response; at most once, never after one."""


class Spares(Protocol):
    """The servers that one request may still try, after the one it was sent to (RFC 3263 4.3).

    patience: seconds that a server may say nothing at all.
    """

    patience: float

    def next(self, now: float) -> Flow | None:
        """Return the way to the next one, None when none is left; the one before did not serve."""


class Trace(Protocol):
    """A listener to the wire; ``direction`` is "in" or "out"."""

    def wire(self, direction: str, flow: Flow, data: bytes, now: float) -> None: ...


class Admit(Protocol):
    """Cheap question asked before anything is parsed: may this source be heard?"""

    def __call__(self, flow: Flow, size: int, now: float) -> bool: ...


class OnFault(Protocol):
    """Told of every exception that was caught at the edge; must not raise."""

    def __call__(self, error: Exception, where: str, flow: Flow | None, now: float) -> None: ...
