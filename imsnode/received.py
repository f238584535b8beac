# SPDX-License-Identifier: Apache-2.0
"""A message for a service account, and the port of whatever takes it instead of a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Handler", "Received"]


@dataclass
class Received:
    """One message as it reached the node; addresses are canonical AoRs, times epoch seconds.

    head: header lines as they came, joined by CRLF. body: octet for octet.
    """

    id: str
    sender: str
    recipient: str
    content_type: bytes
    received_at: float
    expires_at: float
    head: bytes
    body: bytes


class Handler(Protocol):
    """Takes the messages of a service account, one at a time: a webhook, the echo service."""

    def take(self, message: Received, done: Callable[[int], None]) -> None:
        """Take one message; ``done(status)`` is called once, now or later.

        2xx: it is taken and never comes again. 400, 410, 413, 415 and 422: never; it is given up.
        Anything else, 0 when there was no answer: it comes again later, before any other.
        """
        ...
