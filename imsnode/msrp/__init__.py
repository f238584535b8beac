# SPDX-License-Identifier: Apache-2.0
"""Session mode of a node: MSRP listeners, and the calls whose sessions pass through them."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pager.identity import MessageIds
from session_msrp.anchor import Leg
from session_msrp.relay import Relay
from session_msrp.uri import MsrpUri, parse_uri
from sip.aio.listener import Bound, join, local_address
from sip.flow import Flow

from .. import settings as settings_of
from ..http.api.files import link_to
from ..identity import Account, Verifier
from .calls import Call, Calls
from .carrying import Carrying
from .connections import Connections
from .deferring import Deferring
from .filing import Filing
from .linking import Linking
from .relaying import DigestGuard, RelayNames
from .talks import Talks

if TYPE_CHECKING:
    from ..app import App

__all__ = ["NearDoor", "Sessions", "new_tid"]

_SWEEP_S = 5.0
#: By whether it is a WebSocket, and whether it is secure.
_TRANSPORTS = {
    (False, False): "TCP", (False, True): "TLS", (True, False): "WS", (True, True): "WSS",
}  # fmt: skip


class Sessions:
    """The anchor of a node with its sockets. Listeners are open when it is made.

    Raises: BindError, TlsConfigError.
    """

    def __init__(self, app: App) -> None:
        config = app.config
        self._app = app
        self.connections = Connections(
            app.loop,
            settings_of.msrp_limits(config),
            new_tid,
            lambda: app.edge.certificates.contexts.msrp,
            self._may_connect,
            self._lost,
            app.edge.resolver,
        )
        self.calls = Calls(
            self.connections,
            settings_of.call_settings(config),
            self._door,
            app.storage.ledger.note,
            MessageIds(app.ids.token(5)).next,
            app.edge.names.aor_of,
            app.clock.wall,
            app.retry_after,
        )
        self.talks = Talks(
            app.edge.proxy,
            self.connections,
            self._door,
            self.calls.number,
            app.clock.wall,
            app.retry_after,
            config.msrp.sessions,
            config.msrp.stall,
        )
        self.deferring = self._defer()
        for listener in config.msrp.listen:
            secure = listener.transport == "TLS"
            self.connections.listen(
                listener.transport,
                listener.host,
                listener.port,
                app.edge.certificates.relay_listener() if secure else None,
            )
        #: Where WebSocket connections come in, known once the HTTP listener is bound.
        self.doors: Sequence[Bound] = ()
        self.relay = self._relay() if config.msrp.relay else None
        self.connections.relay = self.relay
        app.admission.directory.on_change.append(self._changed)
        self._sweeper: asyncio.TimerHandle | None = None

    def _may_connect(self, host: str, port: int) -> bool:
        """Say whether an address may be a next hop; our own listeners are none (threats.md R2)."""
        own = self._app.edge.own_hosts
        ours = any(
            each.port == port and (each.host == host or (each.wildcard and host in own))
            for each in self.bound
        )
        return not ours and self._app.edge.proxy.may_send_to(host, port)

    def _defer(self) -> Deferring | None:
        app = self._app
        settings = settings_of.deferring_settings(app.config)
        if not settings.active:
            return None
        pager, endpoint = app.messaging.pager, app.edge.endpoint
        deferring = Deferring(
            self.talks,
            pager,
            app.storage.ledger,
            app.clock,
            app.ids,
            app.retry_after,
            app.edge.driver.wake,
            endpoint.timers,
            partial(app.admission.users.allow, "MESSAGE"),
            Filing(lambda: app.web.content, lambda token: link_to(app.web.base_url(), token)),
            settings,
        )
        single = app.config.limits.message_body_size
        linking = Linking(
            lambda *content: app.web.oversize.move(*content), app.clock.now, app.edge.driver.wake
        )
        pager.deliver_by(Carrying(self.talks, deferring, linking, endpoint.timers, single))
        app.location.heed(deferring.moved)
        return deferring

    def _relay(self) -> Relay:
        app, config = self._app, self._app.config
        names = RelayNames(config.domains, config.network.advertise or "", self.bound)
        verifier = Verifier(
            app.admission.directory,
            app.edge.key_for(b"msrp nonces"),
            secrets.randbits(64),
            config.auth.nonce_lifetime,
            lambda _account, _realm: config.msrp.relay_algorithms,
            app.admission.throttle,
            app.clock.now,
            app.clock.wall,
        )
        return Relay(
            settings_of.relay_limits(config),
            DigestGuard(verifier, names.realm),
            names.new_uri,
            new_tid,
            self.connections.reach,
        )

    def _changed(self, aor: str, account: Account | None) -> None:
        """End what a user has here who was removed or disabled."""
        if account is None or not account.enabled:
            self.talks.leave(aor)
            if self.relay is not None:
                self.relay.grants.revoke(aor)

    @property
    def bound(self) -> list[Bound]:
        """The open listeners."""
        return self.connections.bound

    def listeners(self) -> list[str]:
        """Return the words of the ready line."""
        return [
            f"{'msrps' if each.transport == 'TLS' else 'msrp'}:{join(each.host, each.port)}"
            for each in self.bound
        ]

    def start(self) -> None:
        """Accept connections."""
        self.connections.start()
        self._sweep()

    def _sweep(self) -> None:
        self.calls.sweep(self.connections.now())
        self.talks.sweep(self.connections.now())
        if self.relay is not None:
            self.relay.grants.expire(self.connections.now())
        self._sweeper = self._app.loop.call_later(_SWEEP_S, self._sweep)

    def stop(self) -> None:
        """Take nothing new, and end every session."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.connections.stop_accepting()
        self.calls.stop()
        self.talks.stop()

    async def close(self) -> None:
        """Close every connection."""
        await self.connections.close()

    def _lost(self, leg: Leg, reason: str) -> None:
        self.calls.lost(leg, reason)

    def _door(self, flow: Flow) -> NearDoor:
        """Return where whoever is at the far end of a flow reaches our listeners."""
        config = self._app.config
        plain = config.msrp.websocket_plain
        doors = [each for each in self.doors if plain or each.transport == "WSS"]
        advertise = config.network.advertise or ""
        secure = any(each.transport == "TLS" for each in self.bound)
        fingerprint = self._app.edge.certificates.contexts.fingerprint if secure else b""
        return NearDoor([*self.bound, *doors], flow, advertise, fingerprint)

    def rows(self) -> list[Mapping[str, object]]:
        """Say of every session between whom it is and what has passed."""
        now, wall = self.connections.now(), self._app.clock.wall()
        passing = [
            _row(call, now, wall, number)
            for call in self.calls.all
            for number in range(len(call.streams))
        ]
        return [*passing, *self.talks.rows(now)]


