# SPDX-License-Identifier: Apache-2.0
"""Tokens of the HTTP API: what a program shows instead of a user's password, and what it allows.

A token is shown once, when it is made. It holds 256 random bits, so a plain SHA-256 of it can be
kept: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

__all__ = ["SCOPES", "ApiToken", "TokenTable", "allows", "make_token"]

#: What a token may be good for.
SCOPES = {
    "messages:send": "submit messages in the name of the senders it allows",
    "messages:read": "read what became of messages these senders sent or got",
    "services:read": "fetch and acknowledge messages for service accounts",
    "broadcasts": "begin broadcasts in the name of these senders, watch and end them",
    "history:read": "read the archive of these senders",
    "rooms:read": "read the rooms it may act for: members, history, what happened",
    "rooms:write": "make, change and remove these rooms, and call people into them or out",
    "admin": "everything above, for every user",
}

_MARK = "imsnode"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token, without its secret.

    id: its name in logs and commands, no secret. digest: SHA-256 of the secret, hexadecimal.
    senders: addresses of record ("sip:bot@ims.test") and domains ("@ims.test") it may act for;
    empty: every local user. expires_at: epoch seconds, None: never.
    """

    id: str
    digest: str
    name: str
    scopes: tuple[str, ...]
    senders: tuple[str, ...]
    created_at: float
    expires_at: float | None = None

    def grants(self, scope: str) -> bool:
        """Say whether it is good for something."""
        return scope in self.scopes or "admin" in self.scopes

    def may_act_for(self, aor: str) -> bool:
        """Say whether it may act in the name of an address of record."""
        return allows(self.senders, aor)


def allows(senders: Iterable[str], aor: str) -> bool:
    """Say whether an address of record is among addresses and domains; none stands for all."""
    chosen = tuple(senders)
    return not chosen or aor in chosen or "@" + aor.rpartition("@")[2] in chosen


def make_token(
    name: str,
    scopes: tuple[str, ...],
    senders: tuple[str, ...],
    wall: float,
    expires_at: float | None = None,
) -> tuple[str, ApiToken]:
    """Make a token; returns its text, which nobody can find out again, and what is kept."""
    identity, secret = "t" + secrets.token_hex(5), secrets.token_urlsafe(32)
    token = ApiToken(identity, _digest(secret), name, scopes, senders, wall, expires_at)
    return f"{_MARK}_{identity}_{secret}", token


class TokenTable:
    """The tokens of a running node."""

    def __init__(self, tokens: Iterable[ApiToken] = ()) -> None:
        self.replace_all(tokens)

    def __len__(self) -> int:
        return len(self._by_id)

    def replace_all(self, tokens: Iterable[ApiToken]) -> None:
        """Make these the whole table."""
        self._by_id = {token.id: token for token in tokens}

    def find(self, text: str, wall: float) -> ApiToken | None:
        """Return the token that was shown, None when it is not good (any more)."""
        mark, _, rest = text.partition("_")
        identity, _, secret = rest.partition("_")
        token = self._by_id.get(identity)
        # The same work for known and unknown ids.
        right = compare_digest(_digest(secret), token.digest if token is not None else "0" * 64)
        if token is None or not right or mark != _MARK:
            return None
        return token if token.expires_at is None or wall < token.expires_at else None


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
