# SPDX-License-Identifier: Apache-2.0
"""MESSAGEs to a room: what a member without a session says there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pager.identity import request_identity
from pager.ports import Clock
from session_msrp.errors import BadChunk
from session_msrp.rooms.dated import wrapped
from session_msrp.rooms.envelope import NOTICES, AorOf, open_envelope
from session_msrp.rooms.live import LiveRoom
from session_msrp.rooms.repeats import repeat_key
from session_msrp.rooms.switch import Switch
from session_msrp.rooms.values import RoomMessage
from sip.bodies.mediatype import is_cpim, media_type
from sip.endpoint import Endpoint
from sip.errors import ParseError
from sip.flow import Flow
from sip.message import Request
from sip.privacy import ANONYMOUS
from sip.routing import Refusal

from .returns import Returns

__all__ = ["Door"]

_NOT_FOUND: Final = Refusal(404, None, ())
_STRANGER: Final = Refusal(403, b"Not a member of this room", ())
_SILENT: Final = Refusal(403, b"Not one who may speak in this room", ())
_HIDDEN: Final = Refusal(403, b"Nobody speaks here without a name", ())
_LARGE: Final = Refusal(413, b"The message is too large", ())


class Door:
    """Takes MESSAGEs for rooms. body_bytes: longest body. retry_after: header lines of a 503."""

    def __init__(
        self,
        endpoint: Endpoint,
        switch: Switch,
        returns: Returns,
        clock: Clock,
        aor_of: AorOf,
        body_bytes: int,
        retry_after: Callable[[], tuple[bytes, ...]],
    ) -> None:
        self.body_bytes = body_bytes
        self.taken = 0
        self._endpoint = endpoint
        self._switch = switch
        self._returns = returns
        self._clock = clock
        self._aor_of = aor_of
        self._retry_after = retry_after

    def request(
        self, request: Request, flow: Flow, sender: str, room: LiveRoom, now: float
    ) -> None:
        """Answer a MESSAGE from somebody who was authenticated."""
        refusal = self._refused(request, sender, room)
        content: bytes | None = None
        if refusal is None:
            try:
                content = self._content(request, sender, room.room.aor)
            except (BadChunk, ParseError) as error:
                status = error.status if isinstance(error, BadChunk) else 400
                refusal = Refusal(status, error.reason.encode(), ())
        if refusal is not None:
            self._endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)
            return
        transaction = self._endpoint.accept(request, flow, now)
        if content is None:
            self._endpoint.respond(transaction, 200, now)
            return
        member = room.room.members[sender]
        if not member.pager and sender not in room.participants:
            self._returns.by_message(room.room, sender)

        def done(message: RoomMessage | None, now: float) -> None:
            if message is None:
                self._endpoint.respond(transaction, 503, now, None, self._retry_after())
            else:
                self._endpoint.respond(transaction, 200, now)

        self.taken += 1
        try:
            key = repeat_key(room.room.aor, sender, request_identity(request), request.body)
            self._switch.say(room, sender, member.nickname, content, key, done)
        except BadChunk as error:
            reason = error.reason.encode()
            self._endpoint.respond(transaction, error.status, now, reason)

    def _refused(self, request: Request, sender: str, room: LiveRoom) -> Refusal | None:
        rules = room.room
        if not rules.is_known_to(sender):
            return _NOT_FOUND
        if sender not in rules.members or rules.role_of(sender) is None:
            return _STRANGER
        if not rules.may_speak(sender):
            return _SILENT
        if self._aor_of(request.from_uri) == ANONYMOUS:
            return _HIDDEN
        return _LARGE if len(request.body) > self.body_bytes else None

    def _content(self, request: Request, sender: str, room: str) -> bytes | None:
        """Return a MESSAGE as a message to the room, None for what concerns nobody there.

        Raises: BadChunk, ParseError.
        """
        kind = request.get("content-type") or b"text/plain"
        if not is_cpim(kind):
            if media_type(kind) in NOTICES:
                return None
            message = wrapped(sender, room, self._clock.wall(), kind, request.body)
            return message.encode()
        envelope = open_envelope(request.body, False, self._aor_of)
        assert envelope is not None
        if envelope.kind in NOTICES:
            return None
        if envelope.senders != {sender}:
            raise BadChunk("From inside the content is somebody else", 403)
        if envelope.recipients != (room,):
            raise BadChunk("To inside the content is not the room", 403)
        return request.body
