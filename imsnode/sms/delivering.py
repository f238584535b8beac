# SPDX-License-Identifier: Apache-2.0
"""Stored messages to phones that know short messages alone: RP-DATA out, RP-ACK awaited.

Spec: TS 24.341 5.3.3.4, TS 24.011 5.3.2 (timers), 8.2.5.4 (causes).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from imsnode.mailroom import received
from imsnode.received import Received
from pager.ports import Carried
from pager.replay import shown_sender
from pager.values import StoredMessage
from sip.bodies.rpdata import MEDIA_TYPE, RpKind, RpMessage
from sip.bodies.segments import Place, cut
from sip.bodies.tpdu import Deliver
from sip.forward import Draft, Proxy, Target
from sip.ids import IdSource
from sip.message import Response
from sip.proxy import Branch, Fork
from sip.uri import parse_uri

from .capability import target_takes_sms_alone
from .content import read_content

__all__ = ["Delivering", "relay_draft"]

_ACK_S = 42.0  # as long as a phone may take (TR1N of TS 24.011 10.3, and the way)
_MEMORY_FULL = 22
# That the request goes to phones that know it, and to one of them.
_TO_THE_PHONE = (
    (b"Accept-Contact", b"*;+g.3gpp.smsip;require;explicit"),
    (b"Request-Disposition", b"no-fork"),
)


class Delivering:
    """`pager.ports.Carrier` for phones that registered +g.3gpp.smsip and nothing more.

    Args: centre: number of the service centre. psi: its address, which phones answer to.
        wall: epoch seconds.
    """

    def __init__(self, proxy: Proxy, centre: str, psi: str, wall: Callable[[], float]) -> None:
        self.proxy = proxy
        self.centre = centre
        self.psi = psi
        self.wall = wall
        self._references = itertools.count(1)
        self._waiting: dict[tuple[str, int], _Delivery] = {}

    def wants(self, message: StoredMessage, target: Target, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        return target_takes_sms_alone(target) and _text_of(received(message)) is not None

    def carry(self, message: StoredMessage, target: Target, carried: Carried, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        if not target_takes_sms_alone(target):
            return False
        taken = received(message)
        text = _text_of(taken)
        if text is None:
            return False
        try:
            coding, pieces = cut(text)
        except ValueError:
            return False
        total = len(pieces)
        reference = next(self._references) & 0xFF
        units = [
            Deliver(
                _shown(shown_sender(message.sender, message.head)),
                coding,
                piece,
                message.received_at,
                Place(reference, total, number) if total > 1 else None,
                number < total,
            ).encode()
            for number, piece in enumerate(pieces, 1)
        ]
        _Delivery(self, message.recipient, target, carried, units).go_on(now)
        return True

    def answered(self, user: str, answer: RpMessage, now: float) -> bool:
        """Take the RP-ACK or RP-ERROR of a user's phone; False when nobody waits for it."""
        delivery = self._waiting.get((user, answer.reference))
        if delivery is None:
            return False
        if answer.kind == RpKind.ACK_MS:
            delivery.acknowledged(now)
        else:
            # A phone that is full says so again when it is not (RP-SMMA); what it refuses, it
            # will not take later either.
            delivery.end(480 if answer.cause == _MEMORY_FULL else 488, now)
        return True

    def expect(self, delivery: _Delivery) -> int:
        """Return the reference under which a delivery waits for its answer."""
        for _ in range(256):
            reference = next(self._references) & 0xFF
            if self._waiting.setdefault((delivery.user, reference), delivery) is delivery:
                return reference
        return -1

    def forget(self, delivery: _Delivery) -> None:
        """Wait no more for the answer to what was sent last."""
        self._waiting.pop((delivery.user, delivery.reference), None)


class _Delivery:
    """One message on its way to one phone, part after part; owns the forks that carry it."""

    __slots__ = (
        "_carried",
        "_delivering",
        "_over",
        "_round",
        "_target",
        "_units",
        "reference",
        "user",
    )

    def __init__(
        self,
        delivering: Delivering,
        user: str,
        target: Target,
        carried: Carried,
        units: list[bytes],
    ) -> None:
        self._delivering = delivering
        self._target = target
        self._carried = carried
        self._units = units
        self._round = 0
        self._over = False
        self.user = user
        self.reference = -1

    def go_on(self, now: float) -> None:
        """Send the next part."""
        delivering = self._delivering
        self._round += 1
        self.reference = delivering.expect(self)
        unit = self._units.pop(0)
        body = RpMessage(RpKind.DATA_NET, self.reference & 0xFF, unit, delivering.centre).encode()
        timers = delivering.proxy.endpoint.timers
        if self.reference < 0:
            timers.schedule(now, self, 0)
            return
        timers.schedule(now + _ACK_S, self, self._round)
        draft = relay_draft(delivering.proxy.ids, delivering.psi, self.user, body, *_TO_THE_PHONE)
        Fork(delivering.proxy, None, draft, self).start((self._target,), now)

    def acknowledged(self, now: float) -> None:
        """The phone has a part."""
        self._delivering.forget(self)
        if self._units:
            self.go_on(now)
        else:
            self.end(200, now)

    def end(self, status: int, now: float) -> None:
        """Tell the outcome, once."""
        self._delivering.forget(self)
        if not self._over:
            self._over = True
            self._carried.done(status, now)

    def on_timer(self, kind: int, now: float) -> None:
        """Give up on a phone that does not answer."""
        if kind in (0, self._round):
            self.end(480, now)

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Wait for the fork to end: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """A 2xx says that the phone has the request; its RP-ACK says that it has the message."""
        if status >= 300:
            self.end(status, now)


def relay_draft(
    ids: IdSource, psi: str, user: str, body: bytes, *headers: tuple[bytes, bytes]
) -> Draft:
    """Return the MESSAGE that carries a relay message to a phone (TS 24.341 5.3.3.4)."""
    centre = b"<" + psi.encode() + b">"
    return Draft(
        "MESSAGE",
        (
            (b"From", centre + b";tag=" + ids.tag()),
            (b"To", b"<" + user.encode() + b">"),
            (b"Call-ID", ids.call_id()),
            (b"CSeq", b"1 MESSAGE"),
            (b"P-Asserted-Identity", centre),
            *headers,
            (b"Content-Type", MEDIA_TYPE),
        ),
        body,
    )


def _text_of(message: Received) -> str | None:
    content = read_content(message.content_type, message.body)
    return None if content is None else content.text


def _shown(sender: str) -> str:
    """Return a sender as a phone shows it: the number, else the user name."""
    return (parse_uri(sender.encode()).user or b"?").decode("ascii", "replace")
