# SPDX-License-Identifier: Apache-2.0
"""Whom a request on the ISC interface is about, and in which session case.

Spec: RFC 5502 section 6 and RFC 8498 (P-Served-User); TS 24.229 5.7.1.3A for what stands in its
place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sip.headers.address import Address, parse_address
from sip.message import Request
from sip.uri import Uri

__all__ = ["ServedUser", "SessionCase", "read_served_user", "served_by"]

_WHERE: Final = "P-Served-User"


class SessionCase(StrEnum):
    """On which side of a request the served user is."""

    ORIGINATING = "orig"
    TERMINATING = "term"
    AFTER_DIVERSION = "orig-cdiv"  # originating, after the request was diverted (RFC 8498)

    @property
    def originating(self) -> bool:
        """True where the served user sends the request."""
        return self is not SessionCase.TERMINATING


@dataclass(frozen=True, slots=True)
class ServedUser:
    """The user whose services are asked for. registered: whether they are, None: nobody said."""

    uri: Uri
    case: SessionCase
    registered: bool | None = None

    def line(self) -> bytes:
        """Return the header line that tells it."""
        value = b"P-Served-User: <%b>;" % self.uri.raw
        if self.case is SessionCase.AFTER_DIVERSION:
            return value + b"orig-cdiv"  # it says all that the two others would
        value += b"sescase=" + self.case.encode()
        if self.registered is None:
            return value
        return value + (b";regstate=reg" if self.registered else b";regstate=unreg")


def read_served_user(value: bytes) -> ServedUser | None:
    """Read P-Served-User; None when it says nothing of the session case. Raises: ParseError."""
    address = parse_address(value, _WHERE)
    case = _case(address.param(b"sescase"), address.param(b"orig-cdiv"))
    if case is None:
        return None
    return ServedUser(address.uri, case, _state(address.param(b"regstate")))


def served_by(request: Request, ours: Iterable[Address], asserted: Uri) -> ServedUser:
    """Say whose services a request of an S-CSCF asks for.

    P-Served-User says it, or a parameter of the Route value that led here (``orig``, ``sescase``,
    ``regstate``, for an S-CSCF that knows only the address of the application server); a request
    without either is for the user it is addressed to.

    Args: ours: Route values of this node in the request. asserted: who sends it.
    Raises: ParseError for a P-Served-User that cannot be read.
    """
    value = request.get("p-served-user")
    named: Uri | None = None
    if value is not None:
        found = read_served_user(value)
        if found is not None:
            return found
        named = parse_address(value, _WHERE).uri
    case, registered = SessionCase.TERMINATING, None
    for address in ours:
        uri = address.uri
        said = _case(uri.param("sescase"), uri.param("orig-cdiv"))
        if said is None and "orig" in uri.params:
            said = SessionCase.ORIGINATING
        if said is not None:
            case, registered = said, _state(uri.param("regstate"))
    user = named or (asserted if case.originating else request.ruri())
    return ServedUser(user, case, registered)


def _case(sescase: bytes | None, diverted: bytes | None) -> SessionCase | None:
    if diverted is not None:
        return SessionCase.AFTER_DIVERSION
    sides = {b"orig": SessionCase.ORIGINATING, b"term": SessionCase.TERMINATING}
    return sides.get((sescase or b"").lower())


def _state(regstate: bytes | None) -> bool | None:
    return {b"reg": True, b"unreg": False}.get((regstate or b"").lower())
