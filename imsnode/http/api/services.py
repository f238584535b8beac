# SPDX-License-Identifier: Apache-2.0
"""Messages for service accounts without a webhook: fetch them, say which are done with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ...identity.tokens import ApiToken
from ...received import Received
from .operation import Call, Operation, Security
from .problems import Problem
from .received import ReceivedMessage, received_message

__all__ = ["ServiceDesk", "service_operations"]

_PATH_TEXTS = {"aor": "Address of record of the service account."}


class ServiceDesk(Protocol):
    """The mailboxes of service accounts."""

    def address(self, text: str) -> str:
        """Return the canonical AoR of an address. Raises ValueError with the reason."""
        ...

    def has_webhook(self, aor: str) -> bool | None:
        """Say whether messages are posted; None for what is no service account."""
        ...

    async def fetch(self, aor: str, limit: int) -> list[Received]:
        """Return the oldest messages that wait. Raises: LookupError when they cannot be read."""
        ...

    async def acknowledge(self, aor: str, ids: Sequence[str]) -> list[str]:
        """Settle messages; returns those that waited. Raises: LookupError."""
        ...


class Page(BaseModel):
    """How much to fetch."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100, description="At most so many messages.")


class ReceivedMessages(BaseModel):
    """Messages that wait, oldest first."""

    messages: list[ReceivedMessage]


class Acknowledgement(BaseModel):
    """Messages that are done with."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=100
    )


class Acknowledged(BaseModel):
    """Those of them that were still waiting."""

    ids: list[str]


def service_operations(desk: ServiceDesk, security: Security) -> list[Operation]:
    """Return the operations on mailboxes of service accounts."""
    services = _Services(desk)
    problems = ("not-found", "not-now", "unavailable")
    return [
        Operation(
            "GET",
            "/services/{aor}/messages",
            services.fetch_messages,
            "Fetch the messages that wait for a service account, without removing them",
            security,
            "services:read",
            query=Page,
            answer=ReceivedMessages,
            problems=problems,
            path_texts=_PATH_TEXTS,
            tag="services",
        ),
        Operation(
            "POST",
            "/services/{aor}/acknowledgements",
            services.acknowledge_messages,
            "Remove messages that were fetched",
            security,
            "services:read",
            body=Acknowledgement,
            answer=Acknowledged,
            problems=problems,
            path_texts=_PATH_TEXTS,
            tag="services",
        ),
    ]


class _Services:
    """The handlers."""

    def __init__(self, desk: ServiceDesk) -> None:
        self._desk = desk

    async def fetch_messages(self, call: Call) -> ReceivedMessages:
        """Return what waits."""
        aor, page = self._service(call), call.query
        try:
            messages = await self._desk.fetch(aor, page.limit)
        except LookupError as error:
            raise Problem("unavailable", str(error), {"Retry-After": "5"}) from error
        return ReceivedMessages(messages=[received_message(one) for one in messages])

    async def acknowledge_messages(self, call: Call) -> Acknowledged:
        """Settle what was fetched; naming a message again does no harm."""
        aor, body = self._service(call), call.body
        try:
            return Acknowledged(ids=await self._desk.acknowledge(aor, body.ids))
        except LookupError as error:
            raise Problem("unavailable", str(error), {"Retry-After": "5"}) from error

    def _service(self, call: Call) -> str:
        token: ApiToken = call.caller
        try:
            aor = self._desk.address(call.path["aor"])
        except ValueError as error:
            raise Problem("not-found", str(error)) from error
        posted = self._desk.has_webhook(aor)
        if posted is None or not token.may_act_for(aor):
            raise Problem("not-found", f"{aor} is no service account, or not of this token")
        if posted:
            raise Problem("not-now", f"messages for {aor} are posted to its webhook")
        return aor
