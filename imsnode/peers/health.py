# SPDX-License-Identifier: Apache-2.0
"""Asks the addresses of partners with OPTIONS whether they are there (RFC 3261 11)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sip.forward import Draft, Proxy, Target
from sip.ids import IdSource
from sip.message import Response
from sip.proxy import Branch, Fork

from .partner import Hop, Partner

__all__ = ["Health", "options"]

_log = logging.getLogger(__name__)

_ASK = 1
_SOON_S = 2.0
_SPREAD_S = 0.1  # between the first questions to many

#: dial(hop, now): the way to an address, with an OPTIONS for it; None when there is none.
Dial = Callable[[Hop, float], Target | None]


def options(ids: IdSource, uri: bytes, domain: str) -> Draft:
    """Return an OPTIONS of the node's own for a server."""
    return Draft(
        "OPTIONS",
        (
            (b"From", b"<sip:" + domain.encode() + b">;tag=" + ids.tag()),
            (b"To", b"<" + uri + b">"),
            (b"Call-ID", ids.call_id()),
            (b"CSeq", b"1 OPTIONS"),
            (b"Accept", b"*/*"),
        ),
    )


class Health:
    """Keeps the states of all hops that are to be asked.

    Args: domain: in whose name they are asked. wake: called when something is to be sent outside a
        batch of input.
    """

    def __init__(
        self,
        proxy: Proxy,
        ids: IdSource,
        domain: str,
        dial: Dial,
        now: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self.proxy = proxy
        self.ids = ids
        self.domain = domain
        self.dial = dial
        self.now = now
        self._wake = wake
        self._watches: list[_Watch] = []
        self.started = False

    def configure(self, partners: list[Partner]) -> None:
        """Ask exactly these partners from now on."""
        for watch in self._watches:
            watch.over = True
        self._watches = [
            _Watch(self, partner, hop)
            for partner in partners
            if partner.ping_s
            for hop in partner.hops
        ]
        if self.started:
            self.start()

    def start(self) -> None:
        """Begin to ask."""
        self.started = True
        now = self.now()
        for place, watch in enumerate(self._watches):
            self.proxy.endpoint.timers.schedule(now + place * _SPREAD_S, watch, _ASK)
        self._wake()

    def stop(self) -> None:
        """Ask no more."""
        self.started = False
        for watch in self._watches:
            watch.over = True


class _Watch:
    """One address that is asked again and again; the owner of the fork that asks."""

    __slots__ = ("_asked_at", "_health", "_hop", "_partner", "_tried", "over")

    def __init__(self, health: Health, partner: Partner, hop: Hop) -> None:
        self._health = health
        self._partner = partner
        self._hop = hop
        self._asked_at = 0.0
        self._tried = False
        self.over = False

    def on_timer(self, kind: int, now: float) -> None:
        """Ask, unless nobody wants to know any more."""
        if self.over:
            return
        health = self._health
        self._asked_at = now
        target = health.dial(self._hop, now)
        if target is None:
            if not self._tried:
                self._tried = True  # a name is being looked up
                health.proxy.endpoint.timers.schedule(now + _SOON_S, self, _ASK)
            else:
                self._heard(False, "there is no way to it", now)
            return
        draft = options(health.ids, target.uri, health.domain)
        if Fork(health.proxy, None, draft, self).start((target,), now) is not None:
            self._heard(False, "it cannot be asked", now)

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Wait for the fork to end: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Any answer but 503 says that it is there and takes requests."""
        if response is not None and status != 503:
            self._heard(True, "", now)
        elif response is not None:
            self._heard(False, "it answers 503", now)
        else:
            reason = "it does not answer" if status == 408 else "it cannot be reached"
            self._heard(False, reason, now)

    def _heard(self, up: bool, reason: str, now: float) -> None:
        if self.over:
            return
        self._tried = False
        state = self._partner.states[self._hop]
        if up:
            state.rtt_s = now - self._asked_at
        if state.up != up or not state.asked:
            facts = {"peer": self._partner.name, "target": str(self._hop), "reason": reason}
            _log.log(
                logging.INFO if up else logging.WARNING,
                "peer is up" if up else "peer is down",
                extra=facts,
            )
        state.up, state.asked, state.reason = up, True, reason
        self._health.proxy.endpoint.timers.schedule(now + self._partner.ping_s, self, _ASK)
