# SPDX-License-Identifier: Apache-2.0
"""Services of the node itself that have an address: the echo service, lists, groups.

To everybody they are users like others; the gate hands them what comes for their addresses of
record, after the sender has been authenticated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sip.flow import Flow
from sip.message import Request


class Service(Protocol):
    """Serves requests for its addresses."""

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request, now or later.

        Args:
            sender: canonical AoR of the authenticated sender. aor: which address was asked.
        """
        ...


class Services:
    """Who serves which address of record.

    by_aor: read by the gate for every request for a local user.
    """

    def __init__(self) -> None:
        self.by_aor: dict[str, Service] = {}

    def offer(self, service: Service, aors: Iterable[str]) -> None:
        """Let a service have exactly these addresses from now on.

        An address that another service has already stays with it.
        """
        for aor in [aor for aor, whose in self.by_aor.items() if whose is service]:
            del self.by_aor[aor]
        for aor in aors:
            self.by_aor.setdefault(aor, service)

    def add(self, service: Service, aor: str) -> None:
        """Let a service have one more address, unless another has it already."""
        self.by_aor.setdefault(aor, service)

    def remove(self, service: Service, aor: str) -> None:
        """Take an address from a service."""
        if self.by_aor.get(aor) is service:
            del self.by_aor[aor]
