# SPDX-License-Identifier: Apache-2.0
"""What the gate needs from parts that a node may have or not."""

from __future__ import annotations

from typing import Protocol

from sip.flow import Flow
from sip.message import Request
from sip.uri import Uri

__all__ = ["Events", "Gateway"]


class Events(Protocol):
    """Keeps the event state of users and tells who follows it (`imsnode.presence`)."""

    def request(
        self, request: Request, flow: Flow, sender: str, aor: str, hidden: bool, now: float
    ) -> bool:
        """Serve a SUBSCRIBE or PUBLISH for a user; False when it is for the user's devices.

        Args: hidden: the sender does not want to be known to the user (RFC 3323).
        """
        ...

    def in_dialog(self, request: Request, flow: Flow, sender: str, now: float) -> None:
        """Serve a SUBSCRIBE inside a dialog with the node itself."""
        ...

    def notified(self, request: Request, flow: Flow, now: float) -> bool:
        """Take a NOTIFY of a subscription of the node's own; False when it is of none."""
        ...


class Gateway(Protocol):
    """Takes messages to phones that know no SIP (`imsnode.sms`)."""

    def recipient_of(self, uri: Uri) -> str:
        """Return the mailbox of the number in a URI, "" when it is not for the gateway."""
        ...

    def take(
        self, request: Request, shown: Request, flow: Flow, sender: str, aor: str, now: float
    ) -> None:
        """Take a MESSAGE for the mailbox of a number."""
        ...
