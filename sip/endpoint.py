# SPDX-License-Identifier: Apache-2.0
"""The facade of the core: octets and time in, octets and calls to the transaction user out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from . import octets
from .errors import BadMessage, LimitExceeded
from .limits import Limits
from .message import Request, Response, build_error, build_response, shorten_response
from .parser import parse_message
from .stats import Stats
from .stun import answer as answer_stun
from .timers import TimerConfig, TimerQueue
from .transaction.layer import TransactionLayer

if TYPE_CHECKING:
    from .flow import Flow
    from .ids import IdSource
    from .ports import Admit, ClientUser, OnFault, RequestUser, Trace, Transport, Work
    from .transaction.client import ClientTransaction
    from .transaction.server import ServerTransaction

__all__ = ["Endpoint"]

# echo, discard, daytime, chargen, DNS, NTP and the port that is none: they answer, or are spoofed
_NEVER_ANSWERED = frozenset({0, 7, 19, 53, 123})
_RETRY_MIN_S = 5
_RETRY_SPAN_S = 26

_LOW_HALF = 0xFFFFFFFF
_TOGETHER = 64  # datagrams acted on step by step

#: Limits whose breach by a datagram is dropped without an answer.
_FLOODS = frozenset({"headers", "head_bytes"})


class Endpoint:
    """One SIP element: parser, transactions and timers behind a few methods.

    ``user`` is the transaction user; it may be set after construction. ``own`` holds our listener
    addresses, which are never answered; ``admit`` is asked before anything is parsed; ``trace``
    hears the wire; ``on_flow_failed`` are called when a flow is lost. No method raises for what
    came from the network: an exception below is counted, reported to ``on_fault`` and answered 500
    when an answer is possible.
    Spec: RFC 3261 sections 8.2, 9.2, 17, 18; RFC 3581.
    """

    def __init__(
        self,
        transport: Transport,
        user: RequestUser | None,
        ids: IdSource,
        *,
        limits: Limits | None = None,
        timers_config: TimerConfig | None = None,
        max_transactions: int = 1_000_000,
        max_completed: int = 2_000_000,
        on_fault: OnFault | None = None,
    ) -> None:
        self.transport = transport
        self.ids = ids
        self.limits = limits or Limits()
        self.stats = Stats()
        self.timers = TimerQueue()
        self.layer = TransactionLayer(
            transport,
            self.timers,
            timers_config or TimerConfig(),
            self.stats,
            max_transactions,
            max_completed,
        )
        self.on_fault = on_fault
        self.admit: Admit | None = None
        self.own: set[tuple[str, int]] = set()
        self.on_flow_failed: list[Callable[[Flow, str, float], None]] = []
        self._trace: Trace | None = None
        self._tag_key = bytes.fromhex(ids.token(32))
        self._user: RequestUser | None = None
        # What was put off while a batch is acted on, None when there is none.
        self._waiting: list[tuple[Work, ServerTransaction | None]] | None = None
        self.user = user

    @property
    def user(self) -> RequestUser | None:
        """The transaction user for requests; without one every request is answered 503."""
        return self._user

    @user.setter
    def user(self, user: RequestUser | None) -> None:
        self._user = user
        self.layer.user = user

    @property
    def trace(self) -> Trace | None:
        """The listener to the wire, None when nobody listens."""
        return self._trace

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._trace = trace
        self.layer.trace = trace

    # --- from the transport

    def receive_datagrams(self, payloads: list[bytes], flows: Sequence[Flow], now: float) -> None:
        """Take datagrams that came together, as ``receive_datagram`` does.

        All of a batch are read; then the responses are acted on, then what else there is, each
        kind in its order. What either puts off comes behind it, step by step for the whole batch:
        the processor's cache has no room for the code of all steps.
        """
        total = len(payloads)
        for begin in range(0, total, _TOGETHER):
            end = min(begin + _TOGETHER, total)
            received = [
                self._read_datagram(payloads[at], flows[at], now) for at in range(begin, end)
            ]
            self._waiting = []
            try:
                for at in range(begin, end):
                    message = received[at - begin]
                    if isinstance(message, Response):
                        received[at - begin] = None
                        self._act(message, len(payloads[at]), flows[at], now)
                self.catch_up(now)
                for at in range(begin, end):
                    message = received[at - begin]
                    if message is not None:
                        received[at - begin] = None
                        self._act(message, len(payloads[at]), flows[at], now)
                self.catch_up(now)
            finally:
                self._waiting = None

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram; what is neither SIP nor STUN (keep-alives, NUL) is ignored."""
        message = self._read_datagram(data, flow, now)
        if message is not None:
            self._act(message, len(data), flow, now)

    def _read_datagram(
        self, data: bytes, flow: Flow, now: float
    ) -> Request | Response | Exception | None:
        # SIP starts with a letter or, at worst, with empty lines; STUN with an octet below those.
        # RFC 5626 asks for no answer to CRLF over UDP.
        if len(data) < 12 or not 0x20 < data[0] < 0x7F:
            if self._keep_alive(data, flow):
                return None
            data = data.lstrip(b"\r\n")
            if len(data) < 12 or not 0x20 < data[0] < 0x7F:
                self.stats.ignored += 1
                return None
        if flow.vetted != len(self.own) and self._is_refused(flow):
            self.stats.refused_source += 1
            return None
        return self._read(data, flow, now, False)

    def _keep_alive(self, data: bytes, flow: Flow) -> bool:
        """Answer a STUN Binding Request (RFC 5626 section 8); False for anything else."""
        if flow.vetted != len(self.own) and self._is_refused(flow):
            return False
        response = answer_stun(data, flow.remote)
        if response is None:
            return False
        self.stats.stun += 1
        self.transport.send(flow, response)
        return True

    def _is_refused(self, flow: Flow) -> bool:
        """Say whether a source is us, or one that must not be answered."""
        remote = flow.remote
        if remote[1] in _NEVER_ANSWERED or remote in self.own or remote == flow.local:
            return True
        flow.vetted = len(self.own)
        return False

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message as the framer cut it from a stream.

        ``flow.broken`` is set when the stream cannot be trusted any more: close it.
        """
        message = self._read(data, flow, now, True)
        if message is not None:
            self._act(message, len(data), flow, now)

    def flow_failed(self, flow: Flow, reason: str, now: float) -> None:
        """Take notice of a lost flow, or of a datagram that could not be delivered.

        Its client transactions fail at the next ``handle_timeouts``.
        """
        self.layer.flow_failed(flow, now)
        for listener in self.on_flow_failed:
            try:
                listener(flow, reason, now)
            except Exception as error:  # noqa: BLE001 - the edge: one listener must not stop the rest
                self._fault(error, "flow", flow, now)

    def next_deadline(self) -> float | None:
        """Return when ``handle_timeouts`` is due, None when nothing waits."""
        return self.timers.next_deadline()

    def handle_timeouts(self, now: float) -> None:
        """Fire the timers that are due; at most some thousands a call, the rest stays due."""
        for entry in self.timers.pop_due(now):
            try:
                entry[1].on_timer(entry[2], now)
            except Exception as error:  # noqa: BLE001 - the edge: one timer must not stop the rest
                self._fault(error, "timer", None, now)

    # --- from the transaction user

    def put_off(self, work: Work, server_tx: ServerTransaction | None) -> bool:
        """Let work wait until the rest of its batch has come as far; False: do it now.

        Args: server_tx: whose request is answered 500 when the work fails.
        """
        if self._waiting is None:
            return False
        self._waiting.append((work, server_tx))
        return True

    def catch_up(self, now: float) -> None:
        """Do what was put off, and what that puts off; before anything it must not overtake."""
        while self._waiting:
            waiting = self._waiting
            self._waiting = []
            for work, server_tx in waiting:
                try:
                    work.proceed(now)
                except Exception as error:  # noqa: BLE001 - the edge: one failure, one message
                    self._work_failed(error, server_tx, now)

    def accept(self, request: Request, flow: Flow, now: float) -> ServerTransaction:
        """Make the server transaction of a request.

        Raises: LocalProtocolError for an ACK or a request that has one already.
        """
        return self.layer.accept(request, flow, now)

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
        """Send a request in a transaction; see ``TransactionLayer.create_client``."""
        return self.layer.create_client(data, method, branch, flow, user, now, context)

    def send(self, flow: Flow, data: bytes, now: float) -> None:
        """Send without a transaction: an ACK for a 2xx, or one that is forwarded."""
        self.layer.send(flow, data, now)

    def respond(
        self,
        server_tx: ServerTransaction,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
        *,
        body: bytes = b"",
        content_type: bytes | None = None,
    ) -> bool:
        """Build a response and pass it to the server transaction; False when that drops it."""
        return self.answer(server_tx, status, now, reason, extra, body, content_type)

    def answer(
        self,
        server_tx: ServerTransaction,
        status: int,
        now: float,
        reason: bytes | None,
        extra: Sequence[bytes],
        body: bytes = b"",
        content_type: bytes | None = None,
    ) -> bool:
        """Do what ``respond`` does; compiled, without the detour of a call by keywords."""
        if status >= 300:
            self.stats.refuse(status, reason)
        request = server_tx.request
        tag = self.to_tag(request) if status > 100 else b""
        if server_tx.charging is not None:
            extra = (*extra, b"P-Charging-Vector: " + server_tx.charging)
        data = build_response(request, status, reason, extra, body, content_type, tag)
        return server_tx.respond(data, status, now)

    def reply(
        self,
        request: Request,
        flow: Flow,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
        *,
        optional: Sequence[bytes] = (),
        body: bytes = b"",
        content_type: bytes | None = None,
        trusted: bool = False,
    ) -> bool:
        """Answer without keeping anything; False when nothing was sent.

        For challenges and whatever else is said before authentication: a retransmission gets the
        same answer, To tag included, by being handled again. ACK is never answered, and no
        non-INVITE request gets a 408 or a provisional response. Over UDP the answer is at most 1.5
        times the request unless ``trusted``; the ``optional`` lines are the first to go, then the
        reason phrase and long header names, then the answer itself. Spec: RFC 3261 8.2.6, 8.2.7.
        """
        return self._reply(
            request, flow, status, now, reason, extra, optional, body, content_type, trusted
        )

    def refuse(
        self,
        request: Request,
        flow: Flow,
        status: int,
        now: float,
        reason: bytes | None,
        extra: Sequence[bytes],
        optional: Sequence[bytes],
    ) -> bool:
        """Do what ``reply`` does; compiled, without the detour of a call by keywords."""
        return self._reply(request, flow, status, now, reason, extra, optional, b"", None, False)

    def _reply(
        self,
        request: Request,
        flow: Flow,
        status: int,
        now: float,
        reason: bytes | None,
        extra: Sequence[bytes],
        optional: Sequence[bytes],
        body: bytes,
        content_type: bytes | None,
        trusted: bool,
    ) -> bool:
        method = request.method
        if method == "ACK" or (method != "INVITE" and (status == 408 or status < 200)):
            self.stats.silent_replies += 1
            return False
        if status >= 300:
            self.stats.refuse(status, reason)
        tag = self.to_tag(request) if status > 100 else b""
        room = 0
        if not (trusted or flow.reliable):
            room = request.size() * 3 // 2
        data = b""
        if optional:
            lines = [*extra, *optional]
            data = build_response(request, status, reason, lines, body, content_type, tag)
        if not data or (room and len(data) > room):
            data = build_response(request, status, reason, extra, body, content_type, tag)
        if room and len(data) > room:
            data = shorten_response(data, room)
            if len(data) > room:
                self.stats.silent_replies += 1
                return False
        self.stats.replies += 1
        self.layer.send(flow, data, now)
        return True

    def to_tag(self, request: Request) -> bytes:
        """Return the To tag of our answers to this request: always the same, unguessable.

        A CANCEL and its INVITE get the same one (RFC 3261 9.2).
        """
        number = octets.decimal(request.cseq)
        parts = [request.branch, request.hop.sent_by, request.call_id, number, request.from_tag]
        return self._tag(octets.join(b" ", parts))

    # --- inside

    def _tag(self, text: bytes) -> bytes:
        # The interpreter's hash is SipHash under a key of this process (PEP 456), here with a
        # secret of ours in front: nobody else can tell what comes of a text.
        mark = hash(octets.concat(self._tag_key, text, b"", b""))
        high, low = octets.hex8((mark >> 32) & _LOW_HALF), octets.hex8(mark & _LOW_HALF)
        return octets.concat(high, low, b"", b"")

    def _read(
        self, data: bytes, flow: Flow, now: float, stream: bool
    ) -> Request | Response | Exception | None:
        """Return the message, or why it could not be read; None when it shall not be heard."""
        if self.admit is not None and not self.admit(flow, len(data), now):
            self.stats.banned += 1
            return None
        if self._trace is not None:
            self._trace.wire("in", flow, data, now)
        try:
            return parse_message(data, self.limits, stream)
        except Exception as error:  # noqa: BLE001 - told apart by who acts on it
            return error

    def _act(
        self, message: Request | Response | Exception, size: int, flow: Flow, now: float
    ) -> None:
        """Act on what ``_read`` made of ``size`` octets."""
        request: Request | None = None
        try:
            if isinstance(message, Request):
                request = message
                remote = flow.remote
                request.received_host = remote[0]
                request.received_port = remote[1]
                self._on_request(request, flow, now)
            elif isinstance(message, Response):
                self.stats.responses += 1
                self.layer.receive_response(message, flow, now)
            elif isinstance(message, BadMessage):
                self._refuse(message, size, flow, now)
            else:
                self._fault(message, "message", flow, now)
        except BadMessage as error:
            if request is not None:
                # a part that is parsed on demand turned out to be broken
                self._answer_fault(request, flow, now, error.status_hint, error.phrase)
            else:
                self._refuse(error, size, flow, now)
        except Exception as error:  # noqa: BLE001 - the edge: rule "one message, one failure"
            self._fault(error, "request" if request is not None else "message", flow, now)
            if request is not None:
                self._answer_fault(request, flow, now, 500, None)

    def _on_request(self, request: Request, flow: Flow, now: float) -> None:
        stats = self.stats
        stats.requests += 1
        method = request.method
        if self.layer.absorb(request, flow, now):
            return
        if method == "ACK":
            stats.acks += 1
        elif method == "CANCEL":
            self._on_cancel(request, flow, now)
            return
        elif self.layer.is_full() or self._user is None:
            stats.shed += 1
            tag = self.to_tag(request)
            wait = _RETRY_MIN_S + int(tag[:4], 16) % _RETRY_SPAN_S
            self.reply(request, flow, 503, now, None, (b"Retry-After: %d" % wait,))
            return
        if self._user is not None:
            self._user.on_request(request, flow, now)

    def _on_cancel(self, cancel: Request, flow: Flow, now: float) -> None:
        """Match a CANCEL and answer it (RFC 3261 9.2).

        It cannot be challenged, so it must come from the host that sent the request it means
        (22.1). The answer is stateless: the same again for a retransmission.
        """
        self.stats.cancels += 1
        self.catch_up(now)
        meant = self.layer.find_server(cancel)
        if meant is None or meant.flow.remote[0] != flow.remote[0]:
            answered = meant is None and self.layer.has_completed(cancel)
            self.reply(cancel, flow, 200 if answered else 481, now)
            return
        self.reply(cancel, flow, 200, now)
        if meant.invite and meant.final_status == 0 and self._user is not None:
            self._user.on_cancel(meant, now)

    def _refuse(self, error: BadMessage, size: int, flow: Flow, now: float) -> None:
        """Answer what could not be parsed, when enough of it is there to answer."""
        self.stats.malformed += 1
        if error.close:
            flow.broken = True
        partial = error.partial
        too_many = isinstance(error, LimitExceeded) and error.name in _FLOODS
        if partial is None or (too_many and not flow.reliable):
            return
        self.stats.refuse(error.status_hint, error.phrase)
        partial.received_host, partial.received_port = flow.remote
        tag = self._tag(b"\n".join(partial.copied))
        data = build_error(partial, error.status_hint, error.phrase, tag)
        if not flow.reliable and 2 * len(data) > 3 * size:
            self.stats.silent_replies += 1
            return
        self.stats.replies += 1
        self.layer.send(flow, data, now)

    def _answer_fault(
        self, request: Request, flow: Flow, now: float, status: int, reason: bytes | None
    ) -> None:
        """Answer a request whose handling failed, in its transaction when there is one."""
        if request.method == "ACK":
            return
        try:
            server_tx = self.layer.find_server(request) if request.method != "CANCEL" else None
            if server_tx is None:
                self.reply(request, flow, status, now, reason)
            elif server_tx.final_status == 0:
                self.respond(server_tx, status, now, reason)
        except Exception as error:  # noqa: BLE001 - nothing more can be said to this peer
            self._fault(error, "answer", flow, now)

    def _work_failed(
        self, error: Exception, server_tx: ServerTransaction | None, now: float
    ) -> None:
        """Answer a request for which something was put off, and failed."""
        status, reason = 500, None
        if isinstance(error, BadMessage):
            # a part that is parsed on demand turned out to be broken
            status, reason = error.status_hint, error.phrase
        else:
            self._fault(error, "request", server_tx.flow if server_tx is not None else None, now)
        if server_tx is not None:
            self._answer_fault(server_tx.request, server_tx.flow, now, status, reason)

    def _fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        self.stats.faults += 1
        if self.on_fault is not None:
            self.on_fault(error, where, flow, now)
