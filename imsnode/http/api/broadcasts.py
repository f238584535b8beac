# SPDX-License-Identifier: Apache-2.0
"""Broadcasts: one message to everybody in a domain or group, at a pace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, Field
from starlette.responses import Response

from ...identity.tokens import ApiToken
from ...storage.errors import StorageError
from ...storage.jobs import JobReport
from .models import Address, ApiModel, Content, Idempotency, timestamp
from .once import Claims, Once
from .operation import Call, Operation, Security
from .ports import BodyTooLarge
from .problems import Problem

__all__ = ["BroadcastDesk", "broadcast_operations"]


class BroadcastDesk(Claims, Protocol):
    """Begins broadcasts and tells of them."""

    @property
    def largest(self) -> int:
        """Octets the body of a message may have."""
        ...

    def address(self, text: str) -> str:
        """Return the canonical AoR of an address. Raises ValueError with the reason."""
        ...

    def is_user(self, aor: str) -> bool:
        """Say whether messages can be sent in the name of this user."""
        ...

    async def broadcast(
        self,
        sender: str,
        target: str,
        content: tuple[bytes, bytes],
        rate: float | None,
        expires_s: int | None,
        identity: str,
    ) -> str:
        """Begin a broadcast; its id, once it is committed. Raises: ValueError, StorageError.

        Args: identity: the same for every attempt to begin the same one, "" when there is one.
        Raises: BodyTooLarge, too.
        """
        ...

    async def broadcast_report(self, identity: str) -> JobReport | None:
        """Tell how far a broadcast has come. Raises: StorageError."""
        ...

    async def cancel_broadcast(self, identity: str) -> None:
        """End a broadcast; copies that are made stay. Raises: ValueError, StorageError."""
        ...


class NewBroadcast(Content):
    """A message to everybody in a domain or group."""

    sender: Address = Field(alias="from")
    to: str = Field(
        min_length=1,
        max_length=1024,
        description="A domain served here, or the address of a group.",
        examples=["ims.test", "sip:staff@ims.test"],
    )
    rate: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Copies a second, 0 for as many as can be; lists.broadcast_rate without it.",
    )
    expires: int | None = Field(
        default=None, ge=1, le=2**31, description="Seconds after which a copy is worth nothing."
    )


class BroadcastReport(ApiModel):
    """How far a broadcast has come."""

    id: str
    state: str
    sender: str = Field(alias="from")
    to: str
    rate: float
    created_at: datetime
    ended_at: datetime | None = None
    total: int = Field(description="Recipients when it was begun.")
    left: int = Field(description="Recipients not taken up yet.")
    stored: int = Field(description="Copies made.")
    skipped: int = Field(description="Recipients who got no copy.")
    waiting: int = Field(description="Copies that nobody has taken yet.")
    delivered: int
    refused: int
    expired: int


def broadcast_operations(
    desk: BroadcastDesk, security: Security, wall: Callable[[], float]
) -> list[Operation]:
    """Return the operations on broadcasts."""
    broadcasts = _Broadcasts(desk, wall)
    texts = {"id": "Id of the broadcast."}
    scope, tag = "broadcasts", "broadcasts"
    return [
        Operation(
            "POST",
            "/broadcasts",
            broadcasts.start_broadcast,
            "Send a message to everybody in a domain or group",
            security,
            scope,
            header=Idempotency,
            body=NewBroadcast,
            answer=BroadcastReport,
            status=202,
            problems=(
                "sender-not-allowed",
                "unknown-recipient",
                "key-reused",
                "not-now",
                "too-large",
                "unavailable",
            ),
            tag=tag,
        ),
        Operation(
            "GET",
            "/broadcasts/{id}",
            broadcasts.get_broadcast,
            "Ask how far a broadcast has come",
            security,
            scope,
            answer=BroadcastReport,
            problems=("not-found", "unavailable"),
            path_texts=texts,
            tag=tag,
        ),
        Operation(
            "DELETE",
            "/broadcasts/{id}",
            broadcasts.cancel_broadcast,
            "End a broadcast; copies that are made stay",
            security,
            scope,
            answer=BroadcastReport,
            problems=("not-found", "not-now", "unavailable"),
            path_texts=texts,
            tag=tag,
        ),
    ]


class _Broadcasts:
    """The handlers."""

    def __init__(self, desk: BroadcastDesk, wall: Callable[[], float]) -> None:
        self._desk = desk
        self._once = Once(desk, wall)

    async def start_broadcast(self, call: Call) -> BaseModel | Response:
        """Begin a broadcast, once for each idempotency key; it goes on after a restart."""
        new: NewBroadcast = call.body
        token: ApiToken = call.caller
        try:
            sender = self._desk.address(new.sender)
        except ValueError as error:
            raise Problem("invalid-request", f"from: {error}") from error
        if not token.may_act_for(sender) or not self._desk.is_user(sender):
            raise Problem("sender-not-allowed", f"the token may not send as {sender}")
        content = new.content
        if len(content[1]) > self._desk.largest:
            raise Problem("too-large", f"a message holds at most {self._desk.largest} octets")
        key = call.header.key
        identity = "" if key is None else f"{token.id} {key}"
        return await self._once.answer(
            token, key, new, lambda: self._begin(new, sender, identity, token)
        )

    async def _begin(
        self, new: NewBroadcast, sender: str, identity: str, token: ApiToken
    ) -> BroadcastReport:
        try:
            job = await self._desk.broadcast(
                sender, new.to, new.content, new.rate, new.expires, identity
            )
        except BodyTooLarge as error:
            raise Problem("too-large", str(error)) from error
        except ValueError as error:
            raise Problem("unknown-recipient", f"to: {error}") from error
        except StorageError as error:
            raise Problem("unavailable", "the broadcast cannot be kept") from error
        return await self._report(job, token)

    async def get_broadcast(self, call: Call) -> BroadcastReport:
        """Tell how far a broadcast has come."""
        return await self._report(call.path["id"], call.caller)

    async def cancel_broadcast(self, call: Call) -> BroadcastReport:
        """End a broadcast."""
        identity = call.path["id"]
        await self._report(identity, call.caller)
        try:
            await self._desk.cancel_broadcast(identity)
        except ValueError as error:
            raise Problem("not-now", str(error)) from error
        except StorageError as error:
            raise Problem("unavailable", "the broadcast cannot be changed") from error
        return await self._report(identity, call.caller)

    async def _report(self, identity: str, token: ApiToken) -> BroadcastReport:
        try:
            found = await self._desk.broadcast_report(identity)
        except StorageError as error:
            raise Problem("unavailable", "the broadcasts cannot be read") from error
        if found is None or not token.may_act_for(found.sender):
            raise Problem("not-found", "no broadcast of this id is known, or not to this token")
        return BroadcastReport(
            id=found.id,
            state=found.state,
            sender=found.sender,
            to=found.address,
            rate=found.rate,
            created_at=timestamp(found.created_at),
            ended_at=None if found.ended_at is None else timestamp(found.ended_at),
            total=found.total,
            left=found.left,
            stored=found.stored,
            skipped=found.skipped,
            waiting=found.waiting,
            delivered=found.delivered,
            refused=found.refused,
            expired=found.expired,
        )
