# SPDX-License-Identifier: Apache-2.0
"""Charging identities of the node's own making (RFC 7315 4.6)."""

from __future__ import annotations

from collections.abc import Callable

from sip.errors import ParseError
from sip.headers.charging import ChargingVector, read_charging_vector
from sip.message import Request

__all__ = ["Charges"]

_NAME = frozenset(("p-charging-vector",))


class Charges:
    """Makes and keeps charging vectors.

    Args: ioi: this operator's identifier. host: generates identities, as others see it. token: of
        so many characters, never the same.
    """

    def __init__(self, ioi: bytes, host: bytes, token: Callable[[int], str]) -> None:
        self.ioi = ioi
        self._host = host
        self._token = token

    def new(self, related: bytes = b"") -> ChargingVector:
        """Return the vector of a request of our own. related: icid of one that it follows from."""
        icid = self._token(24).encode() + b"." + self._host
        rest = b";icid-generated-at=" + self._host
        if related:
            rest += b";related-icid=" + related
        return ChargingVector(icid, self.ioi, b"", rest)

    def of(self, request: Request) -> ChargingVector:
        """Return the one vector of a request from within the trust domain; made when missing.

        The request has it afterwards, once and in one spelling.
        """
        values = request.get_all("p-charging-vector")
        try:
            vector = read_charging_vector(values[0]) if values else self.new()
        except ParseError:
            vector = self.new()
        if len(values) != 1 or request.line("p-charging-vector") != vector.line():
            request.remove_headers(_NAME, (vector.line(),))
        return vector

    def answer(self, vector: ChargingVector) -> bytes:
        """Return the value for an answer of our own to a request."""
        return vector.answered_by(self.ioi).value()
