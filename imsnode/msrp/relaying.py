# SPDX-License-Identifier: Apache-2.0
"""What the relay (RFC 4976) needs of a node: who may use it, and what its URIs are called."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence

from session_msrp.authorizing import RelayLink, Verdict
from session_msrp.uri import MsrpUri, parse_uri
from sip.aio.listener import Bound, local_address
from sip.digest import Credentials, parse_credentials
from sip.errors import ParseError

from ..identity import Account, Finding, Verifier
from .connection import Connection
from .websocket import WebSocketLink

__all__ = ["DigestGuard", "RelayNames"]

_STATUS = {Finding.UNUSABLE: 400, Finding.THROTTLED: 403, Finding.DISABLED: 403}


class RelayNames:
    """Names of the relay.

    domains: whose users it serves. advertise: "" without a name. bound: MSRP's own listeners.
    """

    def __init__(self, domains: Sequence[str], advertise: str, bound: Sequence[Bound] = ()) -> None:
        self._domains = tuple(domains)
        self._advertise = advertise
        self._bound = bound

    def domain(self, host: str) -> str:
        """Return the served domain a host is in, "" when it is in none."""
        inside = [each for each in self._domains if host == each or host.endswith("." + each)]
        return max(inside, key=len, default="")

    def realm(self, uri: MsrpUri) -> str:
        """Return whose users may know the relay by a URI."""
        return self.domain(uri.host) or self._domains[0]

    def new_uri(self, link: RelayLink, asked: MsrpUri) -> MsrpUri:
        """Return a URI of 120 random bits: by the name the client knows, else by the address."""
        assert isinstance(link, Connection)
        host, port = self._reached(link) if isinstance(link, WebSocketLink) else link.local
        if self.domain(asked.host):
            host = asked.host
        elif self._advertise:
            host = self._advertise
        name = f"[{host}]" if ":" in host else host
        session = base64.urlsafe_b64encode(secrets.token_bytes(15)).decode()
        scheme = "msrps" if link.secure else "msrp"
        return parse_uri(f"{scheme}://{name}:{port}/{session};tcp".encode())

    def _reached(self, link: WebSocketLink) -> tuple[str, int]:
        """Return where others reach the relay of a WebSocket client: by TCP (RFC 7977 8.1)."""
        wanted = "TLS" if link.secure else "TCP"
        usable = [each for each in self._bound if each.transport == wanted]
        near = next((each for each in usable if each.host == link.local[0]), None)
        if near is None and usable:
            near = usable[0]
        return link.local if near is None else local_address(near, link.remote[0])


class DigestGuard:
    """Digest authentication of AUTH with the accounts of the node (RFC 4976 9.1).

    realm: of a URI.
    """

    def __init__(self, verifier: Verifier, realm: Callable[[MsrpUri], str]) -> None:
        self._verifier = verifier
        self._realm = realm

    def check(self, authorization: bytes, uri: MsrpUri, source: str) -> Verdict:
        """Judge the credentials of an AUTH request for a URI."""
        realm = self._realm(uri)
        try:
            credentials = parse_credentials(authorization) if authorization else None
        except ParseError:
            return Verdict(400)
        if credentials is None or credentials.blank or credentials.realm != realm.encode():
            return Verdict(401, "", self._verifier.challenges(realm))
        # 9.1: whatever the client wrote as uri, this is what it had to hash.
        credentials.uri = uri.raw
        found = self._verifier.judge(credentials, realm, b"AUTH", source)
        if found.account is not None:
            return Verdict(200, found.account.aor, (self._info(found.account, realm, credentials),))
        status = _STATUS.get(found.finding)
        if status is not None:
            return Verdict(status)
        stale = found.finding is Finding.STALE
        return Verdict(401, "", self._verifier.challenges(realm, stale=stale), not stale)

    def _info(self, account: Account, realm: str, credentials: Credentials) -> bytes:
        """Return what shows that we know the secret too, and a nonce for the next AUTH."""
        return (
            b'Authentication-Info: nextnonce="%b", qop=auth, rspauth="%b", cnonce="%b", nc=%b'
            % (
                self._verifier.nonce(realm),
                self._verifier.proof(account, credentials),
                credentials.cnonce,
                credentials.nc,
            )
        )
