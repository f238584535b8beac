# SPDX-License-Identifier: Apache-2.0
"""P-Charging-Vector: the identity under which everybody's charging records meet.

Spec: RFC 7315 4.6 and 5.6; RFC 7316 for the operators' identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ..errors import ParseError
from ..grammar import Params, is_token, parse_params, unquote

__all__ = ["ChargingVector", "read_charging_vector"]

_WHERE: Final = "P-Charging-Vector"


@dataclass(frozen=True, slots=True)
class ChargingVector:
    """What belongs together in the records of all who took part.

    icid: identity of the dialog or transaction. orig_ioi, term_ioi: the operators at both ends, b""
    unknown. rest: further parameters as they came, each with its semicolon.
    """

    icid: bytes
    orig_ioi: bytes = b""
    term_ioi: bytes = b""
    rest: bytes = b""

    def value(self) -> bytes:
        """Return the header value."""
        value = b"icid-value=" + _printed(self.icid)
        if self.orig_ioi:
            value += b";orig-ioi=" + _printed(self.orig_ioi)
        if self.term_ioi:
            value += b";term-ioi=" + _printed(self.term_ioi)
        return value + self.rest

    def answered_by(self, ioi: bytes) -> ChargingVector:
        """Return the vector of an answer in which this operator is the terminating one."""
        return replace(self, term_ioi=ioi)

    def line(self) -> bytes:
        """Return the header line."""
        return b"P-Charging-Vector: " + self.value()


def read_charging_vector(value: bytes) -> ChargingVector:
    """Read a header value. Raises: ParseError, also without an icid-value (RFC 7315 5.6)."""
    known: dict[bytes, bytes] = {b"icid-value": b"", b"orig-ioi": b"", b"term-ioi": b""}
    rest = b""
    params: Params = parse_params(b";" + value, _WHERE)
    for name, content in params:
        if name in known and content is not None:
            known[name] = known[name] or unquote(content)
        else:
            rest += b";" + name + (b"" if content is None else b"=" + content)
    if not known[b"icid-value"]:
        raise ParseError(_WHERE, "P-Charging-Vector has no icid-value")
    return ChargingVector(known[b"icid-value"], known[b"orig-ioi"], known[b"term-ioi"], rest)


def _printed(value: bytes) -> bytes:
    if is_token(value):
        return value
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
