# SPDX-License-Identifier: Apache-2.0
"""One request tried way after way, until somebody answers for it (RFC 3263 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sip.flow import Flow
from sip.forward import Target
from sip.message import Response
from sip.ports import Spares
from sip.proxy import PLAIN, Branch, Fork

from .interconnect import Interconnect, Way

__all__ = ["Again", "Dial", "Failover"]

#: again(failed, target, owner): a fork of the same request to another target, not yet started.
Again = Callable[[Fork, Target, "Failover"], Fork]
#: dial(way, now): the way as a target, None when it cannot be gone.
Dial = Callable[[Way, float], Target | None]

# A server that says so, that could not be reached, or that is silent: another may do better.
_PASSED_ON = frozenset((408, 503))


class Failover:
    """Owns the forks of one request, one after another; within a fork, its spare servers.

    A server that is silent is left for the next one while the sender still waits where both get the
    same Request-URI (`sip.ports.Spares`); elsewhere the next one is a fork of its own. A request
    that was not an INVITE is not tried again once its sender has given up, and neither is an INVITE
    that was cancelled.
    """

    __slots__ = ("_again", "_counted", "_dial", "_held", "_inner", "_interconnect", "_repeats",
                 "_way", "_ways", "patience")  # fmt: skip

    def __init__(
        self, interconnect: Interconnect, ways: Iterator[Way], dial: Dial, again: Again
    ) -> None:
        self.patience = interconnect.patience_s
        self._interconnect = interconnect
        self._ways = ways
        self._dial = dial
        self._again = again
        self._repeats = True
        self._way: Way | None = None
        self._inner: Spares | None = None  # other addresses of the same name
        self._held: tuple[Way, Target] | None = None  # for a fork of its own
        self._counted = False

    def next_target(self, now: float) -> Target | None:
        """Return the next way that can be gone, None when all have been tried."""
        found, self._held = self._held or self._following(now), None
        if found is None:
            return None
        way, target = found
        self._enter(way, target)
        return Target(target.uri, target.flow, spares=self)

    def sends(self, *, again: bool = True) -> None:
        """Take note that the request is being sent to the target returned last.

        Args: again: it may be sent to another as it is.
        """
        self._repeats = again
        self._count()

    def refused(self) -> None:
        """Take note that it was not sent after all."""
        self._leave()

    # -- sip.ports.Spares

    def next(self, now: float) -> Flow | None:
        """Return the way to the next server for the same fork; the one before did not serve."""
        way = self._way
        if way is None or not self._repeats:
            return None
        if self._inner is not None:
            flow = self._inner.next(now)
            if flow is not None:
                self._interconnect.reached(way, flow)
                return flow
        found = self._held or self._following(now)
        if found is None or found[1].uri != way.uri:
            self._held = found
            return None
        self._held = None
        counted = self._counted
        self._leave()
        self._interconnect.failed(way, now)
        self._enter(*found)
        if counted:  # whoever sends without `sends` does not tell the end of it either
            self._count()
        return found[1].flow

    # -- sip.proxy.ForkOwner

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Wait for the fork to end: it has one branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Pass the answer on, or try the next way where there was none."""
        way = self._leave()
        if status in _PASSED_ON and way is not None:
            self._interconnect.failed(way, now)
            if self._may_go_on(fork, status) and self._try_next(fork, now):
                return
        if response is None and status == 503 and not fork.answered:
            fork.reply(504, now, b"No peer can be reached")
        else:
            PLAIN.on_final(fork, response, status, now)

    def _may_go_on(self, fork: Fork, status: int) -> bool:
        if fork.answered or fork.cancelled or not self._repeats:
            return False
        # Timer F is over for whoever sent it, too (RFC 4320 4.2).
        return fork.invite or status != 408

    def _try_next(self, failed: Fork, now: float) -> bool:
        target = self.next_target(now)
        while target is not None:
            fork = self._again(failed, target, self)
            self.sends()
            if fork.start((target,), now) is None:
                return True
            self._leave()
            target = self.next_target(now)
        return False

    # -- which way is being gone

    def _following(self, now: float) -> tuple[Way, Target] | None:
        for way in self._ways:
            target = self._dial(way, now)
            if target is not None:
                return way, target
            self._interconnect.failed(way, now)
        return None

    def _enter(self, way: Way, target: Target) -> None:
        self._way = way
        self._inner = target.spares
        self._interconnect.reached(way, target.flow)

    def _count(self) -> None:
        way = self._way
        if way is not None and not self._counted:
            way.partner.stats.requests += 1
            way.partner.waiting += 1
            self._counted = True

    def _leave(self) -> Way | None:
        way, self._way = self._way, None
        if way is not None and self._counted:
            way.partner.waiting -= 1
        self._counted = False
        return way
