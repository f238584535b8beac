"""Builders of messages and a recording transport for tests of the core."""

from __future__ import annotations

from sip.flow import Flow
from sip.ids import SeededIds
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from sip.stats import Stats
from sip.timers import TimerConfig, TimerQueue
from sip.transaction import ClientTransaction, TransactionLayer

LIMITS = Limits()
LOCAL = ("192.0.2.1", 5060)
REMOTE = ("192.0.2.9", 5070)


def udp_flow(remote: tuple[str, int] = REMOTE) -> Flow:
    return Flow("UDP", LOCAL, remote)


def tcp_flow(remote: tuple[str, int] = REMOTE) -> Flow:
    return Flow("TCP", LOCAL, remote)


def request_bytes(
    method: str = "MESSAGE",
    *,
    branch: bytes = b"z9hG4bKabc",
    sent_by: bytes = b"192.0.2.9:5070",
    transport: bytes = b"UDP",
    to_tag: bytes = b"",
    cseq: int = 1,
    cseq_method: str = "",
    call_id: bytes = b"call-1",
    uri: bytes = b"sip:bob@ims.test",
    extra: tuple[bytes, ...] = (),
    body: bytes = b"",
) -> bytes:
    name = method.encode()
    via = b"Via: SIP/2.0/" + transport + b" " + sent_by + b";rport"
    if branch:
        via += b";branch=" + branch
    lines = [
        name + b" " + uri + b" SIP/2.0",
        via,
        b"Max-Forwards: 70",
        b"From: <sip:alice@ims.test>;tag=from1",
        b"To: <sip:bob@ims.test>" + (b";tag=" + to_tag if to_tag else b""),
        b"Call-ID: " + call_id,
        b"CSeq: %d " % cseq + (cseq_method.encode() or name),
        *extra,
        b"Content-Length: %d" % len(body),
        b"",
        body,
    ]
    return b"\r\n".join(lines)


def request(method: str = "MESSAGE", **fields: object) -> Request:
    message = parse_message(request_bytes(method, **fields), LIMITS)  # type: ignore[arg-type]
    assert isinstance(message, Request)
    message.received_host, message.received_port = REMOTE
    return message


def response_bytes(
    sent: bytes, status: int, *, to_tag: bytes = b"to1", reason: bytes = b"X"
) -> bytes:
    """Answer a request as the far end would."""
    asked = parse_message(sent, LIMITS)
    lines = [b"SIP/2.0 %d " % status + reason]
    lines += [b"Via: " + value for value in asked.get_all("via")]
    tag = b";tag=" + to_tag if status > 100 and not asked.to_tag else b""
    lines += [
        b"From: " + (asked.get("from") or b""),
        b"To: " + (asked.get("to") or b"") + tag,
        b"Call-ID: " + asked.call_id,
        b"CSeq: %d " % asked.cseq + asked.method.encode(),
        b"Content-Length: 0",
        b"\r\n",
    ]
    return b"\r\n".join(lines)


def response(sent: bytes, status: int, **fields: bytes) -> Response:
    message = parse_message(response_bytes(sent, status, **fields), LIMITS)
    assert isinstance(message, Response)
    return message


class RecordingTransport:
    """Keeps what is sent, with the time that ``clock`` shows."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[float, Flow, bytes]] = []

    def send(self, flow: Flow, data: bytes) -> None:
        self.sent.append((self.now, flow, data))

    def flow_to(self, transport: str, host: str, port: int, now: float) -> Flow | None:
        return Flow(transport, LOCAL, (host, port))

    def times(self, start: bytes) -> list[float]:
        return [round(at, 6) for at, _, data in self.sent if data.startswith(start)]


class RecordingUser:
    """A client user that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        self.told.append((round(now, 6), str(response.status)))

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        self.told.append((round(now, 6), {1: "timeout", 2: "transport"}[kind]))


class Bench:
    """A transaction layer on a virtual clock, with nothing around it."""

    def __init__(self, config: TimerConfig | None = None) -> None:
        self.transport = RecordingTransport()
        self.timers = TimerQueue()
        self.stats = Stats()
        self.layer = TransactionLayer(
            self.transport, self.timers, config or TimerConfig(), self.stats
        )
        self.ids = SeededIds(1)
        self.user = RecordingUser()

    @property
    def now(self) -> float:
        return self.transport.now

    def run_to(self, end: float) -> None:
        """Fire every timer up to ``end`` at its own time."""
        while True:
            at = self.timers.next_deadline()
            if at is None or at > end:
                break
            self.transport.now = max(at, self.transport.now)
            for _, target, kind in self.timers.pop_due(self.transport.now):
                target.on_timer(kind, self.transport.now)
        self.transport.now = end

    def send(self, method: str, flow: Flow, **fields: object) -> tuple[bytes, ClientTransaction]:
        branch = self.ids.branch()
        data = request_bytes(
            method,
            branch=branch,
            sent_by=flow.sent_by,
            transport=flow.transport.encode(),
            **fields,  # type: ignore[arg-type]
        )
        return data, self.layer.create_client(data, method, branch, flow, self.user, self.now)

    def answer(self, sent: bytes, status: int, flow: Flow, **fields: bytes) -> None:
        self.layer.receive_response(response(sent, status, **fields), flow, self.now)
