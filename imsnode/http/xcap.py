# SPDX-License-Identifier: Apache-2.0
"""XCAP on the HTTP listener: who asks, for what, and how the answer is written (RFC 4825 7, 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from presence.xcap import (
    ERROR_TYPE,
    GLOBAL,
    METHODS,
    Conditions,
    Conflict,
    Refusal,
    Server,
    Target,
    owner_of,
)

from ..documents import Given, Kept
from ..identity.accounts import Account
from ..identity.rates import Buckets, Rate
from ..storage import StorageError
from .digest import Digest, DigestRefused

__all__ = ["PATH", "DocumentService", "Xcap"]

PATH = "/xcap"

_USERS = 65_536  # whose rate is watched at a time
_RETRY_S = 5
# What a client keeps may be changed by another one at any time (RFC 4825 9).
_FRESH = {"Cache-Control": "no-cache"}


class DocumentService(Protocol):
    """Reads and changes documents; every method raises Refusal and StorageError."""

    server: Server

    async def read(self, target: Target, conditions: Conditions) -> Given:
        """Answer a GET."""
        ...

    async def put(self, target: Target, body: bytes, conditions: Conditions) -> Kept:
        """Answer a PUT, when it is kept."""
        ...

    async def delete(self, target: Target, conditions: Conditions) -> Kept:
        """Answer a DELETE, when it is kept."""
        ...


class Xcap:
    """The ASGI application below ``PATH``.

    Args: rate: of one user. realm_of: the realm of a domain's users, of another domain the first
        one. is_user: says whether there is such a user.
    """

    def __init__(
        self,
        documents: DocumentService,
        digest: Digest,
        rate: Rate,
        realm_of: Callable[[str], str],
        is_user: Callable[[str], bool],
        now: Callable[[], float],
    ) -> None:
        self._documents = documents
        self._digest = digest
        self._rate = rate
        self._buckets = Buckets(rate, _USERS)
        self._realm_of = realm_of
        self._is_user = is_user
        self._now = now
        self.answers: Counter[str] = Counter()

    @property
    def route(self) -> Mount:
        """The route of the HTTP listener."""
        return Mount(PATH, app=self)

    def configure(self, rate: Rate) -> None:
        """Take another rate; what was counted is forgotten where it differs."""
        if rate != self._rate:
            self._rate = rate
            self._buckets = Buckets(rate, _USERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        self.answers[str(response.status_code)] += 1
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._served(request)
        except DigestRefused as refused:
            return _text(refused.status, refused.detail, refused.headers)
        except Conflict as conflict:
            return Response(conflict.body(), 409, _FRESH, ERROR_TYPE)
        except Refusal as refusal:
            if refusal.status == HTTPStatus.NOT_MODIFIED:
                return Response(None, 304, {**_FRESH, **dict(refusal.headers)})
            return _text(refusal.status, refusal.reason, refusal.headers)
        except StorageError:
            return _unavailable()

    async def _served(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD", "PUT", "DELETE"):
            raise Refusal(405, "documents are read, put and deleted", [("Allow", METHODS)])
        # As it came: what is decoded once too often names something else (threats.md X4).
        path: bytes = request.scope["raw_path"][len(PATH) + 1 :]
        account = self._admitted(request, path)
        target = self._documents.server.locate(path, request.scope["query_string"])
        self._authorise(request.method, target, account)
        headers = request.headers
        conditions = Conditions(headers.get("if-match"), headers.get("if-none-match"))
        if request.method == "PUT":
            return await self._put(request, target, conditions)
        if request.method == "DELETE":
            self._documents.server.check_delete(target)
            kept = await self._documents.delete(target, conditions)
            return Response(None, 200, _tagged(kept.etag))
        given = await self._documents.read(target, conditions)
        response = Response(
            given.content.octets, 200, _tagged(given.etag), given.content.media_type
        )
        if request.method == "HEAD":
            response.body = b""
        return response

    async def _put(self, request: Request, target: Target, conditions: Conditions) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        size = request.headers.get("content-length", "0")
        self._documents.server.check_put(target, media_type, int(size))
        body = await request.body()
        self._documents.server.check_put(target, media_type, len(body))
        kept = await self._documents.put(target, body, conditions)
        headers = _tagged(kept.etag)
        if kept.created:
            headers["Location"] = request.scope["raw_path"].decode("ascii", "replace")
        return Response(None, 201 if kept.created else 200, headers)

    def _admitted(self, request: Request, path: bytes) -> Account:
        """Return whose request it is. Raises: DigestRefused, Refusal."""
        claimed = owner_of(path)
        domain = claimed.rpartition("@")[2] or _realm(request)
        account = self._digest.check(request, self._realm_of(domain), claimed)
        wait = self._buckets.take(account.aor, self._now())
        if wait > 0:
            later = ("Retry-After", str(int(wait) + 1))
            raise Refusal(429, "the user is above the rate", [later])
        return account

    def _authorise(self, method: str, target: Target, account: Account) -> None:
        """Let users have their own tree, and read the global one (RFC 4825 5.7)."""
        owner = target.own.owner
        if owner == GLOBAL:
            if method not in ("GET", "HEAD"):
                raise Refusal(403, "global documents can only be read")
            if not target.usage.globally_read:
                raise Refusal(403, "the document tells of other users")
        elif owner != account.aor:
            if not self._is_user(owner):
                raise Refusal(404, "there is no such user")
            raise Refusal(403, "it is not your document")


def _realm(request: Request) -> str:
    """Return the realm that credentials are for, "" for none: global documents have no user."""
    _, found, rest = request.headers.get("authorization", "").partition('realm="')
    return rest.partition('"')[0] if found else ""


def _tagged(etag: str) -> dict[str, str]:
    return {**_FRESH, "ETag": f'"{etag}"'} if etag else dict(_FRESH)


def _text(status: int, reason: str, headers: Iterable[tuple[str, str]]) -> Response:
    response = Response(f"{reason}\n", status, _FRESH, "text/plain")
    for name, value in headers:
        response.headers.append(name, value)
    return response


def _unavailable() -> Response:
    return _text(503, "documents cannot be reached now", [("Retry-After", str(_RETRY_S))])
