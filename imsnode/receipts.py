# SPDX-License-Identifier: Apache-2.0
"""Notifications (IMDN, RFC 5438) on their way through the node: `sip:imdn@DOMAIN`.

Those that the node makes itself are handed to the pager, to be stored before they are sent. Those
that devices send to the node's own address go on to where their routes lead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pager import rules
from pager.identity import MessageIds
from pager.ports import Ledger
from pager.receipts import ADDRESS, Onward, Receipts
from pager.replay import online_draft
from pager.service import Pager
from pager.values import LedgerEntry
from sip.bodies.cpim import MEDIA_TYPE, is_cpim
from sip.endpoint import Endpoint
from sip.errors import ParseError
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.ids import IdSource
from sip.message import Request, Response
from sip.proxy import Branch, Fork
from sip.registrar import date_line
from sip.transaction.server import ServerTransaction
from sip.uri import parse_uri

from .local import Asked, local_message
from .registration import Clock

#: find(host, now): a flow to the configured next hop of a foreign domain, None without one.
Find = Callable[[str, float], Flow | None]

_AGAIN = 1
_TRIES = 10
_LONGEST_PAUSE_S = 60.0
_ALLOW = b"Allow: MESSAGE, OPTIONS"
_ACCEPT = b"Accept: " + MEDIA_TYPE


class Courier:
    """Carries notifications to their next hop; serves the node's own address for them.

    Args:
        known: tells whether an AoR is a user of ours. find: ways out of our domains.
        wake: called when something is to be sent outside a batch of input.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        proxy: Proxy,
        pager: Pager,
        ledger: Ledger,
        ids: IdSource,
        clock: Clock,
        known: Callable[[str], bool],
        find: Find,
        wake: Callable[[], None],
        domains: Iterable[str],
    ) -> None:
        self.aors = frozenset(f"sip:{ADDRESS}@{domain}" for domain in domains)
        self.receipts: Receipts | None = None
        self._endpoint = endpoint
        self._proxy = proxy
        self._pager = pager
        self._ledger = ledger
        self._ids = ids
        self._numbers = MessageIds(ids.token(5))
        self._clock = clock
        self._known = known
        self._find = find
        self._wake = wake

    def send(self, sender: str, recipient: str, body: bytes) -> None:
        """Send a notification of the node's own; see `pager.receipts.Send`."""
        if self._known(recipient):
            _Own(self, sender, recipient, body).submit(self._clock.now())
            return
        now, wall = self._clock.now(), self._clock.wall()
        self._away(self.build(sender, recipient, body, wall), recipient, None, now)
        self._wake()

    def submit(self, own: _Own, now: float) -> None:
        """Hand a notification for a user of ours to the pager."""
        wall = self._clock.wall()
        request = self.build(own.sender, own.recipient, own.body, wall)
        asked = Asked(request, own.answered)
        self._pager.originate(asked, request, own.sender, own.recipient, now, wall, first=True)
        self._wake()

    def try_again(self, own: _Own, delay_s: float) -> None:
        """Submit a notification once more after a pause."""
        self._endpoint.timers.schedule(self._clock.now() + delay_s, own, _AGAIN)

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Serve `sip:imdn@DOMAIN`: notifications and nothing else."""
        method = request.method
        if method == "OPTIONS":
            self._endpoint.reply(request, flow, 200, now, None, (_ALLOW, _ACCEPT))
        elif method != "MESSAGE":
            self._endpoint.reply(request, flow, 405, now, None, (_ALLOW,))
        elif not is_cpim(request.get("content-type") or b""):
            self._endpoint.reply(request, flow, 415, now, None, (_ACCEPT,))
        else:
            self._forward(request, flow, sender, aor, now)

    def _forward(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        receipts = self.receipts
        assert receipts is not None  # set before anything is served
        try:
            onward = receipts.onward(sender, request.body)
        except ParseError:
            self._endpoint.reply(request, flow, 400, now, b"Not A Notification Of Its Sender")
            return
        transaction = self._endpoint.accept(request, flow, now)
        if onward is None:
            self._endpoint.respond(transaction, 200, now)
            self._note(request, sender, aor)
        else:
            self._pass_on(transaction, request, sender, onward, now)

    def _pass_on(
        self,
        transaction: ServerTransaction,
        request: Request,
        sender: str,
        onward: Onward,
        now: float,
    ) -> None:
        wall = self._clock.wall()
        further = self.build(sender, onward.aor, onward.body, wall)
        further.received_host, further.received_port = request.received_host, request.received_port
        if self._known(onward.aor):
            self._pager.originate(transaction, further, sender, onward.aor, now, wall)
        elif not self._away(further, onward.aor, transaction, now):
            self._endpoint.respond(transaction, 404, now)

    def build(self, sender: str, recipient: str, body: bytes, wall: float) -> Request:
        """Build the MESSAGE that carries a notification."""
        return local_message(self._ids, sender, recipient, MEDIA_TYPE, body, date_line(wall))

    def _away(
        self, request: Request, recipient: str, asked: ServerTransaction | None, now: float
    ) -> bool:
        """Send a notification to another domain; False when no way is configured."""
        flow = self._find(parse_uri(recipient.encode()).host, now)
        if flow is None:
            return False
        errand = Errand(self._endpoint, asked)
        fork = Fork(self._proxy, None, online_draft(request), errand)
        refusal = fork.start((Target(recipient.encode(), flow),), now)
        if refusal is not None and asked is not None:
            self._endpoint.respond(asked, refusal.status, now)
        return True

    def _note(self, request: Request, sender: str, aor: str) -> None:
        """Have the ledger remember a notification that goes nowhere."""
        at = self._clock.wall()
        steps = [(at, rules.RECEIVED, "", 200, rules.UNKNOWN_RECEIPT)]
        number, size = self._numbers.next(at), len(request.body)
        self._ledger.note(
            LedgerEntry(number, request.call_id, at, sender, aor, size, steps, rules.DROPPED)
        )


class _Own:
    """A notification of the node's own, until the store has it.

    A store that is away comes back, as a rule; then the notification is still owed.
    """

    __slots__ = ("_courier", "_tries", "body", "recipient", "sender")

    def __init__(self, courier: Courier, sender: str, recipient: str, body: bytes) -> None:
        self.sender = sender
        self.recipient = recipient
        self.body = body
        self._courier = courier
        self._tries = 0

    def submit(self, now: float) -> None:
        self._tries += 1
        self._courier.submit(self, now)

    def answered(self, status: int, reason: str) -> None:
        """Take the pager's answer; the ledger has it."""
        if status == 503 and self._tries < _TRIES:
            self._courier.try_again(self, min(2.0**self._tries, _LONGEST_PAUSE_S))

    def on_timer(self, kind: int, now: float) -> None:
        self.submit(now)


class Errand:
    """The owner of a fork to another domain: its answer goes to whoever asked, if anybody did."""

    __slots__ = ("_asked", "_endpoint")

    def __init__(self, endpoint: Endpoint, asked: ServerTransaction | None) -> None:
        self._endpoint = endpoint
        self._asked = asked

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: a fork to one target ends with its only branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Pass the answer back; no answer is one of ours (RFC 4320 4.2: never a 408)."""
        if self._asked is not None:
            self._endpoint.respond(self._asked, 504 if status == 408 else status, now)
