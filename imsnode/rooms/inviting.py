# SPDX-License-Identifier: Apache-2.0
"""Calling people into a room: for a moderator, a list at its making, or a member who is back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from session_msrp.rooms.live import LiveRoom
from sip.bodies.mime import Part
from sip.flow import Flow
from sip.forward import Target

from ..location import Location
from ..msrp.talks import Talks
from ..registration import Clock
from .contact import FEATURES
from .focus import Focus
from .invitation import Done, Invitation

__all__ = ["Inviting"]

#: Users whose devices ring at a time; more is 491, as is one who rings already.
_MOST_RINGING: Final = 1000


class Inviting:
    """Args: way_to(host, now): a flow to the next hop of another domain, None without one.

    is_local(host): whether a domain is served here. wake: has what was made for SIP sent.
    """

    def __init__(
        self,
        focus: Focus,
        talks: Talks,
        location: Location,
        clock: Clock,
        is_local: Callable[[str], bool],
        way_to: Callable[[str, float], Flow | None],
        wake: Callable[[], None],
    ) -> None:
        self.called = 0
        self._ringing: set[tuple[str, str]] = set()
        self._focus = focus
        self._talks = talks
        self._location = location
        self._clock = clock
        self._is_local = is_local
        self._way_to = way_to
        self._wake = wake

    def invite(
        self,
        live: LiveRoom,
        aor: str,
        done: Done,
        by: str = "",
        parts: Sequence[Part] = (),
    ) -> None:
        """Call somebody; ``done(status)`` comes once, maybe at once.

        Args: by: URI of who asked for it (RFC 3892). parts: of the body, beside the description.
        """
        now = self._clock.now()
        room = live.room
        refusal = self._focus.refusal(live, aor)
        if refusal is not None:
            done(refusal.status)
            return
        if (room.aor, aor) in self._ringing or len(self._ringing) >= _MOST_RINGING:
            done(491)
            return
        self._ringing.add((room.aor, aor))

        def over(status: int) -> None:
            self._ringing.discard((room.aor, aor))
            done(status)

        targets = self._targets(aor, now)
        invitation = Invitation(live, aor, over)
        headers = [(b"Referred-By", b"<" + by.encode() + b">")] if by else []
        for target in targets:
            talk = self._talks.call(
                self._focus, target, room.aor, aor, self._focus.limits.msrp, now,
                self._focus.wish(room), headers=headers, parts=parts,
                contact=b"<" + room.aor.encode() + b">" + FEATURES,
            )  # fmt: skip
            if talk is not None and not talk.over:
                self.called += 1
                invitation.talks.add(talk)
                self._focus.called(talk, invitation)
        self._wake()
        if not invitation.talks:
            over(480 if not targets else 503)

    def _targets(self, aor: str, now: float) -> Sequence[Target]:
        host = aor.rpartition("@")[2]
        if self._is_local(host):
            return self._location.targets(aor, now)
        flow = self._way_to(host, now)
        return () if flow is None else (Target(aor.encode(), flow),)
