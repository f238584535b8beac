# SPDX-License-Identifier: Apache-2.0
"""The conference factory: an INVITE to it makes a room, and may name who is called in.

RFC 4579 5.4 (a room by a URI that stands for none), RFC 5366 (the list of recipients).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from session_msrp.rooms import edits
from session_msrp.rooms.ports import Changed, RoomStore
from session_msrp.rooms.values import Member, Role, Room
from sip.bodies import resource_lists
from sip.bodies.mime import Part
from sip.bodies.multipart import is_multipart, parse_multipart
from sip.bodies.resource_lists import Entry, build_history, parse_recipients
from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal
from sip.uri import Uri, parse_uri

from ..msrp.talk import Talk
from ..msrp.talks import Talks
from ..registration import Clock
from .bounds import FactorySettings
from .contact import contact_for, hidden_as, unsupported
from .focus import Focus
from .inviting import Inviting
from .keeping import Keeping

__all__ = ["Factory", "factory_aor"]

LIST_TAG: Final = b"recipient-list-invite"
_ALLOW: Final = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"
_HISTORY_HEAD: Final = (
    b"Content-Type: " + resource_lists.MEDIA_TYPE + b"\r\n"
    b"Content-Disposition: recipient-list-history;handling=optional"
)


def factory_aor(domain: str) -> str:
    """Return the address of the factory of a domain."""
    return f"sip:conference-factory@{domain}"


class Factory:
    """Serves the addresses of the factory (`imsnode.services.Service`).

    Args: is_known, must_be_asked: of somebody on a list: whether they can be called, and whether
        they have yet to agree to that (RFC 5360). turns_away(who, whom): how somebody answers
        whoever they do not want to hear from, 0 where they may be called. new_name: makes the user
        part of a room's address, which nobody can guess. wake: has what was made for SIP sent.
    """

    def __init__(
        self,
        settings: FactorySettings,
        endpoint: Endpoint,
        talks: Talks,
        focus: Focus,
        keeping: Keeping,
        inviting: Inviting,
        store: RoomStore,
        clock: Clock,
        aor_of: Callable[[Uri], str],
        is_known: Callable[[str], bool],
        must_be_asked: Callable[[str], bool],
        turns_away: Callable[[str, str], int],
        new_name: Callable[[], str],
        wake: Callable[[], None],
    ) -> None:
        self.made = 0
        self._coming: Counter[str] = Counter()  # rooms that are being made, by their makers
        self._settings = settings
        self._endpoint = endpoint
        self._talks = talks
        self._focus = focus
        self._keeping = keeping
        self._inviting = inviting
        self._store = store
        self._clock = clock
        self._aor_of = aor_of
        self._is_known = is_known
        self._must_be_asked = must_be_asked
        self._turns_away = turns_away
        self._new_name = new_name
        self._wake = wake

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request; an INVITE makes a room."""
        refusal = unsupported(request, frozenset((LIST_TAG,)))
        if request.method == "OPTIONS" and refusal is None:
            refusal = Refusal(200, None, (_ALLOW, b"Supported: " + LIST_TAG))
        elif request.method != "INVITE":
            refusal = refusal or Refusal(405, b"Only INVITE is served here", (_ALLOW,))
        elif request.to_tag:
            refusal = Refusal(481, None, ())
        elif not sender:
            refusal = Refusal(403, None, ())
        elif self._keeping.owned(sender) + self._coming[sender] >= self._settings.user_rooms:
            refusal = Refusal(403, b"You have too many rooms", ())
        if refusal is None:
            refusal = self._make(request, flow, sender, aor.rpartition("@")[2], now)
        if refusal is not None:
            self._endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)

    def _make(
        self, request: Request, flow: Flow, sender: str, domain: str, now: float
    ) -> Refusal | None:
        """Make a room, then let its maker in, then call who is on the list."""
        try:
            entries = self._recipients(request)
        except BadMessage as error:
            return Refusal(error.status_hint, error.reason.encode(), ())
        missing = [b"<%b>" % who.encode() for who, _ in entries if self._must_be_asked(who)]
        if missing:
            line = b"Permission-Missing: " + b", ".join(missing)
            return Refusal(470, b"Consent Needed", (line,))
        # As if they had no device: who does not want to hear from somebody does not say so.
        entries = [each for each in entries if not self._turns_away(sender, each[0])]
        room = self._room(sender, domain, [who for who, _ in entries])
        contact = contact_for(request, room.aor)
        talk = self._talks.take(
            self._focus, request, flow, room.aor, sender, self._focus.limits.msrp, now,
            contact=contact,
        )  # fmt: skip
        if isinstance(talk, Refusal):
            return talk
        hidden = hidden_as(request, room.aor, self._new_name)

        def made(changed: Changed) -> None:
            self._coming[sender] -= 1
            if not self._coming[sender]:
                del self._coming[sender]
            if changed.room is None:
                talk.refuse(503, changed.refused.encode())
            else:
                self._open(talk, changed.room, hidden)
                self._call(talk, entries)
            self._wake()

        self._coming[sender] += 1
        self._store.change(room.aor, edits.create(room), made, sender)
        return None

    def _open(self, talk: Talk, room: Room, hidden: str) -> None:
        """Let the maker of a room in."""
        self.made += 1
        live = self._keeping.apply(None, room, self._clock.now())
        if live is not None and not talk.over:
            self._focus.admit(talk, live, hidden, (b"Supported: " + LIST_TAG,))

    def _room(self, maker: str, domain: str, people: Sequence[str]) -> Room:
        members = {who: Member(who) for who in people}
        members[maker] = Member(maker, Role.OWNER)
        settings = self._settings
        return Room(
            f"sip:{self._new_name()}@{domain}",
            access=settings.access,
            history=settings.history,
            idle_s=settings.idle_s,
            created_at=self._clock.wall(),
            members=members,
        )

    def _recipients(self, request: Request) -> list[tuple[str, Entry]]:
        """Return who is on the list of a request, by AoR, without those nobody knows here.

        Raises: ParseError.
        """
        kind = request.get("content-type") or b""
        if not is_multipart(kind):
            return []
        found: dict[str, Entry] = {}
        for part in parse_multipart(kind, request.body):
            if part.media_type != resource_lists.MEDIA_TYPE:
                continue
            for entry in parse_recipients(part.content, self._settings.invited):
                aor = self._aor_of(parse_uri(entry.uri.encode("utf-8", "replace")))
                if self._is_known(aor):
                    found.setdefault(aor, replace(entry, uri=aor))
        return list(found.items())

    def _call(self, talk: Talk, entries: Sequence[tuple[str, Entry]]) -> None:
        live = self._keeping.rooms.get(talk.local)
        if live is None or talk.over:
            return
        listed = [entry for _, entry in entries if entry.copy != "bcc"]
        parts = [Part(_HISTORY_HEAD, (), build_history(listed))] if listed else []
        for aor, _ in entries:
            if aor != talk.remote:
                self._inviting.invite(live, aor, _nobody_asks, live.shown(talk.remote), parts)


def _nobody_asks(_status: int) -> None:
    """Who is not there is not in the roster."""
