"""An MSRP client for tests against a real node: `session_msrp` on one blocking socket."""

from __future__ import annotations

import itertools
import re
import secrets
import socket
import ssl
import time

from imsnode.tls import CertificateFiles, fingerprint_of
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.media import (
    ACTIVE,
    ACTPASS,
    PASSIVE,
    Description,
    is_session,
    new_media,
    read_media,
    we_connect,
)
from session_msrp.outbox import Outgoing
from session_msrp.printing import print_request
from session_msrp.session import Event, Received, Session
from session_msrp.uri import parse_uri
from sip.bodies.sdp import Media, Sdp, Section, parse_sdp
from sip.digest import answer, ha1, parse_challenge
from tests.support.phone import Phone, Reply

_numbers = itertools.count(1)
WAIT_S = 8.0


class MsrpClient:
    """One end of one session; it listens from the start, and connects where it has to.

    Args: setup: what it offers or answers, "" knows no RFC 6135. host: in its path, which may be an
        address nobody can reach.
    """

    def __init__(
        self,
        setup: bytes = ACTPASS,
        host: str = "127.0.0.1",
        types: bytes = b"*",
        certificate: CertificateFiles | None = None,
    ) -> None:
        family = "::1" if ":" in host else "127.0.0.1"
        self.listener = socket.create_server(
            (family, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.setup, self.types, self.host = setup, types, host
        self.certificate = certificate
        self.fingerprint = (
            b"" if certificate is None else fingerprint_of(certificate.cert.read_text())
        )
        self.port = self.listener.getsockname()[1]
        self.framer = Framer(Limits())
        self.events: list[Event] = []
        self.peer: Description | None = None
        self.answered: Media | None = None  # its section, with all attributes
        self.socket: socket.socket | None = None
        self.connects = False
        #: URI of the relay it uses, and whose connection is its socket then.
        self.relay = b""
        self.renew()

    def renew(self) -> None:
        """Take a URI that was never used."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.own = parse_uri(
            f"{'msrps' if self.certificate else 'msrp'}://{name}:{self.port}/{secrets.token_hex(10)};tcp".encode()
        )

    def __enter__(self) -> MsrpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.hang_up()
        self.listener.close()

    def hang_up(self) -> None:
        """End the connection."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    # ---------------------------------------------------------------- SDP

    def sdp(self, setup: bytes) -> bytes:
        """Return this end's description."""
        media = new_media(self.own, self.host, self.types, setup or b"-")
        if self.relay:
            media.set_attribute(b"path", self.relay + b" " + self.own.raw)
        if not setup:
            media.remove_attributes(b"setup")
        if self.fingerprint:
            media.set_attribute(b"fingerprint", self.fingerprint)
        session = Section(
            [(b"v", b"0"), (b"o", b"- 1 1 IN IP4 127.0.0.1"), (b"s", b"-"), (b"t", b"0 0")]
        )
        return Sdp(session, [media]).print()

    def offer(self) -> bytes:
        return self.sdp(self.setup)

    def answer(self, offer: bytes) -> bytes:
        """Take an offer; return the answer."""
        self.take(offer)
        assert self.peer is not None
        setup = self.setup
        if setup == ACTPASS:
            setup = ACTIVE if self.peer.setup == PASSIVE else PASSIVE
        self.connects = we_connect(setup, self.peer.setup, offered=False)
        return self.sdp(setup)

    def accept_answer(self, answer: bytes) -> None:
        self.take(answer)
        assert self.peer is not None
        self.connects = we_connect(self.setup, self.peer.setup, offered=True)

    def take(self, body: bytes) -> None:
        """Read the other side's description, with a new session when its path is new."""
        sdp = parse_sdp(body)
        [media] = [each for each in sdp.media if is_session(each)]
        self.peer, self.answered = read_media(sdp, media), media
        path = b" ".join(uri.raw for uri in self.peer.path)
        path = self.relay + b" " + path if self.relay else path
        self.session = Session(
            self.own.raw, path, lambda: secrets.token_hex(8).encode(), Limits(), self.types.split()
        )

    def through(self, *path: bytes) -> None:
        """Use a way that no description told of; chunks are small enough for any relay on it."""
        self.session = Session(
            self.own.raw,
            b" ".join(path),
            lambda: secrets.token_hex(8).encode(),
            Limits(),
            self.types.split(),
            chunk_bytes=8192,  # Kamailio takes no frame of more than 10240 octets
        )

    # ------------------------------------------------------------- octets

    def connect(self) -> None:
        """Open the connection and say so with an empty SEND (RFC 4975 5.4)."""
        assert self.peer is not None
        self.framer = Framer(Limits())
        self.socket = socket.create_connection(self.peer.path[0].address, timeout=WAIT_S)
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            secured = context.wrap_socket(self.socket)
            seen = secured.getpeercert(binary_form=True)
            assert seen is not None
            assert fingerprint_of(ssl.DER_cert_to_PEM_cert(seen)) == self.peer.fingerprint
            self.socket = secured
        self.send(None)

    def accept(self) -> None:
        """Wait for the other side to connect."""
        self.framer = Framer(Limits())
        self.listener.settimeout(WAIT_S)
        self.socket = self.listener.accept()[0]
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate.cert, self.certificate.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def open(self) -> None:
        self.connect() if self.connects else self.accept()

    def send(
        self, body: bytes | None, content_type: bytes = b"text/plain", **wanted: bool
    ) -> Outgoing:
        message = Outgoing(
            b"mid%d.%s" % (next(_numbers), secrets.token_hex(4).encode()),
            content_type,
            body,
            **wanted,
        )  # type: ignore[arg-type]
        self.session.send(message)
        self.pump()
        return message

    def pump(self) -> None:
        """Send all there is to send."""
        while self.socket is not None:
            octets = self.session.take(time.monotonic())
            if octets is None:
                return
            self.socket.sendall(octets)

    def read(self, seconds: float = WAIT_S) -> bool:
        """Take octets off the wire; False at its end, or when none came in time."""
        assert self.socket is not None
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, ConnectionError):
            return False
        self.framer.feed(data)
        while (chunk := self.framer.next()) is not None:
            self.events += self.session.receive(chunk, time.monotonic())
        self.pump()
        return bool(data)

    def until(self, kind: type[Event], count: int = 1) -> list[Event]:
        """Read until so many events of a kind have come."""
        end = time.monotonic() + WAIT_S
        while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
            assert time.monotonic() < end, self.events
            assert self.read(), (kind, self.events)
        return list(found)

    def messages(self, count: int = 1) -> list[bytes]:
        """Bodies of the first messages."""
        return [
            event.message.body
            for event in self.until(Received, count)
            if isinstance(event, Received)
        ]

    def ended(self) -> bool:
        """Say whether the other side closes the connection."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if not self.read(0.5):
                return True
        return False


def granted(link: socket.socket, user: str, own: bytes) -> bytes:
    """Ask the relay at the other end of a connection for a URI."""
    host, port = link.getpeername()[:2]
    relay = b"msrp://%b:%d;tcp" % (host.encode(), port)
    lines: tuple[bytes, ...] = ()
    framer = Framer(Limits())
    while True:
        link.sendall(print_request(secrets.token_hex(8).encode(), b"AUTH", relay, own, lines))
        while (chunk := framer.next()) is None:
            framer.feed(link.recv(65536))
        if chunk.status == 200:
            return chunk.fields[b"use-path"]
        assert not lines, chunk.raw
        asked = [line for line in chunk.lines() if line.startswith(b"WWW-Authenticate: ")]
        challenge = parse_challenge(asked[0].partition(b": ")[2])
        assert challenge is not None
        secret = ha1(user, challenge.realm, f"pw-{user}", challenge.algorithm)
        proof = answer(challenge, user, secret, "AUTH", relay, b"cn", 1)
        lines = (b"Authorization: " + proof,)


SDP_LINE = "Content-Type: application/sdp"


def final(phone: Phone) -> Reply:
    """Return the next final response, or request; a challenge inside a dialog is answered."""
    while (message := phone.receive(WAIT_S)) is not None:
        if message.status == 401:
            asked = Reply(phone.sent)
            if asked.method == "INVITE":
                phone.send(within(asked, "ACK", message.get("to")))
            phone.send(phone.with_credentials(asked.data, message))
        elif message.method or message.status >= 200:
            return message
    raise AssertionError(f"{phone.user} heard nothing")


def invite(phone: Phone, to: str, body: bytes, lines: tuple[str, ...] = ()) -> Reply:
    """Send an INVITE with an offer and answer its challenge; returns what was sent at last."""
    uri = f"sip:{to}@{phone.domain}"
    typed = any(line.startswith("Content-Type") for line in lines)
    kind = (SDP_LINE,) if body and not typed else ()
    head = (f"Contact: <{phone.contact}>", *kind, *lines)
    request = phone.request("INVITE", uri, None, head, body)
    phone.send(request)
    refusal = final(phone)
    assert refusal.status == 407, refusal.data
    phone.send(within(Reply(request), "ACK", refusal.get("to")))
    again = phone.with_credentials(request, refusal)
    phone.send(again)
    return Reply(again)


def within(
    invite: Reply, method: str, to: str = "", target: str = "", routes: list[str] | None = None,
    cseq: int = 0, body: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a request of the dialog an INVITE set up, or the ACK of its refusal."""
    number = cseq or int(invite.get("cseq").split()[0])
    via = invite.get("via")
    if routes is not None:
        via = via.split(";branch=")[0] + f";branch=z9hG4bKw{time.monotonic_ns():x}"
    lines = [
        f"{method} {target or invite.start.split()[1]} SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        *(f"Route: {route}" for route in routes or ()),
        f"From: {invite.get('from')}",
        f"To: {to or invite.get('to')}",
        f"Call-ID: {invite.get('call-id')}",
        f"CSeq: {number} {method}",
        f"Contact: {invite.get('contact')}",
        *((SDP_LINE,) if body else ()),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Dialog:
    """A call that stands, as its caller sees it."""

    def __init__(self, caller: Phone, callee: Phone, near: MsrpClient, far: MsrpClient) -> None:
        self.caller, self.callee, self.near, self.far = caller, callee, near, far
        self.invite = invite(caller, callee.user, near.offer())
        self.taken = final(callee)
        assert self.taken.method == "INVITE"
        self.answer(self.taken)

    def answer(self, request: Reply) -> None:
        answer = self.far.answer(request.body)
        lines = (f"Contact: <{self.callee.contact}>", "Content-Type: application/sdp")
        self.callee.respond(request, 200, lines, answer)
        ok = final(self.caller)
        assert ok.status == 200, ok.data
        self.near.accept_answer(ok.body)
        self.target = re.findall(r"<(.*)>", ok.get("contact"))[0]
        self.routes = [part for value in ok.all("record-route") for part in value.split(", ")][::-1]
        self.to = ok.get("to")
        self.caller.send(
            within(self.invite, "ACK", self.to, self.target, self.routes, self.caller.cseq)
        )
        while (request := final(self.callee)).method == "INVITE":
            pass  # sent again to a busy machine
        assert request.method == "ACK"

    def send(self, method: str, body: bytes = b"") -> Reply:
        """Send a request in the dialog; returns it as the callee gets it."""
        self.caller.cseq += 1
        self.caller.send(
            within(self.invite, method, self.to, self.target, self.routes, self.caller.cseq, body)
        )
        return final(self.callee)

    def hang_up(self) -> None:
        bye = self.send("BYE")
        assert bye.method == "BYE"
        self.callee.respond(bye, 200)
        assert final(self.caller).status == 200
