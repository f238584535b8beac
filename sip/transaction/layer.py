# SPDX-License-Identifier: Apache-2.0
"""The map of live transactions, the timers they share, and the bound on their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..stats import Stats
from ..timers import TimerConfig, TimerQueue
from .client import ClientTransaction
from .keys import cancel_candidates, client_key, server_key
from .server import ServerTransaction
from .tables import Input

if TYPE_CHECKING:
    from ..flow import Flow
    from ..message import Request, Response
    from ..ports import ClientUser, RequestUser, Trace, Transport

__all__ = ["TransactionLayer"]

_TRANSPORT_ERROR = int(Input.TRANSPORT_ERROR)
_TIMER_E = int(Input.TIMER_E)
_TIMER_J = int(Input.TIMER_J)
_TIMER_K = int(Input.TIMER_K)
_TIMER_TRYING = int(Input.TIMER_TRYING)
_TIMER_EXPIRES = int(Input.TIMER_EXPIRES)


class TransactionLayer:
    """Matches messages to transactions and keeps what they need.

    max_transactions bounds the live ones, both sides together; max_completed the non-INVITE server
    transactions that only wait for Timer J and cost about one response each. The layer refuses
    nothing itself: ``is_full`` is asked before a new request is let in, work in progress goes on.
    """

    def __init__(
        self,
        transport: Transport,
        timers: TimerQueue,
        config: TimerConfig,
        stats: Stats,
        max_transactions: int = 1_000_000,
        max_completed: int = 2_000_000,
    ) -> None:
        self.transport = transport
        self.timers = timers
        self.config = config
        self.stats = stats
        self.max_transactions = max_transactions
        self.max_completed = max_completed
        self.trace: Trace | None = None
        self.user: RequestUser | None = None
        self.clients: dict[bytes, ClientTransaction] = {}
        # non-INVITE client transactions that only wait for Timer K: the method by the key
        self.absorbing: dict[bytes, str] = {}
        self.servers: dict[bytes, ServerTransaction] = {}
        self.completed: dict[bytes, tuple[bytes, Flow]] = {}
        # read by the engines for every message
        self.transaction_s: float = config.transaction
        self.resend_lanes = [timers.lane(delay) for delay in config.resend_delays]
        self.resend_steps: int = len(self.resend_lanes) - 1
        # a retransmission is due to the moment, unlike the end of a transaction
        self.resend_first = timers.key_lane(config.t1, self, _TIMER_E, 0.0)
        self.resend_last = self.resend_lanes[-1]
        self.timer_k = timers.key_lane(config.t4, self, _TIMER_K)
        self.timer_j = timers.key_lane(config.transaction, self, _TIMER_J)
        self._trying = timers.key_lane(config.trying, self, _TIMER_TRYING)
        self._expires = timers.key_lane(
            max(config.transaction - config.trying, 0.0), self, _TIMER_EXPIRES
        )
        # the last request no transaction was found for, until one is made: it needs no look-up
        self._new: Request | None = None
        self._new_key = b""

    @property
    def server_count(self) -> int:
        """Server transactions without a final response, and INVITE ones until they end."""
        return len(self.servers)

    @property
    def client_count(self) -> int:
        """Client transactions, those that only absorb copies included."""
        return len(self.clients) + len(self.absorbing)

    @property
    def completed_count(self) -> int:
        """Non-INVITE server transactions that only wait for Timer J."""
        return len(self.completed)

    def is_full(self) -> bool:
        """Say whether no new request may be let in."""
        return (
            len(self.servers) + len(self.clients) + len(self.absorbing) >= self.max_transactions
            or len(self.completed) >= self.max_completed
        )

    def send(self, flow: Flow, data: bytes, now: float) -> None:
        """Put one message on the wire."""
        if self.trace is not None:
            self.trace.wire("out", flow, data, now)
        self.transport.send(flow, data)

    def resend(self, flow: Flow, data: bytes, now: float) -> None:
        """Put a message on the wire that was there before."""
        self.stats.resent += 1
        self.send(flow, data, now)

    # --- server side

    def absorb(self, request: Request, flow: Flow, now: float) -> bool:
        """Give a request to the transaction it belongs to.

        False: no transaction, or an ACK the user has to see. A retransmission is answered toward
        the source of the original, whoever sent the copy. Spec: RFC 3261 17.2.3, 18.2.1.
        """
        key = server_key(request)
        done = self.completed.get(key)
        if done is not None:
            # the rows of NIST Completed: a retransmission gets the last response again
            self.stats.retransmissions_in += 1
            home = done[1]
            self.resend(flow if home.closed else home, done[0], now)
            return True
        server_tx = self.servers.get(key)
        if server_tx is not None:
            return server_tx.receive(request.method, now)
        self._new = request
        self._new_key = key
        return False

    def accept(self, request: Request, flow: Flow, now: float) -> ServerTransaction:
        """Make the server transaction of a new request; the same for one that is taken up again.

        Raises: LocalProtocolError for an ACK, or when the transaction is another copy's, or over.
        """
        if request.method == "ACK":
            raise LocalProtocolError("ACK has no server transaction")
        if request is self._new:
            key = self._new_key
        else:
            key = server_key(request)
            accepted = self.servers.get(key)
            if accepted is not None and accepted.request is request:
                return accepted
            if accepted is not None or key in self.completed:
                raise LocalProtocolError("the request has a server transaction already")
        self._new = None
        server_tx = ServerTransaction.__new__(ServerTransaction)
        server_tx._begin(self, request, key, flow, now)
        self.servers[key] = server_tx
        self.stats.server_created += 1
        if server_tx.invite:
            self.timers.schedule(now + self.config.invite_trying, server_tx, _TIMER_TRYING)
        else:
            self._trying.add(now, key)
        return server_tx

    def find_server(self, request: Request) -> ServerTransaction | None:
        """Return the live server transaction a request belongs to; a CANCEL: the one it means."""
        if request.method != "CANCEL":
            return self.servers.get(server_key(request))
        for key in cancel_candidates(request):
            server_tx = self.servers.get(key)
            if server_tx is not None:
                return server_tx
        return None

    def has_completed(self, cancel: Request) -> bool:
        """Say whether a CANCEL means a non-INVITE transaction that was answered already."""
        return any(key in self.completed for key in cancel_candidates(cancel))

    def inform_expired(self, server_tx: ServerTransaction, now: float) -> None:
        """Tell the user of a transaction that ended without what it waited for."""
        if self.user is not None and (server_tx.invite or server_tx.final_status == 0):
            self.user.on_expired(server_tx, now)

    def on_keys(self, kind: int, keys: list[bytes], now: float) -> None:
        """Fire a timer of non-INVITE transactions that are known by key only.

        An exception of the user for one key does not keep the timer from the others.
        """
        if kind == _TIMER_J:
            completed = self.completed
            for key in keys:
                completed.pop(key, None)
        elif kind == _TIMER_K:
            absorbing = self.absorbing
            for key in keys:
                absorbing.pop(key, None)
        elif kind == _TIMER_E:
            self._on_client_keys(kind, keys, now)
        else:
            self._on_server_keys(kind, keys, now)

    def _on_client_keys(self, kind: int, keys: list[bytes], now: float) -> None:
        clients = self.clients
        failure: Exception | None = None
        for key in keys:
            tx = clients.get(key)
            if tx is None or tx.invite:
                continue
            try:
                tx.on_timer(kind, now)
            except Exception as error:  # noqa: BLE001 - raised again below
                failure = error
        if failure is not None:
            raise failure

    def _on_server_keys(self, kind: int, keys: list[bytes], now: float) -> None:
        servers = self.servers
        failure: Exception | None = None
        for key in keys:
            server_tx = servers.get(key)
            if server_tx is None or server_tx.invite:
                continue
            if kind == _TIMER_TRYING:
                self._expires.add(now, key)
            try:
                server_tx.on_timer(kind, now)
            except Exception as error:  # noqa: BLE001 - raised again below
                failure = error
        if failure is not None:
            raise failure

    # --- client side

    def create_client(
        self,
        data: bytes,
        method: str,
        branch: bytes,
        flow: Flow,
        user: ClientUser | None,
        now: float,
        context: object = None,
    ) -> ClientTransaction:
        """Send a request in a new client transaction.

        ``branch`` is the one in the top Via of ``data``. A lost flow is reported at the next
        ``handle_timeouts``, never from inside this call. Raises: LocalProtocolError when the branch
        is in use.
        """
        key = branch if method != "CANCEL" else client_key(branch, method)
        if key in self.clients or key in self.absorbing:
            raise LocalProtocolError("the branch is in use")
        tx = ClientTransaction.__new__(ClientTransaction)
        tx._begin(self, data, method, key, flow, user, now, context)
        self.clients[key] = tx
        self.stats.client_created += 1
        pending = flow.pending
        if pending is None:
            flow.pending = {tx: None}
        else:
            pending[tx] = None
        tx.start(now)
        if flow.closed:
            self.timers.schedule(now, tx, _TRANSPORT_ERROR)
        else:
            self.send(flow, data, now)
        return tx

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """Give a response to its transaction; one without a transaction is dropped.

        Spec: RFC 3261 17.1.3, 18.1.2; RFC 6026 7.3.
        """
        method = response.method
        branch = response.branch
        key = branch if method != "CANCEL" else client_key(branch, method)
        tx = self.clients.get(key)
        if tx is None and self.absorbing.get(key) == method:
            return
        if (
            tx is None
            or tx.method != method
            or (response.hop.sent_by != tx.flow.sent_by and not tx.owns(response.via))
        ):
            self.stats.stray_responses += 1
            return
        tx.receive(response, now)

    def flow_failed(self, flow: Flow, now: float) -> None:
        """Report a lost flow to its client transactions, at the next ``handle_timeouts``."""
        pending = flow.pending
        if pending is None:
            return
        flow.pending = None
        for tx in pending:
            self.timers.schedule(now, tx, _TRANSPORT_ERROR)
