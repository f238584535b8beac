# SPDX-License-Identifier: Apache-2.0
"""The credentials in a request: which of them answer a challenge of ours (RFC 3261 22.2, 22.3)."""

from __future__ import annotations

from collections.abc import Mapping

from sip.digest.algorithms import algorithm_name
from sip.digest.credentials import Credentials, parse_credentials
from sip.errors import BadMessage
from sip.message import Request

__all__ = ["AUTH_LINES", "CREDENTIAL_LINES", "Presented"]

AUTH_LINES = frozenset({"authorization", "proxy-authorization"})
"""Headers that carry credentials."""

CREDENTIAL_LINES = 2  # header lines looked at in one request


class Presented:
    """Finds credentials for our realms.

    realms: names of our domains with their octets.
    """

    __slots__ = ("_last", "_last_value", "_names", "_realms")

    def __init__(self, realms: Mapping[str, bytes]) -> None:
        self._realms = dict(realms)
        self._names = frozenset(self._realms.values())
        # The value read last: the same one is asked for twice, by find and by consumed.
        self._last_value = b""
        self._last: Credentials | None = None

    def find(self, request: Request, realm: str, status: int) -> Credentials | None:
        """The credentials for ``realm``; None without any.

        The header that answers our kind of challenge is looked at first, then the other one:
        clients reuse what the registrar asked for. Two for one realm are refused unless they are of
        one user and differ in algorithm (RFC 8760 2.4); then the first counts, whatever it is.
        Raises: BadMessage.
        """
        first, second = "authorization", "proxy-authorization"
        if status == 407:
            first, second = second, first
        wanted = self._realms[realm]
        left = CREDENTIAL_LINES
        for name in (first, second):
            if left <= 0 or not request.has(name):
                continue
            if request.repeats(name):
                values = request.get_all(name)[:left]
                left -= len(values)
                ours = self._choose(name, values, wanted)
            else:
                left -= 1
                ours = self._parse(request.get(name) or b"")
                if ours is not None and ours.realm != wanted:
                    ours = None
            if ours is not None:
                return ours
        return None

    def _choose(self, name: str, values: list[bytes], wanted: bytes) -> Credentials | None:
        ours: Credentials | None = None
        for value in values:
            credentials = self._parse(value)
            if credentials is None or credentials.realm != wanted:
                continue
            if ours is None:
                ours = credentials
            elif ours.username != credentials.username or algorithm_name(
                ours.algorithm
            ) == algorithm_name(credentials.algorithm):
                raise BadMessage(name, "two credentials for one realm")
        return ours

    def consumed(self, request: Request) -> tuple[int, ...]:
        """Places of the header lines with credentials for our realms; not to be passed on.

        Spec: RFC 3261 section 22.3 (credentials for other realms must be).
        """
        if not (request.has("authorization") or request.has("proxy-authorization")):
            return ()
        places: list[int] = []
        for header in AUTH_LINES:
            if not request.has(header):
                continue
            if not request.repeats(header):
                if self._is_ours(request.get(header) or b""):
                    places.append(request.names.index(header))
                continue
            values = iter(request.get_all(header))
            for place, name in enumerate(request.names):
                if name == header and self._is_ours(next(values)):
                    places.append(place)
        places.sort()
        return tuple(places)

    def _parse(self, value: bytes) -> Credentials | None:
        if value != self._last_value:
            self._last = parse_credentials(value)
            self._last_value = value
        return self._last

    def _is_ours(self, value: bytes) -> bool:
        try:
            credentials = self._parse(value)
        except BadMessage:
            return True  # nobody behind us could use it either
        return credentials is not None and credentials.realm in self._names
