# SPDX-License-Identifier: Apache-2.0
"""Who calls the API: bearer tokens (RFC 6750), their rate, and what guessing leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from starlette.requests import Request

from ...identity.rates import Buckets, Rate
from ...identity.throttle import FailureThrottle, ThrottleSettings
from ...identity.tokens import ApiToken, TokenTable
from .problems import Problem

__all__ = ["ApiStats", "Bearer", "TokenLimits"]

_TOKENS = 65536  # whose rate is watched at a time


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What one token may ask for, and when who fails has to wait."""

    rate: Rate
    throttle: ThrottleSettings


class ApiStats:
    """Counters of the API, plain ints."""

    __slots__ = ("admitted", "forbidden", "limited", "throttled", "unauthorised")

    def __init__(self) -> None:
        self.admitted = 0
        self.unauthorised = 0
        self.throttled = 0
        self.forbidden = 0
        self.limited = 0


class Bearer:
    """Admits requests with a token. ``now``: monotonic seconds; ``wall``: epoch seconds."""

    name = "token"
    scheme: Mapping[str, str] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token made with `imsnode token add`.",
    }

    def __init__(
        self,
        tokens: TokenTable,
        limits: TokenLimits,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.tokens = tokens
        self.stats = ApiStats()
        self._now = now
        self._wall = wall
        self._throttle = FailureThrottle(limits.throttle)
        self._limits = limits
        self._buckets = Buckets(limits.rate, _TOKENS)

    def configure(self, limits: TokenLimits) -> None:
        """Take new limits; what was counted is forgotten where they differ."""
        if limits.rate != self._limits.rate:
            self._buckets = Buckets(limits.rate, _TOKENS)
        if limits.throttle != self._limits.throttle:
            self._throttle.configure(limits.throttle)
        self._limits = limits

    async def admit(self, request: Request, scope: str) -> ApiToken:
        """Return the token of a request. Raises: Problem 401, 403, 429."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text:
            self.stats.unauthorised += 1
            challenge = {"WWW-Authenticate": 'Bearer realm="imsnode"'}
            raise Problem("no-credentials", "send Authorization: Bearer TOKEN", challenge)
        token = self._verify(request.client.host if request.client else "", text.strip())
        if not token.grants(scope):
            self.stats.forbidden += 1
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise Problem("scope-missing", f"it needs the scope {scope}", challenge)
        wait = self._buckets.take(token.id, self._now())
        if wait > 0:
            self.stats.limited += 1
            raise Problem("too-many-requests", "the token is above its rate", _after(wait))
        self.stats.admitted += 1
        return token

    def _verify(self, source: str, text: str) -> ApiToken:
        # The id, not the secret: what is put down about a failure may be read by others.
        claimed = ":".join(text.split("_", 2)[:2])
        wait = self._throttle.delay(source, claimed, self._now())
        if wait > 0:
            self.stats.throttled += 1
            raise Problem("too-many-requests", "too many bad tokens came from here", _after(wait))
        token = self.tokens.find(text, self._wall())
        if token is None:
            self.stats.unauthorised += 1
            self._throttle.failed(source, claimed, self._now())
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem("bad-credentials", "the token is unknown, revoked or over", challenge)
        self._throttle.succeeded(source, claimed)
        return token


def _after(wait_s: float) -> dict[str, str]:
    return {"Retry-After": str(ceil(wait_s))}
