# SPDX-License-Identifier: Apache-2.0
"""Stored messages that go to devices in sessions: the node calls, and sends what waits."""

from __future__ import annotations

from typing import Final, NamedTuple

from pager.ports import Carried
from pager.replay import shown_sender
from pager.values import StoredMessage
from session_msrp.outbox import Outgoing
from session_msrp.party import MediaWish
from session_msrp.session import Received, Reported
from session_msrp.wrapping import fitted
from sip.bodies.iscomposing import MEDIA_TYPE as COMPOSING
from sip.bodies.mediatype import media_type
from sip.errors import ParseError
from sip.forward import Target
from sip.headers.address import parse_address
from sip.timers import TimerQueue

from .capability import Capability, capability_of
from .deferring import UNABLE, Deferring, kept_fields
from .linking import Linking
from .taken import Taken, msrp_status
from .talk import Talk
from .talk_user import Listener
from .talks import Talks

__all__ = ["Carrying"]

#: How long a session stays open behind its last message, for the next one and for receipts.
_LINGER_S: Final = 20.0
#: How long a device behind a relay may take to say that it has the message.
_REPORT_S: Final = 60.0
#: How long a device that refused a session is not called again.
_REFUSAL_S: Final = 3600.0
_REFUSALS: Final = 10_000
_WISH: Final = MediaWish(types=b"message/cpim message/imdn+xml text/plain *", wrapped=b"*")
_IDLE, _SILENT = 1, 2  # timers
#: What an answer in a session means as one to a MESSAGE; any other is "not now".
_ANSWERS: Final = {400: 400, 403: 403, 413: 413, 415: 415}
#: Service of single messages (OMA CPM): what came as one goes as one where that can be.
_PAGER_SERVICE: Final = b"oma.cpm.msg"


class Way(NamedTuple):
    """Whom a session connects: a device by its Contact, its user, and who is said to write."""

    contact: bytes
    recipient: str
    sender: str


