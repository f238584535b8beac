"""A small SIP phone for tests against a real node: blocking, one UDP or TCP socket, octets in sight.

It is deliberately not built on the product's codec, so that both cannot be wrong the same way.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import time

COMPACT = {
    "v": "Via",
    "f": "From",
    "t": "To",
    "i": "Call-ID",
    "l": "Content-Length",
    "m": "Contact",
    "c": "Content-Type",
    "k": "Supported",
}
_numbers = itertools.count(1)


class Reply:
    """One message from the wire, cut by hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        head, _, self.body = data.partition(b"\r\n\r\n")
        text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape"))
        self.start, *lines = text.split("\r\n")
        pairs = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        self.headers = [(COMPACT.get(name.lower(), name), value) for name, value in pairs]

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return "" if self.status else self.start.split()[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")


class Phone:
    """One user agent.

    Args: server: (host, port) of the node. password: "" never answers a challenge.
    """

    features = ""  # parameters of its Contact, each behind a semicolon

    def __init__(
        self,
        server: tuple[str, int],
        user: str,
        domain: str = "ims.test",
        password: str | None = None,
        transport: str = "UDP",
        instance: str = "",
        host: str = "",
    ) -> None:
        self.server, self.user, self.domain, self.transport = server, user, domain, transport
        self.password = f"pw-{user}" if password is None else password
        self.instance = instance
        self.buffer = b""
        self.inbox: list[Reply] = []
        self.cseq = 0
        self.auto_status = 200
        self.host, self.port = self.open(host)

    def open(self, host: str) -> tuple[str, int]:
        """Open the way to the node; returns what the phone takes for its own address."""
        udp, v6 = self.transport == "UDP", ":" in self.server[0]
        self.socket = socket.socket(
            socket.AF_INET6 if v6 else socket.AF_INET,
            socket.SOCK_DGRAM if udp else socket.SOCK_STREAM,
        )
        if udp:
            self.socket.bind((host or ("::1" if v6 else "127.0.0.1"), 0))
        self.socket.connect(self.server)
        found: tuple[str, int] = self.socket.getsockname()[:2]
        return found

    @property
    def aor(self) -> str:
        return f"sip:{self.user}@{self.domain}"

    @property
    def contact(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        return f"sip:{self.user}@{host}:{self.port}{suffix}"

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ octets

    def send(self, data: bytes) -> None:
        if data[:4] not in (b"ACK ", b"SIP/"):
            self.sent = data
        self.socket.sendall(data) if self.transport != "UDP" else self.socket.send(data)

    def receive(self, seconds: float = 3.0) -> Reply | None:
        """Return the next message, None when none came in time."""
        end = time.monotonic() + seconds
        while True:
            if self.transport != "UDP":
                cut = self._cut()
                if cut is not None:
                    return Reply(cut)
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65535)
            except (TimeoutError, ConnectionError):
                return None
            if self.transport == "UDP":
                return Reply(data)
            if not data:
                return None
            self.buffer += data

    def _cut(self) -> bytes | None:
        self.buffer = self.buffer.lstrip(b"\r\n")
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        found = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
        size = int(found.group(1)) if found else 0
        if len(rest) < size:
            return None
        self.buffer = rest[size:]
        return head + mark + rest[:size]

    # ---------------------------------------------------------------- requests

    def request(
        self,
        method: str,
        uri: str,
        to: str | None = None,
        lines: tuple[str, ...] = (),
        body: bytes = b"",
        call_id: str | None = None,
        cseq: int | None = None,
        tag: str | None = None,
        branch: str | None = None,
    ) -> bytes:
        """Build a request; everything that identifies it can be given."""
        number = next(_numbers)
        self.cseq = cseq if cseq is not None else self.cseq + 1
        host = f"[{self.host}]" if ":" in self.host else self.host
        stamp = f"{time.monotonic_ns():x}{number}"
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {host}:{self.port};rport;branch={branch or 'z9hG4bK' + stamp}",
            "Max-Forwards: 70",
            f"From: <{self.aor}>;tag={tag or 't' + stamp}",
            f"To: <{to or uri}>",
            f"Call-ID: {call_id or 'c' + stamp}",
            f"CSeq: {self.cseq} {method}",
            *lines,
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    def answer_to(self, data: bytes, seconds: float = 20.0) -> Reply:
        """Send a request, answer one challenge, return the final response.

        Requests that arrive meanwhile are answered with ``auto_status`` and kept in ``inbox``.
        """
        reply = self._transact(data, seconds)
        if reply.status in (401, 407) and self.password:
            reply = self._transact(self.with_credentials(data, reply), seconds)
        return reply

    def _transact(self, data: bytes, seconds: float) -> Reply:
        call_id = Reply(data).get("call-id")
        end = time.monotonic() + seconds
        resend, wait = time.monotonic() + 0.5, 0.5
        self.send(data)
        while time.monotonic() < end:
            reply = self.receive(max(0.01, min(resend, end) - time.monotonic()))
            if reply is None:
                if self.transport == "UDP" and time.monotonic() >= resend:
                    self.send(data)
                    wait = min(4.0, wait * 2)
                    resend = time.monotonic() + wait
                continue
            if not reply.status:
                self.serve(reply)
            elif reply.status >= 200 and reply.get("call-id") == call_id:
                return reply
        raise AssertionError(f"no final answer to {data[:60]!r}")

    def with_credentials(self, data: bytes, challenge: Reply, nc: int = 1) -> bytes:
        """Return the request again, next CSeq, new branch, with the digest answer."""
        name = "WWW-Authenticate" if challenge.status == 401 else "Proxy-Authenticate"
        parameters = {
            key.lower(): quoted or bare
            for key, quoted, bare in re.findall(
                r'([a-zA-Z]+)=(?:"([^"]*)"|([^\s,]+))', challenge.get(name)
            )
        }
        algorithm = parameters.get("algorithm", "MD5")
        digest = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]

        def h(text: str) -> str:
            return hashlib.new(digest, text.encode()).hexdigest()

        method, uri = data.split(b" ", 2)[:2]
        ha1 = h(f"{self.user}:{parameters['realm']}:{self.password}")
        ha2 = h(f"{method.decode()}:{uri.decode()}")
        response = h(f"{ha1}:{parameters['nonce']}:{nc:08x}:cn0nce:auth:{ha2}")
        header = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        line = (
            f'{header}: Digest username="{self.user}", realm="{parameters["realm"]}", '
            f'nonce="{parameters["nonce"]}", uri="{uri.decode()}", response="{response}", '
            f'algorithm={algorithm}, qop=auth, nc={nc:08x}, cnonce="cn0nce"\r\n'
        )
        head, _, body = data.partition(b"\r\n\r\n")
        self.cseq += 1
        head = re.sub(rb"(?m)^CSeq: \d+", b"CSeq: %d" % self.cseq, head)
        head = re.sub(rb"branch=[^;\r]*", b"branch=z9hG4bKa%d" % time.monotonic_ns(), head, count=1)
        at = head.index(b"\r\n") + 2
        return head[:at] + line.encode() + head[at:] + b"\r\n\r\n" + body

    # --------------------------------------------------------------- behaviour

    def register(self, expires: int = 600, lines: tuple[str, ...] = ()) -> Reply:
        instance = f';+sip.instance="<urn:uuid:{self.instance}>"' if self.instance else ""
        contact = f"Contact: <{self.contact}>;expires={expires}{instance}{self.features}"
        return self.answer_to(
            self.request(
                "REGISTER",
                f"sip:{self.domain}",
                self.aor,
                (contact, *lines),
                call_id=f"reg-{self.user}-{self.port}",
                tag="reg",
            )
        )

    def message(
        self, to: str, text: str | bytes, lines: tuple[str, ...] = (), **ids: object
    ) -> Reply:
        body = text.encode() if isinstance(text, str) else text
        uri = to if to.startswith("sip") else f"sip:{to}@{self.domain}"
        lines = ("Content-Type: text/plain", *lines)
        return self.answer_to(self.request("MESSAGE", uri, None, lines, body, **ids))  # type: ignore[arg-type]

    def serve(self, request: Reply, status: int | None = None) -> None:
        """Answer a request and keep it (ACK is only kept)."""
        self.inbox.append(request)
        if request.method == "ACK":
            return
        self.respond(request, self.auto_status if status is None else status)

    def respond(
        self, request: Reply, status: int, lines: tuple[str, ...] = (), body: bytes = b""
    ) -> None:
        if not status:
            return
        kept = [
            f"{k}: {v}"
            for k, v in request.headers
            if k.lower() in ("via", "from", "call-id", "cseq", "record-route")
        ]
        to = request.get("to")
        kept.append(f"To: {to}" if ";tag=" in to else f"To: {to};tag=uas{self.port}")
        head = "\r\n".join(
            [f"SIP/2.0 {status} Status", *kept, *lines, f"Content-Length: {len(body)}"]
        )
        self.send(head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)

    def collect(self, count: int, seconds: float = 20.0) -> list[bytes]:
        """Serve requests until ``count`` MESSAGEs with different identity came; their bodies."""
        end = time.monotonic() + seconds
        while len(self.messages()) < count and time.monotonic() < end:
            request = self.receive(max(0.01, end - time.monotonic()))
            if request is not None and not request.status:
                self.serve(request)
        return [message.body for message in self.messages()]

    def messages(self) -> list[Reply]:
        """MESSAGEs received, repeats of the same identity (Call-ID, CSeq, From-tag) left out."""
        seen: dict[tuple[str, str, str], Reply] = {}
        for request in self.inbox:
            if request.method == "MESSAGE":
                identity = (request.get("call-id"), request.get("cseq"), request.get("from"))
                seen.setdefault(identity, request)
        return list(seen.values())
