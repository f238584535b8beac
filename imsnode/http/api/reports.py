# SPDX-License-Identifier: Apache-2.0
"""Reports of spam by users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from pydantic import Field, model_validator

from ...storage import Report, StorageError
from .files import owner_of
from .history import HistoryAccess, aor_of
from .models import ApiModel
from .operation import Call, Operation
from .problems import Problem

__all__ = ["report_operations"]

#: add(reporter, message ids, accused, reason): keeps reports, and returns them.
Add = Callable[[str, Sequence[str], str, str], Awaitable[list[Report]]]


class NewReport(ApiModel):
    """What a user complains about: a message they got, or the newest one of somebody."""

    message: str = Field(
        default="", max_length=512, description="Message id, Call-ID or IMDN Message-ID."
    )
    sender: str = Field(default="", max_length=1024, description="Address of record.")
    reason: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.message) == bool(self.sender):
            raise ValueError("give either message or sender")
        return self


class KeptReport(ApiModel):
    """A report that is kept."""

    id: str
    message: str = Field(description="Message id.")
    evidence: bool = Field(description="Whether the content of the message is kept with it.")


def report_operations(add: Add, security: HistoryAccess) -> list[Operation]:
    """Return the operation on reports."""

    async def report_spam(call: Call) -> KeptReport:
        new: NewReport = call.body
        reporter = owner_of(call)
        accused = aor_of(new.sender) if new.sender else ""
        try:
            made = await add(reporter, (new.message,) if new.message else (), accused, new.reason)
        except StorageError:
            raise Problem("unavailable", "the report cannot be kept now") from None
        if not made:
            raise Problem("not-found", "the user got no such message")
        one = made[0]
        return KeptReport(id=one.id, message=one.message_id, evidence=bool(one.body_hash))

    return [
        Operation(
            "POST", "/users/{aor}/reports", report_spam, "Report spam that a user got",
            security, "messages:send", body=NewReport, answer=KeptReport, status=201,
            problems=("sender-not-allowed", "not-found", "unavailable"),
            path_texts={"aor": "Who complains, such as sip:alice@ims.test."}, tag="reports",
        ),
    ]  # fmt: skip
