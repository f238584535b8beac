# SPDX-License-Identifier: Apache-2.0
"""Charging identities of the node's own making (RFC 7315 4.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from hmac import compare_digest

from sip.errors import ParseError
from sip.headers.charging import ChargingVector, read_charging_vector
from sip.message import Request

__all__ = ["Charges"]

_NAME = frozenset(("p-charging-vector",))


class Charges:
    """Makes and keeps charging vectors.

    Args: ioi: this operator's identifier. host: generates identities, as others see it. token: of
        so many characters, never the same. key: proves identities of what we send.
    """

    def __init__(self, ioi: bytes, host: bytes, token: Callable[[int], str], key: bytes) -> None:
        self.ioi = ioi
        self._host = host
        self._token = token
        self._key = key

    def new(self) -> ChargingVector:
        """Return a vector for a request that has none."""
        return self._vector(self._token(24).encode())

    def sent(self, related: bytes = b"") -> ChargingVector:
        """Return the vector of a request of our own. related: icid of one that it follows from."""
        token = self._token(16).encode()
        vector = self._vector(token + self._proof(token))
        return (
            replace(vector, rest=vector.rest + b";related-icid=" + related) if related else vector
        )

    def is_sent(self, vector: ChargingVector) -> bool:
        """Tell the vector of a request that we sent, and that comes back to us."""
        mark, _, host = vector.icid.partition(b".")
        return host == self._host and compare_digest(mark[16:], self._proof(mark[:16]))

    def _vector(self, token: bytes) -> ChargingVector:
        icid = token + b"." + self._host
        return ChargingVector(icid, self.ioi, b"", b";icid-generated-at=" + self._host)

    def _proof(self, token: bytes) -> bytes:
        return blake2b(token, key=self._key, digest_size=8).hexdigest().encode()

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
