# SPDX-License-Identifier: Apache-2.0
"""The echo service: `sip:echo@DOMAIN` sends every MESSAGE back to its sender.

A softphone set up for the first time has somebody to talk to, and a tester a peer that is
always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pager import rules
from pager.identity import MessageIds
from pager.ports import Ledger
from pager.values import LedgerEntry
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request

#: send(sender, recipient, content type, body, now): the node's own message, by the pager.
Send = Callable[[str, str, bytes, bytes, float], None]


class Echo:
    """A built-in binding of one user per domain.

    Args:
        domains: where the service exists; empty switches it off.
        known: tells whether an AoR can be answered (a local user).
        ledger: hears of every message that was taken. wall: epoch seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        domains: Iterable[str],
        known: Callable[[str], bool],
        send: Send,
        ledger: Ledger,
        ids: MessageIds,
        wall: Callable[[], float],
    ) -> None:
        self.endpoint = endpoint
        self.known = known
        self.send = send
        self.ledger = ledger
        self.ids = ids
        self.wall = wall
        self.echoed = 0
        self.configure(domains)

    def configure(self, domains: Iterable[str]) -> None:
        """Serve these domains from now on."""
        self.aors = frozenset(f"sip:echo@{domain}" for domain in domains)

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request for the service; a MESSAGE gets its 200 and then comes back."""
        method = request.method
        if method == "OPTIONS":
            self.endpoint.reply(request, flow, 200, now, None, (b"Allow: MESSAGE, OPTIONS",))
            return
        if method != "MESSAGE":
            allow = (b"Allow: MESSAGE, OPTIONS",)
            self.endpoint.reply(request, flow, 405, now, b"The echo service takes MESSAGE", allow)
            return
        transaction = self.endpoint.accept(request, flow, now)
        self.endpoint.respond(transaction, 200, now)
        self._note(request, sender, aor)
        # An echo of an echo would never end; a sender without an account has no way back.
        if sender in self.aors or not self.known(sender):
            return
        self.echoed += 1
        content_type = request.get("content-type") or b"text/plain"
        self.send(aor, sender, content_type, request.body, now)

    def _note(self, request: Request, sender: str, aor: str) -> None:
        at = self.wall()
        steps = [
            (at, rules.RECEIVED, "", 0, rules.FORWARDED),
            (at, rules.ANSWERED, "", 200, rules.DEVICE_ACCEPTED),
        ]
        size = len(request.body)
        self.ledger.note(
            LedgerEntry(
                self.ids.next(at), request.call_id, at, sender, aor, size, steps, rules.RELAYED
            )
        )
