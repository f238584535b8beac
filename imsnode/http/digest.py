# SPDX-License-Identifier: Apache-2.0
"""HTTP digest authentication with the accounts of the node (RFC 7616)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from starlette.requests import Request

from sip.digest import Credentials, parse_credentials
from sip.errors import ParseError

from ..identity import Account, Finding, Verifier

__all__ = ["Digest", "DigestRefused"]


class DigestRefused(Exception):
    """The request is not let in. status: 400, 401, 403 or 429; headers: of the answer."""

    def __init__(self, status: int, detail: str, headers: list[tuple[str, str]]) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Digest:
    """Tells whose request it is."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def check(self, request: Request, realm: str, claimed: str) -> Account:
        """Return the account whose credentials a request carries.

        Args: claimed: AoR of the user who may have algorithms of its own.
        Raises: DigestRefused.
        """
        try:
            credentials = _credentials(request, realm)
        except ParseError as error:
            raise DigestRefused(400, f"Authorization: {error}", []) from None
        if credentials is None or credentials.blank:
            raise self._challenge(realm, claimed, False)
        if not _is_target(request, credentials.uri):
            raise DigestRefused(400, "Authorization: uri is not the target of the request", [])
        source = request.client.host if request.client else ""
        found = self.verifier.judge(credentials, realm, request.method.encode(), source)
        if found.account is not None:
            return found.account
        if found.finding is Finding.THROTTLED:
            after = ("Retry-After", str(ceil(found.wait_s)))
            raise DigestRefused(429, "too many failures came from here", [after])
        if found.finding is Finding.UNUSABLE:
            raise DigestRefused(400, "Authorization: qop, nc or cnonce not as offered", [])
        if found.finding is Finding.DISABLED:
            raise DigestRefused(403, "the account is switched off", [])
        raise self._challenge(realm, claimed, found.finding is Finding.STALE)

    def check_any(self, request: Request, realms: Sequence[str]) -> Account:
        """Return the account, of one of some realms, whose credentials a request carries.

        Raises: DigestRefused.
        """
        for realm in realms:
            try:
                if _credentials(request, realm) is not None:
                    return self.check(request, realm, "")
            except ParseError as error:
                raise DigestRefused(400, f"Authorization: {error}", []) from None
        refused = [self._challenge(realm, "", False) for realm in realms]
        raise DigestRefused(
            401, refused[0].detail, [header for one in refused for header in one.headers]
        )

    def _challenge(self, realm: str, claimed: str, stale: bool) -> DigestRefused:
        account = self.verifier.directory.get(claimed)
        lines = self.verifier.challenges(realm, account, stale=stale)
        headers = [("WWW-Authenticate", line.partition(b": ")[2].decode()) for line in lines]
        return DigestRefused(401, "send the digest credentials of the user", headers)


def _credentials(request: Request, realm: str) -> Credentials | None:
    for value in request.headers.getlist("authorization"):
        credentials = parse_credentials(value.encode("latin-1"))
        if credentials is not None and credentials.realm == realm.encode():
            return credentials
    return None


def _is_target(request: Request, uri: bytes) -> bool:
    """Say whether a digest uri is what was asked for, as a path or as an absolute URI."""
    target: bytes = request.scope["raw_path"]
    if request.scope["query_string"]:
        target += b"?" + request.scope["query_string"]
    if not uri.startswith(b"/"):
        _, separator, rest = uri.partition(b"://")
        uri = b"/" + rest.partition(b"/")[2] if separator else b""
    return uri == target
