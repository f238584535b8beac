# SPDX-License-Identifier: Apache-2.0
"""History over HTTP: a user's own messages, page by page, with the user's own credentials."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from sip.errors import SipError
from sip.uri import parse_uri

from ...identity.accounts import Account
from ...identity.rates import Buckets, Rate
from ...identity.tokens import ApiToken
from ...storage import LATEST, Archived, Page, StorageError, since, start_of
from ...storage import Query as ArchiveQuery
from ..digest import Digest, DigestRefused
from .auth import Bearer
from .operation import Call, Operation
from .problems import Problem

__all__ = ["HistoryAccess", "Own", "history_operations"]

_USERS = 65536  # whose rate is watched at a time
_AHEAD_S = 60.0
_KINDS = {400: "invalid-request", 401: "no-credentials", 429: "too-many-requests"}


class HistoryQuery(BaseModel):
    """What is wanted of a history."""

    model_config = ConfigDict(extra="forbid")

    peer: str = Field(
        default="", alias="with", max_length=512, description="Only messages with this address."
    )
    since: str = Field(
        default="",
        max_length=40,
        description="Messages behind a sync token, or from a time on (RFC 3339); 0 is the "
        "beginning. Without it, the last messages.",
    )
    before: str = Field(
        default="",
        max_length=20,
        pattern="^[0-9]*$",
        description="Messages in front of a sync token; the last of them.",
    )
    limit: int = Field(default=100, ge=1, le=1000, description="At most so many messages.")
    search: str = Field(
        default="", max_length=200, description="Only messages with this text in the body."
    )


class HistoryMessage(BaseModel):
    """One message. Its content is `text`, or `body_base64` when it is not UTF-8."""

    token: str = Field(description="Its sync token.")
    id: str = Field(description="Message id.")
    at: datetime = Field(description="When the node received it.")
    direction: Literal["sent", "received"]
    sender: str = Field(serialization_alias="from")
    to: str
    status: int = Field(description="What its sender was answered: 202 when it was stored.")
    content_type: str
    call_id: str
    text: str | None = None
    body_base64: str | None = None


class HistoryPage(BaseModel):
    """A page of history, oldest message first."""

    messages: list[HistoryMessage]
    next: str = Field(description="Sync token: ask for what comes since it.")
    previous: str | None = Field(default=None, description="Ask for what comes before it.")
    more: bool = Field(
        description="There may be more: since `next`, or before `previous` where the last messages "
        "were asked for."
    )


@dataclass(frozen=True, slots=True)
class Own:
    """What history a user has: between these bounds. oldest: wall time of receipt."""

    floor: int
    oldest: float


class HistoryAccess:
    """Admits a user with digest credentials, and a program with a token of scope history:read.

    rate: of one user. realm_of: the realm of a domain's users, of another domain the first one.
    """

    name = "digest"
    scheme: Mapping[str, str] = {
        "type": "http",
        "scheme": "digest",
        "description": "The user's own SIP credentials (RFC 7616), or a token as a bearer.",
    }

    def __init__(
        self,
        digest: Digest,
        bearer: Bearer,
        rate: Rate,
        realm_of: Callable[[str], str],
        now: Callable[[], float],
    ) -> None:
        self.digest = digest
        self._bearer = bearer
        self._rate = rate
        self._buckets = Buckets(rate, _USERS)
        self._realm_of = realm_of
        self._now = now

    def configure(self, rate: Rate, nonce_lifetime_s: float) -> None:
        """Take other limits; what was counted is forgotten where they differ."""
        if rate != self._rate:
            self._buckets = Buckets(rate, _USERS)
        self._rate = rate
        self.digest.verifier.nonces.lifetime_s = nonce_lifetime_s

    async def admit(self, request: Request, scope: str) -> Account | ApiToken:
        """Return who asks. Raises: Problem."""
        if is_bearer(request):
            return await self._bearer.admit(request, scope)
        claimed = aor_of(request.path_params["aor"])
        realm = self._realm_of(claimed.rpartition("@")[2])
        return self._admitted(lambda: self.digest.check(request, realm, claimed))

    async def admit_any(
        self, request: Request, scope: str, realms: Sequence[str]
    ) -> Account | ApiToken:
        """Return who asks where the path does not say whose it is. Raises: Problem."""
        if is_bearer(request):
            return await self._bearer.admit(request, scope)
        return self._admitted(lambda: self.digest.check_any(request, realms))

    def _admitted(self, check: Callable[[], Account]) -> Account:
        try:
            account = check()
        except DigestRefused as refused:
            kind = _KINDS.get(refused.status, "sender-not-allowed")
            raise Problem(kind, refused.detail, refused.headers) from None
        wait = self._buckets.take(account.aor, self._now())
        if wait > 0:
            later = [("Retry-After", str(int(wait) + 1))]
            raise Problem("too-many-requests", "the user is above the rate", later)
        return account


def is_bearer(request: Request) -> bool:
    """Say whether a request carries a token."""
    return request.headers.get("authorization", "")[:7].lower() == "bearer "


def history_operations(
    read: Callable[[ArchiveQuery], Awaitable[Page]],
    own: Callable[[str, float], Own],
    security: HistoryAccess,
    wall: Callable[[], float],
) -> list[Operation]:
    """Return the operation on histories. own: bounds of a user's history at a wall time."""

    async def get_history(call: Call) -> HistoryPage:
        query: HistoryQuery = call.query
        aor = aor_of(call.path["aor"])
        caller: Account | ApiToken = call.caller
        good = caller.may_act_for(aor) if isinstance(caller, ApiToken) else caller.aor == aor
        if not good:
            raise Problem("sender-not-allowed", "it is not your history")
        now = wall()
        bounds = own(aor, now)
        after, oldest = _since(query.since or "0", now)
        wanted = ArchiveQuery(
            aor,
            peer=aor_of(query.peer) if query.peer else "",
            after=max(after, bounds.floor),
            newest=not query.since,
            text=query.search,
            oldest=max(oldest, bounds.oldest),
            limit=query.limit,
        )
        if query.before:
            wanted = replace(wanted, before=min(int(query.before), LATEST))
        try:
            page = await read(wanted)
        except StorageError:
            raise Problem("unavailable", "the archive cannot be read now") from None
        return HistoryPage(
            messages=[_message(one, aor) for one in page.messages],
            next=str(page.last),
            previous=str(page.first) if page.messages or page.more else None,
            more=page.more,
        )

    return [
        Operation(
            "GET",
            "/users/{aor}/history",
            get_history,
            "Read what a user sent and received",
            security,
            "history:read",
            query=HistoryQuery,
            answer=HistoryPage,
            problems=("sender-not-allowed", "unavailable"),
            path_texts={"aor": "The user's address of record, such as sip:alice@ims.test."},
            tag="history",
        )
    ]