def _row(call: Call, now: float, wall: float, number: int) -> Mapping[str, object]:
    stream = sorted(call.streams, key=lambda each: each.caller.own)[number]
    caller, callee = stream.legs
    both = caller.link is not None and callee.link is not None
    return {
        "id": call.id,
        "call_id": call.call_id.decode("utf-8", "backslashreplace"),
        "caller": call.caller,
        "callee": call.callee,
        "state": "connected" if both else ("answered" if call.answered else "offered"),
        "age": max(0, round(wall - call.began)),
        "idle": max(0, round(now - stream.used)),
        "chunks": caller.chunks + callee.chunks,
        "octets": caller.octets + callee.octets,
    }


class NearDoor:
    """The listeners as one party sees them: over the address its SIP came to, where that is ours.

    advertise: the name of the node behind a NAT of its own, "" without one.
    """

    def __init__(
        self, bound: Sequence[Bound], flow: Flow, advertise: str, fingerprint: bytes
    ) -> None:
        self._bound = bound
        self._flow = flow
        self._advertise = advertise
        self.fingerprint = fingerprint

    @property
    def websocket(self) -> bool:
        """True for a client whose SIP comes over WebSocket: a browser, whose MSRP will too."""
        return self._flow.transport in ("WS", "WSS")

    @property
    def secure(self) -> bool:
        """True when SIP comes over TLS."""
        return self._flow.secure

    def uri(self, secure: bool, websocket: bool = False) -> MsrpUri | None:
        """Return a new URI of this node: 120 random bits, used once (rule M3)."""
        wanted = _TRANSPORTS[websocket, secure]
        usable = [each for each in self._bound if each.transport == wanted]
        local, remote = self._flow.local[0], self._flow.remote[0]
        near = next((each for each in usable if each.host == local), None) or next(
            (each for each in usable if (":" in each.host) == (":" in remote)), None
        )
        if near is None:
            return None
        host = self._advertise or (local if near.wildcard else local_address(near, remote)[0])
        name = f"[{host}]" if ":" in host else host
        session = base64.urlsafe_b64encode(secrets.token_bytes(15)).decode()
        scheme = "msrps" if secure else "msrp"
        transport = "ws" if websocket else "tcp"
        return parse_uri(f"{scheme}://{name}:{near.port}/{session};{transport}".encode())


def new_tid() -> bytes:
    """Return a transaction id or Message-ID: 64 random bits."""
    return secrets.token_hex(8).encode()
