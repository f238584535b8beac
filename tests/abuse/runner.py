"""Sends hostile input to a live node and judges what comes back; standard library only.

What each case must come to is said by ``cases/manifest.json``. After each case the node must still
answer an OPTIONS. Nothing here is built on the product's codec.

Of a case: ``want`` holds tokens of which one must hold (`holds`), ``must_not`` tokens that must not;
``silent_call_ids`` must not be answered, ``bytes_never`` must not come back, ``answers`` counts the
transactions answered, ``max_ratio`` bounds the octets sent for each received. ``auth`` answers a
challenge, ``replay`` sends the accepted request again; ``frame`` says how a WebSocket frame is not
what it has to be. A server that sends to a third party fails
every case.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import select
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.abuse.frames import frame, handshake, unframe
from tests.support.phone import Phone, Reply

CASES = Path(__file__).with_name("cases")
SHORT_S = 0.1  # silence for so long after the node has answered something later is an answer
LONG_S = 3.0  # a wanted answer may take this long on a busy machine
QUIET_S = 0.05  # after a final response, for what should not follow it
HEALTH_S = 2.0  # threats.md G2
PEER = "bob"

REPEATED = re.compile(rb"@REP\((.*?),(\d+)\)@", re.S)
OCTETS = re.compile(rb"@HEX\(([0-9a-fA-F]*)\)@")
NUMBERED = re.compile(rb"@SEQ\((.*?),(\d+)\)@", re.S)
STATUS_LINE = re.compile(rb"(?m)^(?:SIP/2\.0|MSRP \S+) (\d{3})[ \r\n]")

Case = dict[str, Any]
Server = tuple[str, int]

# One for all: to make it takes longer than what it is made for.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def load_cases(transport: str) -> list[Case]:
    """Return the cases for one transport: SIP's ("udp", "tcp", "tls", "ws"), "msrp", "msrps", "http"."""
    cases: list[Case] = json.loads((CASES / "manifest.json").read_text())["cases"]
    return [case for case in cases if transport in case["transports"]]


class Connection:
    """A fresh socket to the node."""

    def __init__(self, server: Server, transport: str) -> None:
        self.transport = transport
        self.closed = False
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        plain = socket.socket(socket.AF_INET, kind)
        plain.settimeout(LONG_S)
        if transport == "udp":
            plain.bind(("127.0.0.1", 0))
        plain.connect(server)
        self.socket = plain
        if transport in ("tls", "msrps"):
            self.socket = TLS.wrap_socket(plain, server_hostname="ims.test")
        if transport != "udp":
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = self.socket.getsockname()[:2]
        self.framed = handshake(self.socket, server) if transport == "ws" else b""

    def send(self, data: bytes, **bad: Any) -> None:
        """Send; a connection that the node closed meanwhile is noted, not an error.

        bad: what is wrong with the frame, over WebSocket.
        """
        if self.transport == "ws":
            data = frame(data, **bad)
        try:
            self.socket.send(data) if self.transport == "udp" else self.socket.sendall(data)
        except OSError:
            self.closed = True

    def receive(self, seconds: float, enough: bool = False) -> bytes:
        """Collect octets for a time; ``enough``: end soon after the first final response."""
        buffer, end = b"", time.monotonic() + seconds
        while not self.closed:
            data = self._receive_once(end)
            if data is None:
                break
            if self.transport == "ws":
                data, self.framed, goodbye = unframe(self.framed + data)
                self.closed = self.closed or goodbye
            buffer += data
            if enough and any(status >= 200 for status in statuses(buffer)):
                end = min(end, time.monotonic() + QUIET_S)
        return buffer

    def _receive_once(self, end: float) -> bytes | None:
        held = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        left = end - time.monotonic()
        if left <= 0 or not (held or select.select([self.socket], [], [], left)[0]):
            return None
        try:
            data = self.socket.recv(65535)
        except (TimeoutError, ssl.SSLWantReadError):
            return None
        except OSError:
            data = b""
        if not data and self.transport != "udp":
            self.closed = True
        return data

    def close(self) -> None:
        self.socket.close()


