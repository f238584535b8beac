# SPDX-License-Identifier: Apache-2.0
"""REFER to a room: somebody is called in, or sent away (RFC 4579 5.5, 5.11; RFC 3515).

What came of it is told in NOTIFYs of the subscription that a REFER makes, unless it asks for none
(RFC 4488).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from session_msrp.rooms import edits
from session_msrp.rooms.live import LiveRoom
from session_msrp.rooms.ports import Changed
from session_msrp.rooms.values import Access, Role
from sip.dialog import Dialog
from sip.errors import BadMessage, ParseError
from sip.flow import Flow
from sip.headers.address import parse_address
from sip.message import Request
from sip.reasons import REASONS
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction
from sip.uri import Uri

from ..msrp.talk import Talk
from ..msrp.talks import Talks
from ..registration import Clock
from .contact import contact_for, unsupported
from .focus import Focus
from .inviting import Inviting
from .keeping import Keeping

__all__ = ["Referring"]

_TRYING: Final = 100


class Referring:
    """Serves REFER for all rooms.

    Args: aor_of: the address of record of a URI. turns_away(who, whom): how somebody answers
        whoever they do not want to hear from, 0 where they may be asked. wake: has what was made
        for SIP sent.
    """

    def __init__(
        self,
        talks: Talks,
        focus: Focus,
        keeping: Keeping,
        inviting: Inviting,
        clock: Clock,
        aor_of: Callable[[Uri], str],
        turns_away: Callable[[str, str], int],
        wake: Callable[[], None],
    ) -> None:
        self._talks = talks
        self._endpoint = talks.endpoint
        self._focus = focus
        self._keeping = keeping
        self._inviting = inviting
        self._clock = clock
        self._aor_of = aor_of
        self._turns_away = turns_away
        self._wake = wake

    def within(
        self, talk: Talk, request: Request, transaction: ServerTransaction, now: float
    ) -> bool:
        """Serve a request of a session's dialog: REFER; False for one that is not known."""
        if request.method == "SUBSCRIBE":  # RFC 6665 4.5.2; the roster has a dialog of its own
            self._endpoint.respond(transaction, 403, now, b"Dialog sharing is not supported")
            return True
        live = self._keeping.rooms.get(talk.local)
        if request.method != "REFER" or live is None or talk.dialog is None:
            return False
        self._serve(live, request, transaction, talk.remote, talk.dialog, talk.flow, now)
        return True

    def outside(
        self, request: Request, flow: Flow, sender: str, live: LiveRoom, now: float
    ) -> None:
        """Serve a REFER that begins a dialog of its own."""
        transaction = self._endpoint.accept(request, flow, now)
        try:
            dialog = self._talks.dialog_of(request, flow)
        except BadMessage as error:
            self._endpoint.respond(transaction, error.status_hint, now, error.reason.encode())
            return
        self._serve(live, request, transaction, sender, dialog, flow, now)

    def _serve(
        self,
        live: LiveRoom,
        request: Request,
        transaction: ServerTransaction,
        sender: str,
        dialog: Dialog,
        flow: Flow,
        now: float,
    ) -> None:
        wish = self._read(live, request, sender)
        if isinstance(wish, Refusal):
            self._endpoint.respond(transaction, wish.status, now, wish.reason, wish.lines)
            return
        whom, leaves = wish
        silent = (request.get("refer-sub") or b"").strip().lower() == b"false"
        lines = [b"Contact: " + contact_for(request, live.room.aor)]
        if silent:
            lines.append(b"Refer-Sub: false")
        self._endpoint.respond(transaction, 202, now, None, lines)
        event = b"refer;id=%d" % request.cseq

        def told(status: int) -> None:
            if not silent:
                self._notify(dialog, flow, event, live.room.aor, status)

        told(_TRYING)
        if leaves:
            gone = self._focus.remove(live, whom, f"removed by {sender}")
            told(200 if gone else 404)
        else:
            self._bring(live, whom, sender, told)

    def _read(self, live: LiveRoom, request: Request, sender: str) -> tuple[str, bool] | Refusal:
        """Return whom a REFER concerns, and whether they are to leave."""
        refusal = unsupported(request)
        if refusal is not None:
            return refusal
        if live.room.role_of(sender) is None:
            return Refusal(403, None, ())
        values = request.items("refer-to")
        if len(values) != 1:
            return Refusal(400, b"One Refer-To is needed", ())
        try:
            uri = parse_address(values[0], "Refer-To").uri
        except ParseError as error:
            return Refusal(400, error.reason.encode(), ())
        method = (uri.param("method") or b"INVITE").upper()
        whom = self._aor_of(uri)
        if method not in (b"INVITE", b"BYE") or not uri.is_sip:
            return Refusal(400, b"Only INVITE and BYE are done for others", ())
        leaves = method == b"BYE"
        if not self._may(live, sender, whom, leaves):
            return Refusal(403, b"Moderators alone may do that", ())
        return whom, leaves

    def _may(self, live: LiveRoom, sender: str, whom: str, leaves: bool) -> bool:
        """Say whether somebody may bring another in, or send them away."""
        room = live.room
        if leaves and room.role_of(whom) is Role.OWNER:
            return room.role_of(sender) is Role.OWNER
        if room.may_moderate(sender):
            return True
        return whom == sender if leaves else room.access is Access.OPEN

    def _bring(self, live: LiveRoom, whom: str, sender: str, told: Callable[[int], None]) -> None:
        """Call somebody in; where members alone may come, they become one first."""
        unwelcome = self._turns_away(sender, whom)
        if unwelcome:
            told(unwelcome)
            return
        if live.room.role_of(whom) is not None or live.room.access is Access.OPEN:
            self._inviting.invite(live, whom, told, live.shown(sender))
            return

        def done(changed: Changed) -> None:
            if changed.refused:
                told(404)
            else:
                self._inviting.invite(live, whom, told, live.shown(sender))

        self._keeping.change(live.room.aor, edits.set_members(live.room.aor, [whom]), done, sender)

    def _notify(self, dialog: Dialog, flow: Flow, event: bytes, room: str, status: int) -> None:
        """Tell how far it is (RFC 3515 2.4.4)."""
        over = b"active;expires=60" if status < 200 else b"terminated;reason=noresource"
        headers = [
            (b"Event", event),
            (b"Subscription-State", over),
            (b"Contact", b"<" + room.encode() + b">;isfocus"),
            (b"Content-Type", b"message/sipfrag;version=2.0"),
        ]
        body = b"SIP/2.0 %d %b\r\n" % (status, REASONS.get(status, b"Failed"))
        self._talks.send(dialog, flow, "NOTIFY", self._clock.now(), headers, body)
        self._wake()
