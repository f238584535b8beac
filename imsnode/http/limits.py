# SPDX-License-Identifier: Apache-2.0
"""Bounds of HTTP requests, checked before an application sees them (threats.md section 6, H2)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HttpLimits", "Limited"]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Octets of request target, of request line with headers, and of a body.

    upload_bytes: of the body of a POST to a path that ends with /files. connections, per_source:
    at a time. head_s: seconds that a client may take to say what it wants.
    """

    target_bytes: int = 8192
    head_bytes: int = 16384
    body_bytes: int = 512 * 1024
    upload_bytes: int = 0
    connections: int = 10_000
    per_source: int = 100
    head_s: float = 20.0


class Limited:
    """Answers 400, 413, 414 and 431 to requests beyond the limits, passes on all others."""

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._bounded(scope, receive, send)

    def _body_bytes(self, scope: Scope) -> int:
        if scope["method"] == "POST" and scope["path"].endswith("/files"):
            return max(self._limits.upload_bytes, self._limits.body_bytes)
        return self._limits.body_bytes

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        target = len(scope.get("raw_path") or b"") + len(scope["query_string"]) + 1
        if target > self._limits.target_bytes:
            return PlainTextResponse("target too long\n", 414)
        head = target + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if head > self._limits.head_bytes:
            return PlainTextResponse("headers too large\n", 431)
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is not None and b"transfer-encoding" in headers:
            # Two lengths for one body: whoever sits in front of us may see another request.
            return PlainTextResponse("two lengths\n", 400, {"connection": "close"})
        if length is not None and (len(length) > 10 or int(length) > self._body_bytes(scope)):
            return PlainTextResponse("body too large\n", 413, {"connection": "close"})
        return None

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        limit = self._body_bytes(scope)

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, "body too large", {"connection": "close"})
            return message

        await self._app(scope, count, send)
