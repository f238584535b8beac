# SPDX-License-Identifier: Apache-2.0
"""Where history meets the rest of the node: the HTTP API, and what devices registered."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sip.proxy import Target
from sip.registrar import Binding

from . import settings as settings_of
from .http.api import Bearer, HistoryAccess, Operation, Own, history_operations
from .http.digest import Digest
from .identity import Account, Verifier
from .storage import Page, Query, read_page

if TYPE_CHECKING:
    from .app import App

__all__ = ["HistoryDesk", "registered"]


class HistoryDesk:
    """Serves histories over HTTP. access: who is let in."""

    def __init__(self, app: App, bearer: Bearer) -> None:
        self._app = app
        verifier = Verifier(
            app.admission.directory,
            app.edge.key_for(b"http nonces"),
            secrets.randbits(64),
            app.config.auth.nonce_lifetime,
            self._algorithms,
            app.admission.throttle,
            app.clock.now,
            app.clock.wall,
        )
        rate = settings_of.token_limits(app.config).rate
        self.access = HistoryAccess(Digest(verifier), bearer, rate, self.realm, app.clock.now)

    def operations(self) -> list[Operation]:
        """Return what the API offers."""
        return history_operations(self._read, self._own, self.access, self._app.clock.wall)

    async def _read(self, query: Query) -> Page:
        app = self._app
        return await app.loop.run_in_executor(None, read_page, app.storage.database, query)

    def _own(self, aor: str, wall: float) -> Own:
        keeping = self._app.messaging.keeping
        return Own(keeping.floor(aor), wall - keeping.of(aor).seconds)

    def _algorithms(self, account: Account | None, realm: str) -> tuple[str, ...]:
        return (account is not None and account.algorithms) or self._app.config.algorithms(realm)

    def realm(self, domain: str) -> str:
        """Return the realm of a domain's users; of another domain that of the first one."""
        return self._app.edge.names.domain_of(domain) or self._app.edge.names.first


def registered(target: Target) -> tuple[bytes, tuple[str, int]]:
    """Return what a device said in its Contact, and the address it registered from."""
    binding = target.binding
    if not isinstance(binding, Binding):
        return b"", ("", 0)
    return binding.params, (binding.received[1], binding.received[2])
