# SPDX-License-Identifier: Apache-2.0
"""What the node offers over HTTP: the one listener for users and programs, the control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sip.aio import Bound

from . import __version__
from . import settings as settings_of
from .content import ContentStore
from .control.path import short_path
from .control.plane import Plane
from .control.server import make_control_app
from .desk import Desk
from .history_desk import HistoryDesk, registered
from .http.api import (
    Bearer,
    FileAccess,
    Operation,
    file_operations,
    link_to,
    make_api,
    rcs_file_operations,
    report_operations,
    room_operations,
    share_operations,
)
from .http.app import Readiness, make_app
from .http.server import HttpServer
from .http.websockets import Address, Service, WebSockets
from .http.xcap import PATH as XCAP_PATH
from .http.xcap import Xcap
from .identity.tokens import TokenTable
from .metrics import Metrics, driver_metrics, websocket_metrics
from .oversize import Oversize, OversizeSettings
from .rooms.desk import RoomsDesk
from .trace import TraceHub

if TYPE_CHECKING:
    from .app import App

__all__ = ["Web"]


class Web:
    """The HTTP side of a node. bind, start and stop are called in this order."""

    def __init__(self, app: App, readiness: Readiness) -> None:
        config = app.config
        self.tokens = TokenTable(app.storage.tokens.load_all())
        self.bearer = Bearer(
            self.tokens, settings_of.token_limits(config), app.clock.now, app.clock.wall
        )
        self.history_desk = HistoryDesk(app, self.bearer)
        self.content = ContentStore(
            config.content_directory, settings_of.content(config), app.clock.wall
        )
        self.oversize = Oversize(
            app.edge.endpoint,
            app.location,
            self.content,
            lambda target: registered(target)[0],
            lambda token: link_to(self.base_url(), token),
            app.node.send_on,
            app.clock,
            app.edge.driver.wake,
            settings_of.oversize_settings(config),
            config.domains,
        )
        self.trace = TraceHub(app.edge.tap, app.clock.wall)
        self.plane = Plane(app)
        self.metrics = Metrics()
        driver_metrics(self.metrics, app.edge.driver)
        self.xcap = Xcap(
            app.documents,
            self.history_desk.access.digest,
            settings_of.xcap_rate(config),
            self.history_desk.realm,
            app.admission.is_user,
            app.clock.now,
        )
        self.metrics.labelled(
            "xcap_answers", "Answers to XCAP requests.", "status", lambda: self.xcap.answers
        )
        self.desk = Desk(app)
        self.room_desk = RoomsDesk(app)
        operations = [*self.desk.operations(self.bearer), *self.history_desk.operations()]
        operations += room_operations(self.room_desk, self.bearer, app.clock.wall)
        operations += report_operations(app.messaging.reporting.add, self.history_desk.access)
        if config.content.domains:
            operations += self._file_operations(app)
        self.websockets = _websockets(app)
        websocket_metrics(self.metrics, self.websockets)
        routes = (make_api(operations, __version__), self.xcap.route, *self.websockets.routes)
        served = make_app(readiness, self.metrics, routes)
        limits = settings_of.http_limits(config)
        self.http: HttpServer = HttpServer(
            served,
            host=config.http.listen.host,
            port=config.http.listen.port,
            limits=limits,
            websockets=self.websockets,
        )
        self.https: HttpServer | None = None
        if config.http.tls_listen is not None:
            self.https = HttpServer(
                served,
                host=config.http.tls_listen.host,
                port=config.http.tls_listen.port,
                setting="http.tls_listen",
                limits=limits,
                tls=app.edge.certificates.open_listener(),
                websockets=self.websockets,
            )
        self.metrics.labelled(
            "http_connections_closed",
            "HTTP connections not accepted, and those whose client did not say what it wants.",
            "reason",
            self._closed,
        )
        self.control: HttpServer = HttpServer(
            make_control_app(self.plane, self.trace),
            unix_path=Path(short_path(config.control_socket)),
            setting="control.socket",
        )
        self._app = app
        self.watch_size(self.oversize.settings)

    def _file_operations(self, app: App) -> list[Operation]:
        store, realms = self.content, lambda: app.config.content.domains
        access = FileAccess(
            store,
            self.history_desk.access,
            lambda: app.config.domains,
            app.messaging.mailing.groups.is_member,
        )
        return [
            *file_operations(store, access, self.base_url),
            *share_operations(store, access, self.base_url),
            *rcs_file_operations(store, access, realms, self.base_url),
        ]

    @property
    def _servers(self) -> list[HttpServer]:
        return [each for each in (self.http, self.https, self.control) if each is not None]

    def _closed(self) -> Mapping[str, int]:
        tables = [each.connections for each in (self.http, self.https) if each is not None]
        return {
            "refused": sum(each.refused for each in tables),
            "slow": sum(each.slow for each in tables),
        }

    def bind(self) -> None:
        """Take the addresses. The control socket also says that no other node works on this store.

        Raises: BindError.
        """
        for server in self._servers:
            server.bind()

    def listeners(self) -> list[str]:
        """Return the words of the ready line."""
        secure = [] if self.https is None else [f"https:{self.https.address}"]
        return [f"http:{self.http.address}", *secure]

    def doors(self) -> list[Bound]:
        """Return where WebSocket connections come in, as listeners of SIP and MSRP."""
        found = [self.http.bound("WS")]
        return found if self.https is None else [*found, self.https.bound("WSS")]

    async def start(self) -> None:
        """Accept requests."""
        self.content.start(self._app.loop)
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """End what is under way and close."""
        self.content.stop()
        self.trace.close()
        self.websockets.close()
        await asyncio.gather(
            *(server.stop(0.5) for server in self._servers), return_exceptions=True
        )

    def xcap_root(self) -> str:
        """Return the URI below which documents are."""
        return self._app.config.xcap.root or f"http://{self.http.address}{XCAP_PATH}"

    def watch_size(self, settings: OversizeSettings) -> None:
        """Have large messages and those with links dealt with, as far as some domain wants it."""
        self.oversize.settings = settings
        shares = bool(self._app.config.content.domains)
        taking = self.oversize if settings.active or shares else None
        self._app.node.oversize = taking
        self._app.messaging.mailing.watch_size(taking)

    def base_url(self) -> str:
        """Return what links to files begin with."""
        return self._app.config.content.base_url or f"http://{self.http.address}"


def _websockets(app: App) -> WebSockets:
    """Open the ways that the configuration asks for."""
    config, driver = app.config, app.edge.driver

    def begin_msrp(secure: bool, _: Address, remote: Address) -> asyncio.Protocol | None:
        # There are sessions from the first room on, which may come while the node runs.
        sessions = app.sessions
        return None if sessions is None else sessions.connections.adopt(remote, secure)

    msrp_bytes = settings_of.msrp_limits(config).message_bytes
    services = {"/msrp": Service("msrp", msrp_bytes, begin_msrp, config.msrp.websocket_plain)}
    if config.websocket.sip:
        services["/sip"] = Service(
            "sip",
            config.limits.message_size,
            lambda secure, local, remote: driver.adopt("WSS" if secure else "WS", local, remote),
        )
    return WebSockets(
        app.loop,
        services,
        settings_of.origins(config),
        config.websocket.ping,
        config.limits.partial_message,
    )
