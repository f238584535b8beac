"""A node that is a party of sessions, and a phone, on a virtual network; MSRP links are memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from imsnode.msrp.ends import End, Ends
from imsnode.msrp.talk import Talk
from imsnode.msrp.talk_user import Listener
from imsnode.msrp.talks import Talks
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.outbox import Outgoing
from session_msrp.session import Received
from session_msrp.uri import MsrpUri, parse_uri
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.message import Request, Response, build_request, build_response
from sip.routing import OwnNames, Refusal
from sip.testing import SimNetwork
from sip.tokens import FlowTokens
from sip.transaction import ServerTransaction

NODE, PHONE = "192.0.2.1", "198.51.100.2"
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.2\r\ns=-\r\nc=IN IP4 198.51.100.2\r\nt=0 0\r\n"
    b"m=message 7777 TCP/MSRP *\r\na=accept-types:*\r\na=setup:actpass\r\n"
    b"a=path:msrp://198.51.100.2:7777/phone;tcp\r\n"
)
#: The same as an answer that leaves connecting to the node.
ANSWER = OFFER.replace(b"actpass", b"passive")


class Link:
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        self.ends: set[End] = set()
        self.choked_since = 0.0
        self.framer = Framer(Limits())
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def hold(self, whom: object) -> None:
        """Reading is the test's."""

    release = hold


class Door:
    """Where the phone reaches the node."""

    websocket = secure = False
    fingerprint = b""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def uri(self, secure: bool, websocket: bool = False) -> MsrpUri | None:
        return (
            None if secure else parse_uri(b"msrp://192.0.2.1:2855/own%d;tcp" % next(self._numbers))
        )


class Heard(Listener):
    """A user that remembers what it was told, and settles every message."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def established(self, talk: Talk, now: float) -> None:
        self.told.append(("established",))

    def received(self, talk: Talk, received: Received, now: float) -> None:
        self.told.append(("received", received.message.body))
        talk.settle(received)

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        self.told.append(("delivered", message.body))

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        self.told.append(("ended", status, reason))


class TalkWorld:
    """The node takes every INVITE; the phone does as the test says."""

    def __init__(self) -> None:
        self.network = SimNetwork(1, latency=(0.005, 0.005))
        self.node = self.network.node("node", NODE, user=self)
        self.phone = self.network.node("phone", PHONE, user=SimpleNamespace(
            on_request=self._on_phone, on_cancel=self._on_phone_cancel, on_expired=print))  # fmt: skip
        self.link = Link()
        self.inbox: list[tuple[Request, ServerTransaction | None]] = []
        self.answers: list[Response] = []
        self.user = Heard()
        self.wanted: Callable[[Talk], object] = Talk.accept
        self.talk: Talk | None = None
        endpoint = self.node.endpoint
        proxy = Proxy(endpoint, OwnNames(endpoint.own, ["ims.test"]), FlowTokens(b"k" * 32),
                      lambda host, port: True)  # fmt: skip
        tids = (b"tid%05d" % number for number in itertools.count())
        connections: Any = SimpleNamespace(
            now=lambda: self.network.now, loop=self, flush=lambda: None,
            dial=lambda *_: self.link, leave=lambda link, end: link.ends.discard(end),
        )  # fmt: skip
        connections.ends = Ends(connections, lambda: next(tids))
        door = Door()
        self.talks = Talks(
            proxy, connections, lambda flow: door, lambda wall: "t1", lambda: self.network.wall,
            lambda: (), 10, 60.0,
        )  # fmt: skip

    def call_soon(self, work: Callable[[], object]) -> None:
        self.network.call_at(self.network.now, work)

    # --- the node

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "ACK":
            self.talks.acknowledged(request)
        elif request.to_tag:
            talk = self.talks.find(request)
            if talk is None:
                self.node.endpoint.reply(request, flow, 481, now)
            else:
                talk.request(request, flow, now)
        else:
            taken = self.talks.take(
                self.user, request, flow, "sip:bob@ims.test", "sip:alice@ims.test", Limits(), now
            )
            if isinstance(taken, Refusal):
                self.node.endpoint.reply(request, flow, taken.status, now, taken.reason)
                return
            self.talk = taken
            self.wanted(taken)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        if isinstance(server_tx.user, Talk):
            server_tx.user.cancelled(now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        pass

    def call(self) -> Talk:
        """Have the node call the phone."""
        flow = self.node.transport.flow_to("UDP", PHONE, 5060, self.network.now)
        assert flow is not None
        talk = self.talks.call(
            self.user, Target(b"sip:bob@198.51.100.2:5060", flow), "sip:alice@ims.test",
            "sip:bob@ims.test", Limits(), self.network.now,
        )  # fmt: skip
        assert talk is not None
        self.talk = talk
        self.network.run(0.1)
        return talk

    # --- the phone

    def _on_phone(self, request: Request, flow: Flow, now: float) -> None:
        known = request.method != "ACK"
        self.inbox.append(
            (request, self.phone.endpoint.accept(request, flow, now) if known else None)
        )
        if request.method == "BYE":
            self.answer(200)

    def _on_phone_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        self.answer(487, server_tx)

    def answer(self, status: int, transaction: ServerTransaction | None = None,
               body: bytes = b"", tag: bytes = b"phone",
               lines: Iterable[bytes] = ()) -> None:  # fmt: skip
        """Answer the last request, or another one."""
        transaction = transaction or self.inbox[-1][1]
        assert transaction is not None
        extra = [b"Contact: <sip:bob@198.51.100.2:5060>", *lines]
        kind = b"application/sdp" if body else None
        data = build_response(transaction.request, status, None, extra, body, kind, tag)
        transaction.respond(data, status, self.network.now)

    def send(self, method: str, cseq: int = 1, body: bytes = b"", lines: Iterable[tuple[bytes, bytes]] = (),
             branch: bytes = b"") -> None:  # fmt: skip
        """Send a request of the phone's dialog; its answers gather."""
        endpoint, network = self.phone.endpoint, self.network
        flow = self.phone.transport.flow_to("UDP", NODE, 5060, network.now)
        assert flow is not None
        ok = next((each for each in self.answers if each.status == 200), None)
        to = b"<sip:bob@ims.test>" + (b";tag=" + ok.to_tag if ok is not None else b"")
        branch = branch or endpoint.ids.branch()
        name, _, via = flow.via_line(branch).partition(b": ")
        data = build_request(method, b"sip:bob@ims.test", [
            (name, via), (b"Max-Forwards", b"70"), (b"From", b"<sip:alice@ims.test>;tag=a"),
            (b"To", to), (b"Call-ID", b"c1"), (b"CSeq", b"%d %b" % (cseq, method.encode())),
            (b"Contact", b"<sip:alice@198.51.100.2:5060>"), *lines,
            *([(b"Content-Type", b"application/sdp")] if body else []),
        ], body)  # fmt: skip
        if method == "ACK":
            endpoint.send(flow, data, network.now)
        else:
            self.tx = endpoint.create_client(data, method, branch, flow, self, network.now)
        network.run(0.1)

    def on_response(self, tx: object, response: Response, now: float) -> None:
        self.answers.append(response)

    def on_failure(self, tx: object, kind: int, now: float) -> None:
        pass

    def methods(self) -> list[str]:
        """What the phone was sent."""
        return [request.method for request, _ in self.inbox]

    def feed(self, data: bytes) -> None:
        """Send octets of MSRP to the node."""
        self.link.framer.feed(data)
        link: Any = self.link
        while (chunk := self.link.framer.next()) is not None:
            self.talks.ends.receive(chunk, link, self.network.now)
        self.network.run(0.01)
