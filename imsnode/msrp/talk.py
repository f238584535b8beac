# SPDX-License-Identifier: Apache-2.0
"""A dialog of the node's own with one MSRP session: what a softphone's call is to the softphone.

The node is called (`Talk.accept`, `Talk.refuse`) or calls; either way whoever uses the talk hears
of messages and of its end, and need not know of transactions, offers and connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from session_msrp.chunk import Chunk
from session_msrp.errors import MediaError
from session_msrp.limits import Limits
from session_msrp.media import Description
from session_msrp.outbox import Outgoing
from session_msrp.party import Agreed, MediaWish, read_answer, read_offer
from session_msrp.session import Delivered, Event, Failed, Received, Reported
from sip.bodies.mediatype import media_type
from sip.bodies.mime import Part
from sip.bodies.sdp import MEDIA_TYPE, Media
from sip.dialog import Dialog, accept_request
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Draft, Target
from sip.message import Request, Response, build_response
from sip.proxy import Branch, Fork
from sip.transaction.server import ServerTransaction

from .ends import End
from .session_timer import SessionTimer
from .side import Side
from .talk_user import TalkUser
from .unacknowledged import Unacknowledged

if TYPE_CHECKING:
    from .connection import Connection
    from .talks import Talks

__all__ = ["Talk"]

_ALLOW: Final = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER, SUBSCRIBE, MESSAGE"
_CONNECT: Final = 1  # timer


class State(Enum):
    """Where a dialog stands. OFFERED: an INVITE is unanswered. ANSWERED: our 2xx has no ACK."""

    OFFERED = auto()
    ANSWERED = auto()
    CONFIRMED = auto()
    OVER = auto()


class Calling(Fork):
    """The fork of an INVITE of ours; every 2xx is shown to its talk, again and again."""

    talk: Talk

    def relay(self, response: Response, now: float) -> None:
        """Take a response that a proxy would send upstream."""
        if 200 <= response.status < 300:
            self.talk.answered(response, now)


class Talk:
    """See the module. local, remote: addresses of record. peer: what the peer's SDP says.

    section: the peer's m=message section, with all its attributes. invite: the request that came,
    None for a call of ours; response: the 2xx to ours, None before and for one that came. resume_s:
    how long a lost connection waits for a new offer (RFC 4975 5.4), 0: the talk ends with it.
    idle_s: how long nothing may pass, 0: for ever.
    """

    def __init__(
        self, table: Talks, number: str, user: TalkUser, local: str, remote: str, flow: Flow,
        wish: MediaWish, limits: Limits, contact: bytes, now: float,
    ) -> None:  # fmt: skip
        self.id = number
        self.user = user
        self.local = local
        self.remote = remote
        self.flow = flow
        self.contact = contact
        self.began = now
        self.state = State.OFFERED
        self.connected = False
        #: Told of another description of the peer; True: the session goes on when `established`
        #: comes again.
        self.renewed: Callable[[Talk, bool], None] = _unheard
        #: Content type the peer has to take, in every description; b"" for any.
        self.needs = b""
        self.resume_s = 0.0
        self.idle_s = 0.0
        self.call_id = b""
        self.invite: Request | None = None
        self.response: Response | None = None
        self.dialog: Dialog | None = None
        self.side = Side(self, table.ends, lambda: table.door(self.flow), wish, limits)
        self._table = table
        self._transaction: ServerTransaction | None = None
        self._fork: Fork | None = None
        self._offering = False  # our 2xx has the offer, the ACK will have the answer
        self._ack: tuple[Flow, bytes] = (flow, b"")
        self._answer: Unacknowledged | None = None
        self._timer = SessionTimer(table.endpoint, self.hang_up, self._keep_up)

    @property
    def inbound(self) -> bool:
        """True when the peer called."""
        return self.invite is not None

    @property
    def end(self) -> End | None:
        """Our end of the session, None before the answer to an offer of the peer's."""
        return self.side.end

    @property
    def peer(self) -> Description | None:
        """What the peer's description says of the session."""
        return self.side.peer

    @property
    def section(self) -> Media | None:
        """The peer's m=message section, with all its attributes."""
        return self.side.section

    @property
    def used(self) -> float:
        """When something passed last."""
        return self.began if self.end is None else self.end.used

    @property
    def connection(self) -> Connection | None:
        """What the session runs over, None while there is nothing."""
        return None if self.end is None else self.end.link

    @property
    def over(self) -> bool:
        """True when it has ended."""
        return self.state is State.OVER

    # -- messages --------------------------------------------------------------------------------

    def send(self, message: Outgoing) -> None:
        """Send a message; before the connection stands it waits."""
        if self.end is not None:
            self.end.send(message)

    def settle(self, received: Received, status: int = 200) -> None:
        """Answer a message that came; a talk that is over has nobody to answer."""
        if self.end is not None:
            self.end.settle(received, status)

    def write(self, octets: bytes) -> None:
        """Send chunks that the user has made."""
        if self.end is not None:
            self.end.write(octets)

    def bound(self, now: float) -> None:
        """See `EndUser`."""
        self.connected = True
        self.user.established(self, now)

    def chunk(self, chunk: Chunk, now: float) -> bool:
        """See `EndUser`."""
        return self.user.chunk(self, chunk, now)

    def happened(self, events: list[Event], now: float) -> None:
        """See `EndUser`."""
        for event in events:
            match event:
                case Received():
                    self.user.received(self, event, now)
                case Delivered(message):
                    if message.body is not None:
                        self.user.delivered(self, message, now)
                case Failed(message, status):
                    if message.body is None:  # the request that opens a connection
                        self.hang_up(f"the session was refused by {status}")
                    else:
                        self.user.failed(self, message, status, now)
                case Reported():
                    self.user.reported(self, event, now)

    def lost(self, reason: str, now: float) -> None:
        """See `EndUser`; a session without its connection has failed (RFC 4975 5.4)."""
        if self.resume_s and self.state is State.CONFIRMED:
            self.connected = False
            self._table.endpoint.timers.schedule(now + self.resume_s, self, _CONNECT)
        else:
            self.hang_up(f"connection: {reason}")

    # -- a call that came ------------------------------------------------------------------------

    def called(
        self, request: Request, transaction: ServerTransaction, agreed: Agreed | None
    ) -> None:
        """Take up an INVITE whose offer was read; None: there is none, the 2xx will have it."""
        self.invite = request
        self.call_id = request.call_id
        self._transaction = transaction
        transaction.user = self
        if agreed is not None:
            self.side.agree(agreed)

    def accept(self, lines: Sequence[bytes] = (), wish: MediaWish | None = None) -> None:
        """Answer 200. Args: lines: header lines. wish: in the place of that known before."""
        transaction, request = self._transaction, self.invite
        if self.state is not State.OFFERED or transaction is None or request is None:
            return
        now = self._table.now()
        side = self.side
        side.wish = wish or side.wish
        try:
            self.dialog = self._table.dialog_of(request, self.flow)
        except BadMessage as error:
            self.refuse(error.status_hint, error.reason.encode())
            return
        if side.peer is not None and not self._takes(side.peer):
            self.refuse(488, b"The session has to carry " + self.needs)
            return
        self._offering = side.peer is None
        ready = side.offer(self.flow.secure) is not None if self._offering else side.answer()
        if not ready:
            self.refuse(488, b"No MSRP listener for this transport")
            return
        self.state = State.ANSWERED
        self._table.know(self)
        extra = [b"Contact: " + self.contact, _ALLOW, *self._timer.asked(request, now), *lines]
        ok = build_response(
            request, 200, None, extra, side.description, MEDIA_TYPE,
            self.dialog.local_tag, record_route=True,
        )  # fmt: skip
        self._answer = Unacknowledged(transaction, ok, self._table.endpoint, self._unheard)
        self._answer.send(now)
        if not self._offering:
            self._connect(now)

    def refuse(self, status: int, reason: bytes | None = None, lines: Sequence[bytes] = ()) -> None:
        """Answer an INVITE with a failure; ``ended`` follows."""
        transaction = self._transaction
        if self.state is not State.OFFERED or transaction is None:
            return
        now = self._table.now()
        self._table.endpoint.respond(transaction, status, now, reason, lines)
        self._finish(status, (reason or b"refused").decode("utf-8", "replace"), now)

    def cancelled(self, now: float) -> None:
        """Take a CANCEL of the INVITE."""
        self.refuse(487)

    # -- a call of ours --------------------------------------------------------------------------

    def call(
        self,
        fields: Sequence[tuple[bytes, bytes]],
        target: Target,
        secure: bool,
        parts: Sequence[Part] = (),
    ) -> None:
        """Send the INVITE. Args: parts: of its body, beside the description."""
        now = self._table.now()
        body = self.side.offer(secure)
        if body is None:
            self._table.ends.soon(lambda: self._finish(503, "no MSRP listener", now))
            return
        kind = MEDIA_TYPE
        if parts:
            described = Part(b"Content-Type: " + MEDIA_TYPE, (), body)
            kind, body = self._table.together([described, *parts])
        draft = Draft("INVITE", [*fields, (b"Content-Type", kind)], body)
        fork = self._fork = Calling(self._table.proxy, None, draft, self)
        fork.talk = self
        fork.start((target,), now)

    def answered(self, response: Response, now: float) -> None:
        """Take a 2xx, the first or a repeat of it (RFC 3261 13.2.2.4)."""
        dialog = self.dialog
        if dialog is not None and response.to_tag == dialog.remote_tag:
            flow, ack = self._ack
            self._table.endpoint.send(flow, ack, now)
            return
        try:
            made = self._table.dialog_by(response, self.flow)
        except BadMessage:
            self.hang_up("the answer has no Contact")
            return
        if dialog is not None or self.state is State.OVER:  # another took it too, or too late
            self._table.acknowledge(made, self.flow, response.cseq, now)
            self._table.send(made, self.flow, "BYE", now)
            return
        self.dialog, self.response = made, response
        self.state = State.CONFIRMED
        self._table.know(self)
        self._ack = self._table.acknowledge(made, self.flow, response.cseq, now)
        self._timer.granted(response, now)
        try:
            agreed = read_answer(response.body)
        except (BadMessage, MediaError) as error:
            self.hang_up(f"answer: {error.reason}")
            return
        self.side.answered(agreed)
        self._connect(now)

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """See `ForkOwner`; the final response counts."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """See `ForkOwner`."""
        self._fork = None
        if status >= 300:
            reason = response.reason.decode("utf-8", "replace") if response else "no answer"
            self.response = response
            self._finish(status, reason, now)

    # -- inside the dialog -----------------------------------------------------------------------

    def acknowledged(self, request: Request) -> None:
        """Take the ACK of our 2xx, with the answer where the 2xx had the offer (RFC 3264 4)."""
        if self._answer is not None:
            self._answer.acknowledged()
        if self.state is State.ANSWERED:
            self.state = State.CONFIRMED
        if self._offering and not self.over:
            self._offering = False
            try:
                agreed = read_answer(request.body)
            except (BadMessage, MediaError) as error:
                self.hang_up(f"answer: {error.reason}")
                return
            if not self._takes(agreed.description):
                self.hang_up("answer: not the content of this session")
                return
            self.side.answered(agreed)
            self._connect(self._table.now())

    def _takes(self, peer: Description) -> bool:
        return not self.needs or peer.accepts(self.needs)

    def request(self, request: Request, flow: Flow, now: float) -> None:
        """Serve a request of the dialog other than ACK."""
        endpoint = self._table.endpoint
        transaction = endpoint.accept(request, flow, now)
        dialog = self.dialog
        wrong = accept_request(dialog, request) if dialog is not None else 481
        if wrong:
            endpoint.respond(transaction, wrong, now)
            return
        self.flow = flow
        method = request.method
        if method == "BYE":
            endpoint.respond(transaction, 200, now)
            self._finish(200, "hung up", now)
        elif method in ("INVITE", "UPDATE"):
            self._refresh(request, transaction, now)
        elif method == "OPTIONS":
            endpoint.respond(transaction, 200, now, None, (_ALLOW,))
        elif not self.user.requested(self, request, transaction, now):
            endpoint.respond(transaction, 405, now, None, (_ALLOW,))

    def _refresh(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Answer an offer inside the dialog, or a refresh without one (RFC 3264 8, RFC 4028)."""
        endpoint = self._table.endpoint
        description = self.side.description
        if media_type(request.get("content-type") or b"") == MEDIA_TYPE and request.body:
            try:
                agreed = read_offer(request.body)
                if not self._takes(agreed.description):
                    raise MediaError("the session has to carry " + self.needs.decode())
                moves = self.side.renew(agreed)
            except (BadMessage, MediaError) as error:
                endpoint.respond(transaction, 488, now, b"SDP: " + error.reason.encode())
                return
            description = self.side.description
            self.connected = self.connected and not moves
            self.renewed(self, moves)
            if moves and not self.over:
                self._connect(now)
        elif request.method == "UPDATE":
            description = b""
        lines = [b"Contact: " + self.contact, _ALLOW, *self._timer.asked(request, now)]
        kind = MEDIA_TYPE if description else None
        if request.method == "UPDATE":
            endpoint.respond(
                transaction, 200, now, None, lines, body=description, content_type=kind
            )
            return
        if self._answer is not None:
            self._answer.acknowledged()  # a new offer proves that the one before is settled
        ok = build_response(request, 200, None, lines, description, kind)
        self._answer = Unacknowledged(transaction, ok, endpoint, self._unheard)
        self._answer.send(now)

    def hang_up(self, why: str = "hung up") -> None:
        """End it, wherever it stands; ``ended`` follows at once."""
        now = self._table.now()
        if self.state is State.OVER:
            return
        if self.state is State.OFFERED and self.inbound:
            self.refuse(480, why.encode("utf-8", "replace"))
            return
        if self.dialog is not None:
            self._table.send(self.dialog, self.flow, "BYE", now)
            self._finish(200, why, now)
            return
        fork = self._fork
        self._finish(487, why, now)
        if fork is not None:
            fork.cancel(now)

    def _connect(self, now: float) -> None:
        if self.end is None:
            return
        self.end.open()
        self._table.endpoint.timers.schedule(now + self._table.connect_s, self, _CONNECT)

    def on_timer(self, kind: int, now: float) -> None:
        """Give up a peer that does not connect."""
        if self.state is not State.OVER and not self.connected:
            self.hang_up("nobody connected")

    def _unheard(self) -> None:
        self.hang_up("no ACK came")

    def _keep_up(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Refresh the session by an UPDATE (RFC 4028 7.4)."""
        if self.dialog is not None and not self.over:
            headers = [(b"Contact", self.contact), *fields]
            now, timer = self._table.now(), self._timer
            self._table.send(self.dialog, self.flow, "UPDATE", now, headers, owner=timer)

    def _finish(self, status: int, reason: str, now: float) -> None:
        if self.state is State.OVER:
            return
        self.state = State.OVER
        if self._answer is not None:
            self._answer.acknowledged()
        self._timer.stop()
        self._table.forget(self)
        self.side.close()
        self.user.ended(self, status, reason, now)


def _unheard(_talk: Talk, _moves: bool) -> None:
    """Whoever talks need not know."""
