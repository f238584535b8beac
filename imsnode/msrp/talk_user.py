# SPDX-License-Identifier: Apache-2.0
"""What a part of the node has to do that talks in sessions of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from session_msrp.chunk import Chunk
from session_msrp.outbox import Outgoing
from session_msrp.session import Received, Reported
from sip.message import Request
from sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from .talk import Talk

__all__ = ["Listener", "TalkUser"]


class TalkUser(Protocol):
    """Whoever talks. Nothing is called from inside a method of the talk, but for ``ended``."""

    def established(self, talk: Talk, now: float) -> None:
        """Both ends are connected; called once."""
        ...

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """A whole message came; it is answered by ``Talk.settle``."""
        ...

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        """The peer has answered all of a message with 200."""
        ...

    def failed(self, talk: Talk, message: Outgoing, status: int, now: float) -> None:
        """A message did not arrive; 408 is silence. Of one that ends the talk ``ended`` tells."""
        ...

    def reported(self, talk: Talk, report: Reported, now: float) -> None:
        """A REPORT about a message came."""
        ...

    def chunk(self, talk: Talk, chunk: Chunk, now: float) -> bool:
        """Take a chunk itself, and answer it by ``Talk.write``; False leaves it to the session."""
        ...

    def requested(
        self, talk: Talk, request: Request, transaction: ServerTransaction, now: float
    ) -> bool:
        """Answer a further request of the dialog (REFER, INFO ...); False for none of its own."""
        ...

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """It is over; called once, whoever ended it.

        status: of the refusal of an INVITE, 487 when it was given up, 200 behind an answered one.
        """
        ...


class Listener:
    """A user that leaves everything alone that it does not say otherwise."""

    def established(self, talk: Talk, now: float) -> None:
        """Wait for what comes."""

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        """Nothing is sent."""

    def failed(self, talk: Talk, message: Outgoing, status: int, now: float) -> None:
        """Nothing is sent."""

    def reported(self, talk: Talk, report: Reported, now: float) -> None:
        """Nothing is sent that could be reported."""

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """Nothing comes but as chunks."""

    def chunk(self, talk: Talk, chunk: Chunk, now: float) -> bool:
        """Leave chunks to the session."""
        return False

    def requested(
        self, talk: Talk, request: Request, transaction: ServerTransaction, now: float
    ) -> bool:
        """Serve nothing else."""
        return False

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Keep nothing that would have to end."""
