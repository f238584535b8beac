# SPDX-License-Identifier: Apache-2.0
"""What came of a flow, and how a flow says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sip.message import Response

from .catalogue import Flow

__all__ = ["Failed", "NotApplicable", "Outcome", "Result", "applies", "expect", "expect_status"]


class Outcome(StrEnum):
    """Whether the server does as the clause says."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"


class Failed(Exception):
    """The server does something else than the clause says; str() tells what."""


class NotApplicable(Exception):
    """The server has not got what the flow is about, and says so; str() tells how."""


@dataclass(frozen=True, slots=True)
class Result:
    """reason: why it is not a pass. seconds: how long it took. ladder: lines that draw it."""

    flow: Flow
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    ladder: Sequence[str] = field(default_factory=tuple)


def expect(holds: object, otherwise: str) -> None:
    """Raise Failed unless something holds."""
    if not holds:
        raise Failed(otherwise)


def applies(holds: object, otherwise: str) -> None:
    """Raise NotApplicable unless something holds."""
    if not holds:
        raise NotApplicable(otherwise)


def expect_status(response: Response, *wanted: int) -> None:
    """Raise Failed for an answer with another status."""
    if response.status not in wanted:
        right = " or ".join(map(str, wanted))
        reason = response.reason.decode("utf-8", "replace")
        raise Failed(f"{response.method} is answered {response.status} {reason}, not {right}")
