# SPDX-License-Identifier: Apache-2.0
"""A user agent with sockets of its own, on the project's SIP core."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from sip.aio import BindError, Driver, SystemIds
from sip.dialog import Dialog, next_request
from sip.digest import answer, choose, ha1, parse_challenge
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request, Response, build_request, build_response
from sip.ports import Transport
from sip.transaction.client import ClientTransaction
from sip.transaction.server import ServerTransaction

from ..tls import client_context
from .outcome import Failed, expect
from .tape import Tape
from .target import Account, Target

__all__ = ["Arrival", "Fields", "Phone"]

Fields = Sequence[tuple[bytes, bytes]]
Wanted = bytes | Callable[[Request], object]

_ASKED: Final = {401: ("www-authenticate", b"Authorization"),
                 407: ("proxy-authenticate", b"Proxy-Authorization")}  # fmt: skip
_ALLOW: Final = (b"Allow", b"INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY")


class Arrival:
    """A request that came, and how to answer it."""

    def __init__(self, phone: Phone, request: Request, flow: Flow) -> None:
        self.request = request
        self.flow = flow
        self._phone = phone
        self._transaction: ServerTransaction | None = None
        if request.method != "ACK":
            self._transaction = phone.endpoint.accept(request, flow, time.monotonic())

    def answer(
        self, status: int, lines: Sequence[bytes] = (), body: bytes = b"", kind: bytes = b""
    ) -> None:
        """Answer it."""
        if self._transaction is None:
            return
        contact = b"Contact: <" + self._phone.contact + b">"
        extra = [contact, *lines] if body else list(lines)
        tag = self._phone.endpoint.to_tag(self.request)
        data = build_response(
            self.request, status, None, extra, body, kind or None, tag, record_route=bool(body)
        )
        self._transaction.respond(data, status, time.monotonic())
        self._phone.driver.wake()


class _Asked:
    """Waits for what comes of one request (`sip.ports.ClientUser`)."""

    def __init__(self) -> None:
        self.final: asyncio.Future[Response | None]
        self.final = asyncio.get_running_loop().create_future()

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Take the final one."""
        if response.status >= 200 and not self.final.done():
            self.final.set_result(response)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Nobody answered."""
        if not self.final.done():
            self.final.set_result(None)


class Phone:
    """One device of one account.

    answers: status for requests that come, but for INVITE; 0 leaves the answer to the flow.
    arrived: what came and was not fetched yet. Args: patience: seconds to wait for anything.
    """

    def __init__(
        self, account: Account, target: Target, tape: Tape, name: str, patience: float
    ) -> None:
        self.account = account
        self.target = target
        self.name = name
        self.host = ""  # of this machine, as the server reaches it
        self.patience = patience
        self.answers = 200
        self.arrived: list[Arrival] = []
        self._came = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.driver = Driver(loop, self._endpoint, client_tls=_certificates())
        self.driver.tap = tape.tap(name)
        self.ids = SystemIds()
        self.flow: Flow
        self.contact = b""

    def _endpoint(self, transport: Transport) -> Endpoint:
        self.endpoint = Endpoint(transport, self, SystemIds())
        return self.endpoint

    async def open(self) -> None:
        """Open sockets and the way to the server. Raises: Failed without one."""
        target = self.target
        host = await _address_of(target.host, target.port)
        local = self.host = _near(host, target.port)
        port = self._listen(local)
        self.driver.start()
        found = self.driver.flow_to(
            target.transport, host, target.port, time.monotonic(), target.host
        )
        if found is None:
            raise Failed(f"{target.host}:{target.port} cannot be reached over {target.transport}")
        self.flow = found
        literal = f"[{local}]" if ":" in local else local
        suffix = "" if target.transport == "UDP" else f";transport={target.transport.lower()}"
        self.contact = f"sip:{self.account.name}@{literal}:{port}{suffix}".encode()

    def _listen(self, host: str) -> int:
        """Open a port for datagrams and connections alike; return its number."""
        while True:
            port = self.driver.add_tcp(host, 0).port
            try:
                return self.driver.add_udp(host, port).port
            except BindError:
                continue  # somebody has it for datagrams: another one

    async def close(self) -> None:
        """Close the sockets."""
        await self.driver.close(0.1)

    # -- requests ----------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        uri: str,
        fields: Fields = (),
        body: bytes = b"",
        *,
        to: str = "",
        call_id: bytes = b"",
        cseq: int = 1,
        patience: float = 0.0,
    ) -> Response:
        """Send a request and answer one challenge; returns the final answer."""
        head = self.head(method, to or uri, call_id, cseq)
        return await self.ask(method, uri.encode(), [*head, *fields], body, patience=patience)

    def begin(self, method: str, uri: str, body: bytes, kind: bytes) -> asyncio.Task[Response]:
        """Send a request whose final answer is waited for later."""
        fields = [(b"Contact", b"<" + self.contact + b">"), _ALLOW, (b"Content-Type", kind)]
        asked = self.request(method, uri, fields, body, patience=2 * self.patience)
        return asyncio.get_running_loop().create_task(asked)

    def head(self, method: str, to: str, call_id: bytes = b"", cseq: int = 1) -> Fields:
        """Return the fields that every request outside of dialogs has."""
        return [
            (b"From", b"<%b>;tag=%b" % (self.account.aor.encode(), self.ids.tag())),
            (b"To", b"<%b>" % to.encode()),
            (b"Call-ID", call_id or self.ids.call_id()),
            (b"CSeq", b"%d %b" % (cseq, method.encode())),
        ]

    async def within(
        self, dialog: Dialog, method: str, fields: Fields = (), body: bytes = b""
    ) -> Response:
        """Send a request inside a dialog; returns the final answer."""
        uri, head = next_request(dialog, method)
        found = await self.ask(method, uri, [*head, *fields], body)
        dialog.local_cseq = max(dialog.local_cseq, found.cseq)
        return found

    async def ask(
        self, method: str, uri: bytes, fields: Fields, body: bytes = b"", *, patience: float = 0.0
    ) -> Response:
        """Send a request with these fields; a challenge is answered once."""
        response = await self.once(method, uri, fields, body, patience=patience)
        proof = self.proof(response, method, uri)
        if proof is None:
            return response
        again = [_counted(field, method) if field[0] == b"CSeq" else field for field in fields]
        return await self.once(method, uri, [*again, proof], body, patience=patience)

    async def once(
        self, method: str, uri: bytes, fields: Fields, body: bytes = b"", *,
        branch: bytes = b"", patience: float = 0.0,
    ) -> Response:  # fmt: skip
        """Send a request as it is; returns the final answer. Raises: Failed without one."""
        branch = branch or self.ids.branch()
        data = self.printed(method, uri, fields, body, branch)
        return await self._answer(method, data, branch, patience or self.patience)

    async def _answer(self, method: str, data: bytes, branch: bytes, patience: float) -> Response:
        asked = _Asked()
        self.endpoint.create_client(data, method, branch, self.flow, asked, time.monotonic())
        self.driver.wake()
        try:
            async with asyncio.timeout(patience):
                response = await asked.final
        except TimeoutError:
            response = None
        if response is None:
            raise Failed(f"no final answer to {method} within {patience:g} s")
        return response

    async def octets(self, method: str, data: bytes, branch: bytes) -> Response:
        """Send a request that is written already; returns the final answer. Raises: Failed."""
        return await self._answer(method, data, branch, self.patience)

    def printed(self, method: str, uri: bytes, fields: Fields, body: bytes, branch: bytes) -> bytes:
        """Return the octets of a request."""
        name, _, via = self.flow.via_line(branch).partition(b": ")
        head = [(name, via)]
        if not any(each[0] == b"Max-Forwards" for each in fields):
            head.append((b"Max-Forwards", b"70"))
        return build_request(method, uri, [*head, *fields], body)

    def say(self, data: bytes) -> None:
        """Send octets as they are, in no transaction."""
        self.endpoint.send(self.flow, data, time.monotonic())
        self.driver.wake()

    def proof(self, response: Response, method: str, uri: bytes) -> tuple[bytes, bytes] | None:
        """Return the field that answers a challenge, None where there is none to answer."""
        names = _ASKED.get(response.status)
        if names is None:
            return None
        read = [parse_challenge(value) for value in response.get_all(names[0])]
        offered = [each for each in read if each is not None]
        chosen = choose(offered, {each.realm for each in offered})
        if chosen is None:
            return None
        who = self.account
        secret = ha1(who.name, chosen.realm, who.password, chosen.algorithm)
        cnonce = self.ids.token(16).encode()
        return names[1], answer(chosen, who.name, secret, method, uri, cnonce, 1)

    # -- what most flows do ------------------------------------------------------------------------

    async def register(
        self, expires: int = 600, fields: Fields = (), parameters: bytes = b"", cseq: int = 1
    ) -> Response:
        """Register this device; returns the final answer."""
        contact = b"<%b>%b;expires=%d" % (self.contact, parameters, expires)
        return await self.request(
            "REGISTER", f"sip:{self.account.domain}", [(b"Contact", contact), _ALLOW, *fields],
            to=self.account.aor, cseq=cseq,
        )  # fmt: skip

    async def message(
        self, to: str, body: bytes, kind: bytes = b"text/plain", fields: Fields = (),
        patience: float = 0.0,
    ) -> Response:  # fmt: skip
        """Send a MESSAGE; returns the final answer."""
        return await self.request(
            "MESSAGE", to, [*fields, (b"Content-Type", kind)], body, patience=patience
        )

    # -- what comes --------------------------------------------------------------------------------

    async def heard(self, method: str, wanted: Wanted = b"", patience: float = 0.0) -> Arrival:
        """Wait for a request. Raises: Failed when none comes.

        Args: wanted: what it has to be, or octets that its body has to have in it. Others wait.
        """
        found = await self.perhaps(method, wanted, patience or self.patience)
        if found is None:
            raise Failed(f"{self.account.aor} gets no {method}")
        return found

    async def perhaps(
        self, method: str, wanted: Wanted = b"", seconds: float = 0.0
    ) -> Arrival | None:
        """Wait a while for a request that may not come, a second at most unless told otherwise."""
        try:
            async with asyncio.timeout(seconds or min(1.0, self.patience / 4)):
                while True:
                    for arrival in self.arrived:
                        if arrival.request.method == method and _is(arrival.request, wanted):
                            self.arrived.remove(arrival)
                            return arrival
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return None

    async def silent(
        self, method: str, otherwise: str, seconds: float = 0.0, wanted: Wanted = b""
    ) -> None:
        """Expect that nothing of a method comes."""
        found = await self.perhaps(method, wanted, seconds)
        expect(found is None, otherwise)

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        """Take what comes."""
        arrival = Arrival(self, request, flow)
        self.arrived.append(arrival)
        if self.answers and request.method not in ("INVITE", "ACK"):
            arrival.answer(self.answers)
        self._came.set()

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        """End the INVITE."""
        self.endpoint.respond(server_tx, 487, now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        """Nobody waits for it."""


@cache
def _certificates() -> ssl.SSLContext:
    """Return what certificates are held against; to read it takes long."""
    return client_context()


def _is(request: Request, wanted: Wanted) -> bool:
    return wanted in request.body if isinstance(wanted, bytes) else bool(wanted(request))


def _counted(field: tuple[bytes, bytes], method: str) -> tuple[bytes, bytes]:
    number = int(field[1].split()[0])
    return b"CSeq", b"%d %b" % (number + 1, method.encode())


async def _address_of(host: str, port: int) -> str:
    """Return an address of a host. Raises: Failed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Failed(f"{host} has no address: {error.strerror or error}") from error
    return str(found[0][4][0])


def _near(host: str, port: int) -> str:
    """Return the address of this machine that leads to another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])