class Bystander:
    """Addresses of somebody else, to which the node must never send or connect."""

    def __init__(self) -> None:
        while not self._bound():
            self.close()  # one of the ports is somebody's: another number

    def _bound(self) -> bool:
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listeners = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(2)]
        self.datagrams.bind(("127.0.0.2", 0))
        self.port = self.datagrams.getsockname()[1]
        try:
            for address, listener in zip(("127.0.0.1", "127.0.0.2"), self.listeners, strict=True):
                listener.bind((address, self.port))
                listener.listen(8)
        except OSError:
            return False
        return True

    def bothered(self) -> list[str]:
        """Return what arrived since the last call."""
        found = []
        while ready := select.select([self.datagrams, *self.listeners], [], [], 0)[0]:
            for one in ready:
                if one is self.datagrams:
                    found.append(f"datagram {one.recvfrom(65535)[0][:40]!r}")
                else:
                    one.accept()[0].close()
                    found.append("connection")
        return found

    def close(self) -> None:
        for one in (self.datagrams, *self.listeners):
            one.close()


def fill(raw: bytes, names: dict[str, str]) -> bytes:
    """Put values for the placeholders of a raw file; @CL@ is the length of the body."""
    raw = NUMBERED.sub(
        lambda m: b"".join(m[1].replace(b"#", b"%d" % i) for i in range(int(m[2]))), raw
    )
    raw = REPEATED.sub(lambda m: m[1] * int(m[2]), raw)
    raw = OCTETS.sub(lambda m: bytes.fromhex(m[1].decode()), raw)
    for name, value in names.items():
        raw = raw.replace(b"@%b@" % name.encode(), value.encode())
    return raw.replace(b"@CL@", b"%d" % len(raw.partition(b"\r\n\r\n")[2]), 1)


def answers(buffer: bytes) -> list[tuple[int, str, bytes]]:
    """Cut responses out of what came: status, Call-ID, all octets."""
    lines = list(STATUS_LINE.finditer(buffer))
    found = []
    for line, following in itertools.pairwise([*lines, None]):
        assert line is not None
        data = buffer[line.start() : following.start() if following else None]
        call_id = re.search(rb"(?im)^(?:call-id|i)\s*:\s*(\S+)", data.partition(b"\r\n\r\n")[0])
        found.append((int(line[1]), call_id[1].decode("latin-1") if call_id else "", data))
    return found


def statuses(buffer: bytes) -> list[int]:
    return [status for status, _, _ in answers(buffer)]


def holds(token: str, finals: list[int], closed: bool, buffer: bytes) -> bool:
    """Tell whether an outcome is what a token says."""
    if token == "any":
        return True
    if token == "silent":
        return not finals and not closed
    if token == "close":
        return closed
    if token == "reject":
        return not finals or finals[0] >= 400
    if token == "pong":
        return buffer.startswith(b"\r\n")
    if token.endswith("xx"):
        return bool(finals) and finals[0] // 100 == int(token[0])
    return bool(finals) and finals[0] == int(token)


