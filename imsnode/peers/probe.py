# SPDX-License-Identifier: Apache-2.0
"""Asks one server whether it is there, from sockets of its own: what `imsnode peer test` does."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field

from imsnode.certificates import Contexts
from imsnode.config import Config
from imsnode.config.peers import Peer
from imsnode.config.types import Listener
from imsnode.settings import tls_settings
from imsnode.tls import TlsConfigError
from sip.aio import Driver
from sip.aio.clock import SystemClock
from sip.aio.ids import SystemIds
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Response, build_request
from sip.transaction.client import TIMEOUT, ClientTransaction

from .health import options

__all__ = ["Verdict", "probe"]

_SEEN = 8  # resends that are drawn

_ADVICE = {
    401: "it is there and wants a password: it does not take this address for a peer",
    403: "it is there and refuses this address: have it added on the other side",
    404: "it is there and does not know what was asked for: it may still take your domains",
    405: "it is there and does not answer OPTIONS: switch ping off for it",
    407: "it is there and wants a password: it does not take this address for a peer",
    483: "it is there, but something on the way sends in circles",
    503: "it is there and takes no requests now",
}


@dataclass(slots=True)
class Verdict:
    """What was heard. events: messages on the wire, as `imsnode trace` gives them."""

    good: bool = False
    words: str = ""
    events: list[dict[str, object]] = field(default_factory=list)


async def probe(config: Config, peer: Peer, target: Listener, wait_s: float) -> Verdict:
    """Send OPTIONS to one target of a peer and wait for the answer."""
    verdict = Verdict()
    try:
        address = await _address(target.host)
    except OSError as error:
        verdict.words = f"{target.host} has no address ({error.strerror}): check the name"
        return verdict
    asking = _Asking(config, verdict)
    try:
        await asking.ask(address, target, peer.tls_name or target.host, wait_s)
    except (OSError, TlsConfigError) as error:
        verdict.words = f"nothing can be sent there: {error}"
    finally:
        await asking.close()
    return verdict


async def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(found[0][4][0])


class _Asking:
    """One question, and the sockets for it."""

    def __init__(self, config: Config, verdict: Verdict) -> None:
        self._config = config
        self._verdict = verdict
        self._clock = SystemClock()
        self._ids = SystemIds()
        self._driver = Driver(
            asyncio.get_running_loop(),
            lambda transport: Endpoint(transport, None, self._ids),
            client_tls=Contexts(tls_settings(config)).sip,
        )
        self._driver.tap = self._saw
        self._answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reason = ""

    async def ask(self, address: str, target: Listener, name: str, wait_s: float) -> None:
        """Send the question and put the answer, or what is wrong, into words."""
        self._listen(target.transport, ":" in address)
        endpoint = self._driver.endpoint
        assert isinstance(endpoint, Endpoint)
        endpoint.on_flow_failed.append(self._failed)
        self._driver.start()
        began = self._clock.now()
        flow = self._driver.flow_to(target.transport, address, target.port, began, name)
        if flow is None:
            self._verdict.words = f"{address} is no address that requests can be sent to"
            return
        host = f"[{address}]" if ":" in address else address
        draft = options(self._ids, f"sip:{host}:{target.port}".encode(), self._config.domains[0])
        branch = self._ids.branch()
        via = flow.via_line(branch).partition(b": ")[2]
        headers = [(b"Via", via), (b"Max-Forwards", b"70"), *draft.headers]
        uri = b"sip:%b:%d" % (host.encode(), target.port)
        data = build_request("OPTIONS", uri, headers)
        endpoint.create_client(data, "OPTIONS", branch, flow, self, began)
        self._driver.wake()
        try:
            async with asyncio.timeout(wait_s):
                words = await self._answered
        except TimeoutError:
            words = _silence(target.transport, wait_s)
        took = (self._clock.now() - began) * 1000
        self._verdict.words = f"{words} ({took:.1f} ms)" if self._verdict.good else words

    def _listen(self, transport: str, ipv6: bool) -> None:
        anywhere = "::" if ipv6 else "0.0.0.0"  # noqa: S104  # for as long as one question
        if transport == "UDP":
            self._driver.add_udp(anywhere, 0)
        elif transport == "TCP":
            self._driver.add_tcp(anywhere, 0)
        else:
            self._driver.add_tls(anywhere, 0, Contexts(tls_settings(self._config)).general)

    async def close(self) -> None:
        """Close the sockets."""
        await self._driver.close(0.0)

    def _saw(self, direction: str, flow: Flow, data: bytes, now: float) -> None:
        events = self._verdict.events
        if len(events) < _SEEN:
            host, port = flow.remote
            events.append(
                {
                    "at": self._clock.wall(),
                    "dir": direction,
                    "transport": flow.transport,
                    "remote": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                    "size": len(data),
                    "start": data.partition(b"\r\n")[0].decode("utf-8", "replace"),
                }
            )

    def _failed(self, flow: Flow, reason: str, now: float) -> None:
        self._reason = reason

    # -- sip.ports.ClientUser

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer."""
        if response.status < 200 or self._answered.done():
            return
        self._verdict.good = response.status not in (401, 403, 407, 483, 503)
        self._answered.set_result(
            _ADVICE.get(response.status, f"it is there and answers {response.status}")
        )

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        """Take note that there will be none."""
        if not self._answered.done():
            silent = kind == TIMEOUT
            self._answered.set_result(
                "it does not answer" if silent else f"no connection: {self._reason or 'refused'}"
            )


def _silence(transport: str, wait_s: float) -> str:
    if transport == "UDP":
        return (
            f"nothing came back within {wait_s:g} s: nobody listens there, a firewall drops it, "
            "or the other side does not know this address"
        )
    return f"no connection or no answer within {wait_s:g} s: a firewall may drop it"
