# SPDX-License-Identifier: Apache-2.0
"""What the API needs from the node behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...recalls import RecallResult
from ...storage.story import Story
from .once import Claims

__all__ = ["BodyTooLarge", "MessageDesk", "Outgoing", "Result"]


class BodyTooLarge(Exception):
    """A message is too large for its way, and its domain wants none that are."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message of a local sender, for one recipient; addresses are canonical AoRs.

    headers: further header lines. identity: the same for every attempt to send the same message,
    "" for a message that is not repeated.
    """

    sender: str
    recipient: str
    content_type: bytes
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What the pager said of a message; status 0: nothing yet."""

    message_id: str
    status: int
    reason: str


class MessageDesk(Claims, Protocol):
    """Takes messages and tells of them."""

    @property
    def largest(self) -> int:
        """Octets the body of a message may have."""
        ...

    def address(self, text: str) -> str:
        """Return the canonical AoR of an address. Raises ValueError with the reason."""
        ...

    def is_user(self, aor: str) -> bool:
        """Say whether messages can be sent to, and in the name of, this user."""
        ...

    def may_receive(self, aor: str) -> bool:
        """Say whether messages can be sent to this user or group."""
        ...

    async def submit(self, message: Outgoing) -> Result:
        """Hand a message to the pager, and wait for its outcome.

        Not longer than a device may take; what has no outcome by then gets status 0. Raises
        ValueError with the reason when no SIP message can be made of it.
        """
        ...

    async def submit_list(self, message: Outgoing, recipients: Sequence[str]) -> Result:
        """Send a message to several users, and wait until everybody's copy is kept.

        Raises ValueError as `submit` does.
        """
        ...

    async def copies(self, story: Story) -> list[Story]:
        """Return the stories of the copies of a message to a list. Raises: StorageError."""
        ...

    async def recall(self, message_id: str, sender: str) -> list[RecallResult]:
        """Take a message of a sender back, wherever it has not been delivered."""
        ...

    async def story(self, message_id: str) -> Story | None:
        """Return all that is known of a message. Raises: StorageError."""
        ...
