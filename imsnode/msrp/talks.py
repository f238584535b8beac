# SPDX-License-Identifier: Apache-2.0
"""All dialogs in which this node itself is a party of an MSRP session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from presence.event.subscribe import contact_of
from session_msrp.errors import MediaError
from session_msrp.limits import Limits
from session_msrp.negotiation import Door
from session_msrp.party import MediaWish, read_offer
from sip.bodies.mime import Part, media_type
from sip.bodies.multipart import is_multipart, join_parts, parse_multipart
from sip.bodies.sdp import MEDIA_TYPE
from sip.dialog import (
    Dialog,
    DialogKey,
    key_of_request,
    next_request,
    request_route,
    uac_dialog,
    uas_dialog,
)
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Draft, Proxy, Target
from sip.message import Request, Response
from sip.proxy import PLAIN, Fork, ForkOwner
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction

from .connections import Connections
from .ends import Ends
from .talk import Talk
from .talk_user import TalkUser

__all__ = ["Talks", "description_in"]

_ALLOW: Final = b"INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REFER, SUBSCRIBE, MESSAGE"


class Talks:
    """Makes and finds talks.

    Args: door(flow): where whoever is at the far end of a flow reaches this node. number: makes
        ids. most: at a time; more is 503.
        connect_s: how long the other side may take to connect.
    """

    def __init__(
        self,
        proxy: Proxy,
        connections: Connections,
        door: Callable[[Flow], Door],
        number: Callable[[float], str],
        wall: Callable[[], float],
        retry_after: Callable[[], tuple[bytes, ...]],
        most: int,
        connect_s: float,
    ) -> None:
        self.proxy = proxy
        self.endpoint = proxy.endpoint
        self.ends: Ends = connections.ends
        self.now = connections.now
        self.door = door
        self.connect_s = connect_s
        self.all: set[Talk] = set()
        self._number = number
        self._wall = wall
        self._retry_after = retry_after
        self._most = most
        self._dialogs: dict[DialogKey, Talk] = {}

    # -- new ones --------------------------------------------------------------------------------

    def take(
        self,
        user: TalkUser,
        request: Request,
        flow: Flow,
        local: str,
        remote: str,
        limits: Limits,
        now: float,
        wish: MediaWish | None = None,
        contact: bytes = b"",
        transaction: ServerTransaction | None = None,
    ) -> Talk | Refusal:
        """Take up an INVITE; ``Talk.accept`` or ``Talk.refuse`` answers it, now or later.

        Args: local, remote: addresses of record of who is called and who calls. contact: of the
            2xx, with its angle brackets and parameters; one of the node's own without.
            transaction: of the INVITE, where it has one already.
        """
        if len(self.all) >= self._most:
            return Refusal(503, b"Too many sessions", self._retry_after())
        try:
            body = description_in(request)
            if body is None and request.body:
                return Refusal(488, b"An offer of a session is needed", ())
            agreed = None if body is None else read_offer(body)
        except (BadMessage, MediaError) as error:
            return Refusal(488, b"Session description: " + error.reason.encode(), ())
        talk = self._new(user, local, remote, flow, wish, limits, contact, now)
        talk.called(request, transaction or self.endpoint.accept(request, flow, now), agreed)
        return talk

    def call(
        self,
        user: TalkUser,
        target: Target,
        local: str,
        remote: str,
        limits: Limits,
        now: float,
        wish: MediaWish | None = None,
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        parts: Sequence[Part] = (),
        contact: bytes = b"",
        shown: bytes = b"",
    ) -> Talk | None:
        """Call a device; None when there are too many talks.

        Args: local, remote: addresses of record. headers: further header fields. parts: of the
            body, beside the description. shown: From value, where it is not the plain `local`.
        """
        if len(self.all) >= self._most:
            return None
        talk = self._new(user, local, remote, target.flow, wish, limits, contact, now)
        ids = self.endpoint.ids
        talk.call_id = ids.call_id()
        sender = shown or b"<" + local.encode() + b">"
        fields = [
            (b"From", sender + b";tag=" + ids.tag()),
            (b"To", b"<" + remote.encode() + b">"),
            (b"Call-ID", talk.call_id),
            (b"CSeq", b"1 INVITE"),
            (b"Contact", talk.contact),
            (b"Allow", _ALLOW),
            (b"Supported", b"timer"),
            *headers,
        ]
        talk.call(fields, target, target.flow.secure, parts)
        return talk

    def _new(
        self, user: TalkUser, local: str, remote: str, flow: Flow, wish: MediaWish | None,
        limits: Limits, contact: bytes, now: float,
    ) -> Talk:  # fmt: skip
        number = self._number(self._wall())
        contact = contact or contact_of(flow)
        talk = Talk(
            self, number, user, local, remote, flow, wish or MediaWish(), limits, contact, now
        )
        self.all.add(talk)
        return talk

    # -- what the node hands over ----------------------------------------------------------------

    def acknowledged(self, request: Request) -> bool:
        """Take an ACK; False when it is for nobody here."""
        talk = self._dialogs.get(key_of_request(request))
        if talk is not None:
            talk.acknowledged(request)
        return talk is not None

    def find(self, request: Request) -> Talk | None:
        """Return the talk in whose dialog a request says it is, whoever sent it."""
        return self._dialogs.get(key_of_request(request))

    def sweep(self, now: float) -> None:
        """End what has stood still for too long."""
        for talk in list(self.all):
            if talk.idle_s and now - talk.used > talk.idle_s:
                talk.hang_up("nothing passed for too long")

    def leave(self, aor: str) -> None:
        """End the talks with a user who is one no more."""
        for talk in [talk for talk in self.all if aor in (talk.local, talk.remote)]:
            talk.hang_up("no user any more")

    def rows(self, now: float) -> list[Mapping[str, object]]:
        """Say of every talk between whom it is and what has passed."""
        return [_row(talk, now) for talk in self.all]

    def stop(self) -> None:
        """Hang up everywhere: the node goes down."""
        for talk in list(self.all):
            talk.hang_up("the node stops")

    # -- for talks -------------------------------------------------------------------------------

    def know(self, talk: Talk) -> None:
        """Find a talk by its dialog from now on."""
        assert talk.dialog is not None
        self._dialogs[talk.dialog.key] = talk

    def forget(self, talk: Talk) -> None:
        """Keep a talk no more."""
        self.all.discard(talk)
        if talk.dialog is not None:
            self._dialogs.pop(talk.dialog.key, None)

    def dialog_of(self, request: Request, flow: Flow) -> Dialog:
        """Return the dialog that our 2xx to an INVITE makes. Raises: ParseError."""
        return uas_dialog(request, self.endpoint.to_tag(request), flow.secure)

    def dialog_by(self, response: Response, flow: Flow) -> Dialog:
        """Return the dialog that a 2xx to our INVITE makes. Raises: ParseError."""
        return uac_dialog(response, flow.secure)

    def acknowledge(self, dialog: Dialog, flow: Flow, cseq: int, now: float) -> tuple[Flow, bytes]:
        """Send the ACK of a 2xx; returns it and its way, for when the 2xx comes again."""
        target = self._target(dialog, flow, now)
        _, fields = next_request(dialog, "ACK", cseq)
        draft = Draft("ACK", _unrouted(fields))
        ack = self.proxy.build_draft(draft, target, target.flow, self.endpoint.ids.branch())
        self.endpoint.send(target.flow, ack, now)
        return target.flow, ack

    def send(
        self,
        dialog: Dialog,
        flow: Flow,
        method: str,
        now: float,
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        owner: ForkOwner = PLAIN,
    ) -> None:
        """Send a request inside a dialog. Args: owner: hears its answer, which else is lost."""
        _, fields = next_request(dialog, method)
        draft = Draft(method, [*_unrouted(fields), *headers], body)
        Fork(self.proxy, None, draft, owner).start((self._target(dialog, flow, now),), now)

    def _target(self, dialog: Dialog, flow: Flow, now: float) -> Target:
        """Return the way inside a dialog: its routes, else the flow that its INVITE used."""
        uri, routes = request_route(dialog)
        if not dialog.route_set and not flow.closed:
            return Target(uri, flow, (), bound=True)
        target = self.proxy.target_for(dialog.remote_target, list(dialog.route_set), now)
        return Target(uri, flow, routes) if isinstance(target, Refusal) else target

    def together(self, parts: Sequence[Part]) -> tuple[bytes, bytes]:
        """Return Content-Type and octets of a body of several parts."""
        boundary, body = join_parts(parts, self.endpoint.ids.token(16).encode())
        return b'multipart/mixed;boundary="' + boundary + b'"', body


def description_in(request: Request) -> bytes | None:
    """Return the session description in a request, alone or beside other parts.

    Raises: ParseError.
    """
    kind = request.get("content-type") or b""
    if not request.body:
        return None
    if not is_multipart(kind):
        return request.body if media_type(kind) == MEDIA_TYPE else None
    parts = parse_multipart(kind, request.body)
    return next((part.content for part in parts if part.media_type == MEDIA_TYPE), None)


def _row(talk: Talk, now: float) -> Mapping[str, object]:
    people = (talk.remote, talk.local) if talk.inbound else (talk.local, talk.remote)
    answered = "answered" if talk.dialog is not None else "offered"
    return {
        "id": talk.id,
        "call_id": talk.call_id.decode("utf-8", "backslashreplace"),
        "caller": people[0],
        "callee": people[1],
        "state": "connected" if talk.connected else answered,
        "age": max(0, round(now - talk.began)),
        "idle": max(0, round(now - talk.used)),
        "chunks": 0 if talk.end is None else talk.end.chunks,
        "octets": 0 if talk.end is None else talk.end.octets,
    }


def _unrouted(fields: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [field for field in fields if field[0] != b"Route"]
