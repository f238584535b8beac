# SPDX-License-Identifier: Apache-2.0
"""Requests that come the way a SIM card registered.

A terminal of IMS proves who it is when it registers; what follows is taken for its own because it
comes over the security association that the registration made (TS 33.203). Without IPsec the
connection stands for that: TCP, TLS and WebSocket are as hard to speak on for others as a digest
with qop=auth is to take over. A source address of UDP is not, so that it takes a word of the
operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from sip.flow import Flow
from sip.message import Request
from sip.registrar import Binding

__all__ = ["Associations", "Vouching"]

Vouching = Literal["never", "connection", "address"]
"""What stands for the card in requests that follow its registration."""


class Associations:
    """Says whether a request came the way that its sender registered.

    Args: bindings: the live bindings of a user.
    """

    def __init__(
        self, bindings: Callable[[str, float], Sequence[Binding]], vouching: Vouching
    ) -> None:
        self._bindings = bindings
        self.vouching = vouching

    def __call__(self, request: Request, flow: Flow, aor: str, now: float) -> bool:
        """Tell it for a request that no proxy has handed on."""
        if self.vouching == "never" or request.via_count != 1:
            return False
        if not flow.reliable and self.vouching != "address":
            return False
        return any(self._is_way(binding, flow) for binding in self._bindings(aor, now))

    @staticmethod
    def _is_way(binding: Binding, flow: Flow) -> bool:
        if binding.path:
            return False  # a proxy registered it, and others use that proxy too
        if flow.reliable:
            return binding.flow is flow
        return binding.received == (flow.transport, *flow.remote)