class Run:
    """One case against one node.

    Args:
        phone: knows user, domain and password of an account; its socket is not used.
        well: asks whether the node still answers, which it does behind what came before.
    """

    def __init__(
        self,
        case: Case,
        server: Server,
        transport: str,
        by: Bystander,
        phone: Phone,
        well: Callable[[float], bool],
    ) -> None:
        self.case, self.server, self.transport, self.by, self.phone, self.well = (
            case, server, transport, by, phone, well,
        )  # fmt: skip
        self.mark = secrets.token_hex(6)
        self.raw = (CASES / case["class"] / f"{case['id']}.raw").read_bytes()
        self.connections: list[Connection] = []
        self.sent = 0
        self.buffer = b""
        self.total = 0

    def faults(self) -> list[str]:
        """Run the case; return what was not as wanted."""
        self.by.bothered()
        try:
            first = self.connect()
            request = self.send_all(first)
            if "read" not in self.case:
                self.well(HEALTH_S)  # so it has seen what came before
            self.buffer = first.receive(self.case.get("read", SHORT_S), not self.case.get("full"))
            if self.case.get("auth"):
                self.authenticate(first, request)
            found = self.judge(first)
            if found:
                # Silence may also be a busy machine.
                self.buffer += first.receive(LONG_S, True)
                found = self.judge(first)
        finally:
            for connection in self.connections:
                connection.close()
        return found + [f"sent to a third party: {what}" for what in self.by.bothered()]

    def connect(self) -> Connection:
        self.connections.append(Connection(self.server, self.transport))
        return self.connections[-1]

    def filled(self, connection: Connection, number: int) -> bytes:
        host, port = connection.address
        fresh = self.case.get("fresh")
        return fill(
            self.raw,
            {
                "HOST": self.server[0], "PORT": str(self.server[1]), "TR": self.transport.upper(),
                "LIP": host, "LPORT": str(port), "DOMAIN": self.phone.domain,
                "USER": self.phone.user, "PEER": PEER, "LEAKPORT": str(self.by.port),
                "R": secrets.token_hex(6) if fresh else self.mark, "N": str(number),
            },
        )  # fmt: skip

    def send_all(self, connection: Connection) -> bytes:
        """Send the case as often and in the way it says; return the last request."""
        request = b""
        for number in range(self.case.get("repeat", 1)):
            request = self.filled(connection, number)
            self.sent += len(request)
            if self.case.get("how") == "bytes":
                for octet in request:
                    connection.send(bytes((octet,)))
            elif self.case.get("new_conn"):
                try:
                    self.connect()
                except OSError:  # the node takes no more of them
                    break
            else:
                connection.send(request, **self.case.get("frame", {}))
        return request

    def authenticate(self, connection: Connection, request: bytes) -> None:
        """Answer the challenge; what counts is the answer to that, or to its replay."""
        for attempt in range(2):
            found = answers(self.buffer)
            if found and found[-1][0] in (401, 407):
                break
            if attempt or found:
                return
            self.buffer += connection.receive(LONG_S, True)
        challenge = Reply(found[-1][2])
        request = self.phone.with_credentials(request, challenge)
        self.exchange(connection, request)
        again = self.case.get("replay")
        if again is None:
            return
        if again == "new-call":
            branch = b"branch=z9hG4bK" + secrets.token_hex(8).encode()
            request = re.sub(rb"branch=z9hG4bK[^;\r\n ]*", branch, request, count=1)
            call_id = b"Call-ID: " + secrets.token_hex(8).encode()
            request = re.sub(rb"(?im)^call-id\s*:\s*\S+", call_id, request, count=1)
        self.exchange(connection, request)

    def exchange(self, connection: Connection, request: bytes) -> None:
        connection.send(request)
        self.sent += len(request)
        self.buffer = connection.receive(LONG_S, True)

    def judge(self, first: Connection) -> list[str]:
        """Compare what has come so far with what the case wants."""
        case, buffer = self.case, self.buffer
        seen = answers(buffer)
        finals = [status for status, _, _ in seen if status >= 200]
        outcome = f"{finals[:5]}{' closed' if first.closed else ''}"
        found = []
        if not any(holds(token, finals, first.closed, buffer) for token in case["want"]):
            found.append(f"got {outcome}, wanted {'|'.join(case['want'])}")
        for token in case.get("must_not", ()):
            if holds(token, finals, first.closed, buffer):
                found.append(f"got {outcome}, which must not be")
        answered = {call_id for status, call_id, _ in seen if status >= 200}
        if len(answered) != case.get("answers", len(answered)):
            found.append(f"{len(answered)} transactions answered, not {case['answers']}")
        for call_id in case.get("silent_call_ids", ()):
            if call_id.replace("@R@", self.mark) in answered:
                found.append("answered a request hidden in another")
        for text in case.get("bytes_never", ()):
            if text.replace("@R@", self.mark).encode() in buffer:
                found.append(f"sent {text!r} back")
        if self.sent and len(buffer) > case.get("max_ratio", 1e9) * self.sent:
            found.append(f"sent {len(buffer)} octets for {self.sent}")
        return found


def is_well(server: Server, transport: str, seconds: float) -> bool:
    """Tell whether an OPTIONS on a fresh connection is answered in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection = Connection(server, transport)
        except OSError:  # the node may still have the connections of the case
            continue
        connection.send(_options(server, connection))
        answered = statuses(connection.receive(min(0.5, end - time.monotonic()), True))
        connection.close()
        if answered:
            return True
    return False


def _options(server: Server, connection: Connection) -> bytes:
    host, port = connection.address
    mark = secrets.token_hex(8)
    return (
        f"OPTIONS sip:{server[0]}:{server[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/{connection.transport.upper()} {host}:{port};branch=z9hG4bK{mark};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:health@ims.test>;tag={mark}\r\nTo: <sip:ims.test>\r\n"
        f"Call-ID: {mark}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def run_all(
    server: Server, transport: str, user: str, sip: tuple[Server, str] | None = None
) -> list[str]:
    """Run every case of a transport; return what was not as wanted, with the case's name.

    Args: sip: the SIP listener that is asked after each case; by default the one under attack.
    """
    by = Bystander()
    found = []
    asked, over = sip or (server, transport)
    with Phone(server, user) as phone:
        for case in load_cases(transport):
            found += [
                f"{case['id']}: {fault}"
                for fault in Run(
                    case, server, transport, by, phone, lambda s: is_well(asked, over, s)
                ).faults()
            ]
            if not is_well(asked, over, max(HEALTH_S, case.get("health", 0))):
                found.append(f"{case['id']}: an OPTIONS after it was not answered")
    by.close()
    return found