def aor_of(text: str) -> str:
    """Return the canonical form of an address. Raises: Problem."""
    try:
        uri = parse_uri((text if text[:4].lower() in ("sip:", "sips") else f"sip:{text}").encode())
    except (SipError, UnicodeEncodeError):
        raise Problem("invalid-request", "the address is no SIP address") from None
    return uri.aor


def _since(text: str, now: float) -> tuple[int, float]:
    try:
        after, oldest = since(text)
    except ValueError:
        raise Problem("invalid-request", "since: neither a token nor a time") from None
    if after > start_of(now + _AHEAD_S):
        # A client that went on with it would wait for messages that it never gets.
        raise Problem("invalid-request", "since: the token was not given by this node; use 0")
    return after, oldest


def _message(one: Archived, aor: str) -> HistoryMessage:
    try:
        text, octets = one.body.decode(), None
    except UnicodeDecodeError:
        text, octets = None, base64.b64encode(one.body).decode()
    return HistoryMessage(
        token=str(one.position),
        id=one.message_id,
        at=datetime.fromtimestamp(one.at, UTC),
        direction="sent" if one.sender == aor else "received",
        sender=one.sender,
        to=one.recipient,
        status=one.status,
        content_type=one.content_type.decode("utf-8", "replace"),
        call_id=one.call_id.decode("utf-8", "backslashreplace"),
        text=text,
        body_base64=octets,
    )
