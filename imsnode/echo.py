# SPDX-License-Identifier: Apache-2.0
"""The echo service: `sip:echo@DOMAIN` sends every MESSAGE back to its sender.

A softphone set up for the first time has somebody to talk to, and a tester a peer that is
always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .received import Received

#: send(sender, recipient, content type, body): the node's own message, by the pager.
Send = Callable[[str, str, bytes, bytes], object]


class Echo:
    """The handler of one service account per domain (`imsnode.received.Handler`).

    Args:
        domains: where the service exists; empty switches it off.
        known: tells whether an AoR can be answered (a local user).
    """

    def __init__(self, domains: Iterable[str], known: Callable[[str], bool], send: Send) -> None:
        self.known = known
        self.send = send
        self.echoed = 0
        self.configure(domains)

    def configure(self, domains: Iterable[str]) -> None:
        """Serve these domains from now on."""
        self.aors = frozenset(f"sip:echo@{domain}" for domain in domains)

    def take(self, message: Received, done: Callable[[int], None]) -> None:
        """Take a message, and send it back."""
        done(200)
        # An echo of an echo would never end; a sender without an account has no way back.
        if message.sender in self.aors or not self.known(message.sender):
            return
        self.echoed += 1
        self.send(message.recipient, message.sender, message.content_type, message.body)
