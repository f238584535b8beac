# SPDX-License-Identifier: Apache-2.0
"""Requests that count once, however often they are sent under the same Idempotency-Key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Protocol

from pydantic import BaseModel
from starlette.responses import Response

from ...identity.tokens import ApiToken
from ...storage.requests import Claim, Claimed
from .problems import Problem

__all__ = ["Claims", "Once"]


class Claims(Protocol):
    """Keeps keys and what was answered under them."""

    async def claim(self, claim: Claim) -> Claimed | None:
        """Claim an idempotency key; None when the store cannot keep it."""
        ...

    async def keep_answer(self, claim: Claim, answer: str) -> None:
        """Keep the answer to a claimed request."""
        ...


class Once:
    """Answers a repeat as the first request was answered; one for each operation."""

    def __init__(self, claims: Claims, wall: Callable[[], float]) -> None:
        self._claims = claims
        self._wall = wall
        self._running: set[tuple[str, str]] = set()  # under way in this process

    async def answer(
        self,
        token: ApiToken,
        key: str | None,
        request: BaseModel,
        act: Callable[[], Awaitable[BaseModel]],
    ) -> BaseModel | Response:
        """Return what ``act`` returns, or what it returned when it was asked first.

        Who fails leaves the key claimed without an answer: the next request acts again. Raises:
        Problem, for another request under the same key as well.
        """
        if key is None:
            return await act()
        running = (token.id, key)
        if running in self._running:
            raise Problem("not-now", "the first request under this key has no answer yet")
        self._running.add(running)
        try:
            return await self._claimed(token, key, request, act)
        finally:
            self._running.discard(running)

    async def _claimed(
        self,
        token: ApiToken,
        key: str,
        request: BaseModel,
        act: Callable[[], Awaitable[BaseModel]],
    ) -> BaseModel | Response:
        digest = sha256(request.model_dump_json(by_alias=True).encode()).digest()
        claim = Claim(token.id, key, digest, self._wall())
        claimed = await self._claims.claim(claim)
        if claimed is None:
            raise Problem("unavailable", "the key cannot be kept now", {"Retry-After": "5"})
        if claimed.digest != digest:
            raise Problem("key-reused", "another request was sent under this key")
        if claimed.answer:
            replayed = {"Idempotency-Replayed": "true"}
            return Response(claimed.answer, 202, replayed, "application/json")
        answer = await act()
        # As the first answer leaves: without what has no value.
        said = answer.model_dump_json(by_alias=True, exclude_none=True)
        await self._claims.keep_answer(claim, said)
        return answer
