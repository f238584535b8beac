# SPDX-License-Identifier: Apache-2.0
"""A telephone on the simulated network: registers, calls, answers, follows its route set.

It knows nothing of the proxy but its address, so whatever reaches the other side inside a call got
there by the Record-Routes the proxy wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

from sip.dialog import (
    Dialog,
    DialogKey,
    accept_request,
    key_of_request,
    key_of_response,
    next_request,
    uac_dialog,
    uas_dialog,
)
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.headers.address import parse_address
from sip.message import Request, Response, build_request, build_response
from sip.nexthop import next_hop
from sip.testing import SimNode
from sip.transaction import ClientTransaction, ServerTransaction
from sip.uri import parse_uri

Fields = list[tuple[bytes, bytes]]
_RESEND = 1


class Unconfirmed:
    """A 2xx to INVITE that is repeated until its ACK comes (RFC 3261 13.3.1.4)."""

    def __init__(self, caller: Caller, server_tx: ServerTransaction, data: bytes) -> None:
        self.caller = caller
        self.server_tx = server_tx
        self.data = data
        self.interval = 0.5
        self.acked = False

    def on_timer(self, kind: int, now: float) -> None:
        if not self.acked:
            self.server_tx.respond(self.data, 200, now)
            self.interval = min(2 * self.interval, 4.0)
            self.caller.endpoint.timers.schedule(now + self.interval, self, kind)


class Caller:
    """One phone. `heard` lists requests taken, `finals` the final responses to its own.

    answer: status for an INVITE (0: it rings for ever); ring: send 180 first; contact: what it
    calls itself, by default its true address.
    """

    def __init__(
        self,
        node: SimNode,
        name: str,
        proxy: tuple[str, int],
        *,
        transport: str = "UDP",
        answer: int = 200,
        ring: bool = True,
        contact: str = "",
    ) -> None:
        self.node = node
        self.name = name.encode()
        self.proxy = proxy
        self.transport = transport
        self.answer = answer
        self.ring = ring
        host, port = node.address
        contact = contact or f"sip:{name}@{host}:{port}"
        if transport != "UDP":
            contact += f";transport={transport.lower()}"
        self.contact = contact.encode()
        self.heard: list[str] = []
        self.finals: list[tuple[str, int]] = []
        self.provisionals: list[int] = []
        self.dialogs: dict[DialogKey, Dialog] = {}
        self.unconfirmed: dict[DialogKey, Unconfirmed] = {}
        self.invites: dict[bytes, ClientTransaction] = {}
        node.endpoint.user = self

    @property
    def endpoint(self) -> Endpoint:
        return self.node.endpoint

    @property
    def now(self) -> float:
        return self.node.network.now

    def flow(self) -> Flow:
        flow = self.endpoint.transport.flow_to(self.transport, *self.proxy, self.now)
        assert flow is not None
        return flow

    # --- as a client

    def register(self) -> None:
        self.request("REGISTER", self.name, uri=b"sip:ims.test")

    def request(
        self, method: str, to: bytes, *, uri: bytes = b"", body: bytes = b"", cseq: int = 1
    ) -> ClientTransaction:
        """Send a request outside of any dialog by way of the proxy."""
        ids = self.endpoint.ids
        fields: Fields = [
            (b"From", b"<sip:%b@ims.test>;tag=%b" % (self.name, ids.tag())),
            (b"To", b"<sip:%b@ims.test>" % to),
            (b"Call-ID", ids.call_id()),
            (b"CSeq", b"%d %b" % (cseq, method.encode())),
        ]
        if method != "MESSAGE":
            fields.append((b"Contact", b"<%b>" % self.contact))
        return self.send(method, uri or b"sip:%b@ims.test" % to, fields, self.flow(), body)

    def send(
        self, method: str, uri: bytes, fields: Fields, flow: Flow, body: bytes = b""
    ) -> ClientTransaction:
        branch = self.endpoint.ids.branch()
        head = [*self.via(flow, branch), *fields]
        data = build_request(method, uri, head, body)
        tx = self.endpoint.create_client(data, method, branch, flow, self, self.now)
        if method == "INVITE":
            self.invites[dict(fields)[b"Call-ID"]] = tx
        return tx

    def via(self, flow: Flow, branch: bytes) -> Fields:
        name, _, value = flow.via_line(branch).partition(b": ")
        return [(name, value), (b"Max-Forwards", b"70")]

    def inside(
        self, dialog: Dialog, method: str, extra: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Send a request inside a dialog, to where its route set begins."""
        uri, fields = next_request(dialog, method)
        fields += [*extra]
        if method in ("INVITE", "UPDATE"):
            fields.append((b"Contact", b"<%b>" % self.contact))
        self.send(method, uri, fields, self.first_hop(uri, fields))

    def first_hop(self, uri: bytes, fields: Fields) -> Flow:
        routes = [value for name, value in fields if name == b"Route"]
        hop = next_hop(parse_address(routes[0]).uri if routes else parse_uri(uri))
        assert hop is not None
        flow = self.endpoint.transport.flow_to(hop.transport, hop.host, hop.port, self.now)
        assert flow is not None
        return flow

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            self.provisionals.append(status)
            return
        if tx.method == "INVITE" and status < 300:
            key = key_of_response(response)
            known = key in self.dialogs
            if not known:
                self.dialogs[key] = uac_dialog(response)
            self.acknowledge(self.dialogs[key], response.cseq)
            if known:
                return
        self.finals.append((tx.method, status))

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        self.finals.append((tx.method, -kind))

    def acknowledge(self, dialog: Dialog, cseq: int) -> None:
        uri, fields = next_request(dialog, "ACK", cseq)
        flow = self.first_hop(uri, fields)
        head = [*self.via(flow, self.endpoint.ids.branch()), *fields]
        self.endpoint.send(flow, build_request("ACK", uri, head), self.now)

    # --- as a server

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        method = request.method
        key = key_of_request(request)
        if method == "ACK":
            waiting = self.unconfirmed.get(key)
            if waiting is not None and not waiting.acked:
                waiting.acked = True
                self.heard.append("ACK")
            return
        self.heard.append(method)
        server_tx = self.endpoint.accept(request, flow, now)
        if request.to_tag:
            dialog = self.dialogs.get(key)
            status = 481 if dialog is None else accept_request(dialog, request) or 200
            self.respond(server_tx, status, now)
            if method == "INVITE" and status == 200:
                self.confirm(server_tx, key, now)
        elif method == "INVITE":
            self.take_call(server_tx, now)
        else:
            self.respond(server_tx, 200, now)

    def take_call(self, server_tx: ServerTransaction, now: float) -> None:
        request = server_tx.request
        dialog = uas_dialog(request, self.endpoint.to_tag(request))
        self.dialogs[dialog.key] = dialog
        if self.ring:
            self.respond(server_tx, 180, now)
        server_tx.user = dialog
        if self.answer:
            self.respond(server_tx, self.answer, now)
            if self.answer < 300:
                self.confirm(server_tx, dialog.key, now)

    def confirm(self, server_tx: ServerTransaction, key: DialogKey, now: float) -> None:
        waiting = Unconfirmed(self, server_tx, self.octets(server_tx, 200))
        self.unconfirmed[key] = waiting
        self.endpoint.timers.schedule(now + 0.5, waiting, _RESEND)

    def respond(self, server_tx: ServerTransaction, status: int, now: float) -> None:
        server_tx.respond(self.octets(server_tx, status), status, now)

    def octets(self, server_tx: ServerTransaction, status: int) -> bytes:
        request = server_tx.request
        lines = [b"Contact: <%b>" % self.contact] if request.method != "MESSAGE" else []
        tag = self.endpoint.to_tag(request)
        return build_response(request, status, extra=lines, to_tag=tag, record_route=True)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        self.heard.append("CANCEL")
        self.respond(server_tx, 487, now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        self.heard.append("expired")