class Carrying:
    """`pager.ports.Carrier`: takes the messages that a device gets in a session.

    Args: single: octets that a MESSAGE may bring.
    """

    def __init__(
        self, talks: Talks, deferring: Deferring, linking: Linking, timers: TimerQueue, single: int
    ) -> None:
        self._linking = linking
        self.talks = talks
        self.deferring = deferring
        self.timers = timers
        self.sent = 0
        self.single = single
        self._lines: dict[Way, Line] = {}
        self._refusals: dict[bytes, float] = {}  # contacts that refused, until when

    def carry(self, message: StoredMessage, target: Target, carried: Carried, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        able = capability_of(target)
        if not self._wanted(message, able, target, now):
            if len(message.body) <= self.single:
                return False
            self.link(message, able, carried)
            return True
        sender = shown_sender(message.sender, message.head)
        way = Way(target.uri, message.recipient, sender)
        line = self._lines.get(way)
        if line is None or line.talk is None or line.talk.over:
            line = self._join(way, message, able) or self._call(way, message, target, able, now)
        if line is None:
            return False
        line.take(message, carried)
        if line.talk is not None and line.talk.connected:
            line.established(line.talk, now)
        return True

    def wants(self, message: StoredMessage, target: Target, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        large = len(message.body) > self.single
        return large or self._wanted(message, capability_of(target), target, now)

    def _wanted(self, message: StoredMessage, able: Capability, target: Target, now: float) -> bool:
        """Say whether a message is to go in a session."""
        settings = self.deferring.settings
        if able.sessions is False or self._refusals.get(target.uri, 0.0) > now:
            return False
        if not able.messages:
            return settings.interwork or settings.deferred
        if len(message.body) > self.single:
            return True
        if settings.deliver == "auto":
            return able.sessions is True and _PAGER_SERVICE not in message.head
        return settings.deliver == "session"

    def _join(self, way: Way, message: StoredMessage, able: Capability) -> Line | None:
        """Use the session that a device has with the node in the place of who writes to it."""
        talk = self.deferring.open_with(way.recipient, way.sender, way.contact)
        if talk is None or not isinstance(talk.user, Taken):
            return None
        line = Line(self, way, message.sender, able)
        line.talk, line.joined = talk, True
        talk.user.sender = self._lines[way] = line
        return line

    def _call(
        self,
        way: Way,
        message: StoredMessage,
        target: Target,
        able: Capability,
        now: float,
    ) -> Line | None:
        """Call a device in the name of the sender of a message; None when that cannot be."""
        line = Line(self, way, message.sender, able)
        fields = head_fields(message.head)
        shown = next((value for name, value in fields if name.lower() in (b"from", b"f")), b"")
        talk = self.talks.call(
            line,
            target,
            way.sender,
            way.recipient,
            self.deferring.limits,
            now,
            _WISH,
            headers=kept_fields(fields),
            shown=named(shown),
        )
        if talk is None or talk.over:
            return None
        line.talk = talk
        self._lines[way] = line
        return line

    def link(self, message: StoredMessage, able: Capability, carried: Carried) -> None:
        """Send a link to a message that is too large to be sent otherwise."""
        self._linking.send(message, content_type(message.head), able.files, carried)

    def refused(self, contact: bytes, now: float) -> None:
        """Remember that a device takes no sessions."""
        if len(self._refusals) >= _REFUSALS:
            self._refusals.clear()
        self._refusals[contact] = now + _REFUSAL_S

    def drop(self, line: Line) -> None:
        """Use a line no more."""
        if self._lines.get(line.way) is line:
            del self._lines[line.way]


class Line(Listener):
    """A session with one device in the name of one sender; one message is on its way at a time.

    author: who really writes, where the device is not told. joined: the device made the session,
    and ends it.
    """

    def __init__(
        self,
        carrying: Carrying,
        way: Way,
        author: str,
        able: Capability,
    ) -> None:
        self.way = way
        self.talk: Talk | None = None
        self.joined = False
        self._carrying = carrying
        self._author = author
        self._able = able
        self._message: StoredMessage | None = None
        self._carried: Carried | None = None
        self._idle_at = 0.0
        self._silent_at = 0.0

    def take(self, message: StoredMessage, carried: Carried) -> None:
        """Bring a message. One before without an outcome is tried anew: its device has moved."""
        before = self._carried
        self._message, self._carried = message, carried
        self._idle_at = 0.0
        if before is not None:
            talks = self._carrying.talks
            talks.ends.soon(lambda: before.done(480, talks.now()))

    def established(self, talk: Talk, now: float) -> None:
        """Send what the call was made for."""
        self._send(now)

    def _send(self, now: float) -> None:
        talk, message = self.talk, self._message
        if talk is None or message is None or talk.peer is None:
            return
        content = fitted(
            content_type(message.head), message.body, talk.peer,
            self.way.sender.encode(), self.way.recipient.encode(), message.received_at,
        )  # fmt: skip
        if content is None:
            self._otherwise(415, now)
            return
        if talk.peer.max_size is not None and len(content[1]) > talk.peer.max_size:
            self._otherwise(413, now)
            return
        relayed = len(talk.peer.path) > 1
        self._carrying.sent += 1
        # The same at every attempt: a device whose answer was lost knows it again (MS-13).
        talk.send(Outgoing(message.id.encode(), *content, success_report=relayed))

    def delivered(self, talk: Talk, message: Outgoing, now: float) -> None:
        """Take the answer of the next hop, which is the device's unless a relay is between."""
        if message.success_report:
            self._silent_at = now + _REPORT_S
            self._carrying.timers.schedule(self._silent_at, self, _SILENT)
        else:
            self._done(200, now)

    def reported(self, talk: Talk, report: Reported, now: float) -> None:
        """Take what a device behind a relay says."""
        message = self._message
        if message is not None and report.message_id == message.id.encode():
            self._done(200 if report.status == 200 else _ANSWERS.get(report.status, 480), now)

    def failed(self, talk: Talk, message: Outgoing, status: int, now: float) -> None:
        """Take a refusal, or silence."""
        if status == 415 or status == 413:
            self._otherwise(status, now)
        else:
            self._done(_ANSWERS.get(status, 480), now)

    def received(self, talk: Talk, received: Received, now: float) -> None:
        """Take what the device sends back: receipts, and words to whoever wrote."""
        message = received.message

        def answered(status: int, _reason: str) -> None:
            talk.settle(received, msrp_status(status))

        if media_type(message.content_type) == COMPOSING:
            talk.settle(received)
            return
        if self.way.sender != self._author:
            talk.settle(received, 403)  # whoever does not want to be known hears no answer
            return
        identity = f"{talk.call_id.hex()} {message.id.hex()} {self.way.recipient} {self._author}"
        self._carrying.deferring.submit(
            talk, self.way.recipient, self._author, (message.content_type, message.body), (),
            identity, answered,
        )  # fmt: skip

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Take the end; what was on its way goes another way, or later."""
        self._carrying.drop(self)
        if self._carried is None:
            return
        if status in UNABLE or status == 603:
            self._carrying.refused(self.way.contact, now)
            self._otherwise(status, now)
        elif status < 300:
            self._done(480, now)  # hung up, or the connection was lost
        else:
            self._done(status, now)

    def _otherwise(self, status: int, now: float) -> None:
        """Have a message sent as a MESSAGE that the device does not take in a session."""
        carried, message = self._carried, self._message
        if carried is None or message is None:
            return
        if not self._able.messages:
            self._done(status, now)
            return
        self._message = self._carried = None
        self._rest(now)
        if len(message.body) <= self._carrying.single:
            carried.otherwise(now)
        else:
            self._carrying.link(message, self._able, carried)

    def _done(self, status: int, now: float) -> None:
        carried = self._carried
        self._message = self._carried = None
        self._silent_at = 0.0
        self._rest(now)
        if carried is not None:
            carried.done(status, now)

    def _rest(self, now: float) -> None:
        if self.talk is None or not (self.talk.over or self.joined):
            self._idle_at = now + _LINGER_S
            self._carrying.timers.schedule(self._idle_at, self, _IDLE)

    def on_timer(self, kind: int, now: float) -> None:
        """Hang up when nothing follows; give up a device that says nothing."""
        if kind == _IDLE and self._idle_at and now >= self._idle_at and self.talk is not None:
            if self.talk.used + _LINGER_S <= now:
                self.talk.hang_up("nothing follows")
            else:
                self._rest(now)
        elif kind == _SILENT and self._silent_at and now >= self._silent_at:
            self._done(408, now)


def head_fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a stored message."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n"))
    return [(name.strip(b" \t"), value.strip(b" \t")) for name, _, value in pairs]


def named(shown: bytes) -> bytes:
    """Return a From value without its parameters, b"" for one that is a URI alone."""
    try:
        address = parse_address(shown, "From")
    except ParseError:
        return b""
    return address.raw[: address.end + 1]  # a display name may have brackets of its own


def content_type(head: bytes) -> bytes:
    """Return the Content-Type of a stored message."""
    named = (value for name, value in head_fields(head) if name.lower() in (b"content-type", b"c"))
    return next(named, b"text/plain")
