# SPDX-License-Identifier: Apache-2.0
"""Offers and answers that pass an anchor: both sides are shown this node in place of their peer.

Only the m=message sections change, and of those where to connect and who does. A new offer with the
same path goes on with the stream there is; with another one the session moves to a new stream
(RFC 4975 5.4), and the old one ends when the answer has come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sip.bodies.sdp import Media, Sdp, parse_sdp

from .anchor import Anchor, Leg, Stream, path_text
from .errors import MediaError
from .files import FORBIDDEN, FileCheck, FileOffer, FileWatch, read_file, rename_file
from .media import (
    ACTPASS,
    PASSIVE,
    PLAIN,
    SECURE,
    Description,
    answer_setup,
    is_session,
    read_media,
    we_connect,
)
from .uri import MsrpUri

__all__ = ["Door", "Negotiation"]


class Door(Protocol):
    """Where one of the parties reaches this node.

    websocket, secure: how its signalling comes, and therefore how a WebSocket client's media do.
    """

    @property
    def websocket(self) -> bool:
        """True when its signalling comes over a WebSocket."""
        ...

    @property
    def secure(self) -> bool:
        """True when its signalling comes over TLS."""
        ...

    def uri(self, secure: bool, websocket: bool = False) -> MsrpUri | None:
        """Return a new URI with a session part nobody can guess; None without such a listener."""
        ...

    @property
    def fingerprint(self) -> bytes:
        """The a=fingerprint of this node's certificate."""
        ...


@dataclass(slots=True)
class _Proposal:
    """What an offer made of one section. stream: None where the session is to end.

    file: that is to pass (RFC 5547).
    """

    stream: Stream | None
    setup: bytes
    file: FileOffer | None = None


class Negotiation:
    """The anchored sessions of one dialog, by the place of their sections in the SDP.

    caller, callee: where each reaches this node. check: makes what a file is held against.
    """

    def __init__(
        self,
        anchor: Anchor,
        caller: Door,
        callee: Door,
        check: Callable[[FileOffer], FileCheck] = FileCheck,
    ) -> None:
        self._anchor = anchor
        self._doors = {True: caller, False: callee}
        self._proposed: dict[int, _Proposal] = {}
        self._check = check
        #: Files that pass, by their streams.
        self.files: dict[Stream, FileWatch] = {}
        self.offered_by_caller = True
        self.streams: dict[int, Stream] = {}

    @property
    def open(self) -> bool:
        """True while an offer waits for its answer."""
        return bool(self._proposed)

    @property
    def all(self) -> list[Stream]:
        """Every stream, agreed or proposed."""
        found = dict.fromkeys(self.streams.values())
        for proposal in self._proposed.values():
            if proposal.stream is not None:
                found[proposal.stream] = None
        return list(found)

    def offer(self, body: bytes, by_caller: bool, now: float) -> bytes:
        """Return an offer as the other party is to see it; the same when it has no session.

        Raises: ParseError, MediaError.
        """
        sdp = parse_sdp(body)
        self.fail()
        self.offered_by_caller = by_caller
        for index, media in enumerate(sdp.media):
            if not is_session(media):
                continue
            described = read_media(sdp, media)
            if not described.port:
                self._proposed[index] = _Proposal(None, b"")
                continue
            stream = self._stream_for(index, described, by_caller, now)
            if stream is not None:
                file = read_file(sdp, media)
                if file is not None:
                    rename_file(media, file)
                self._proposed[index] = _Proposal(stream, described.setup, file)
                self._show(media, stream.leg(not by_caller), described, ACTPASS)
        return self._print(body, sdp)

    def _stream_for(
        self, index: int, described: Description, by_caller: bool, now: float
    ) -> Stream | None:
        current = self.streams.get(index)
        if current is not None and not current.ended:
            if current.leg(by_caller).path == path_text(described):
                return current
        elif self._anchor.gave_out(described.path[-1]):
            return None
        near = self._doors[by_caller].uri(described.secure, described.websocket)
        far = self._far_uri(self._doors[not by_caller], described)
        if near is None or far is None:
            return None
        stream = Stream(near, far, now) if by_caller else Stream(far, near, now)
        # Whoever offers connects, to us: nobody may offer "passive" (RFC 6135 4.2.2). Whoever does
        # it all the same waits for us.
        stream.leg(by_caller).reached_by(described, connects=described.setup == PASSIVE)
        self._anchor.add(stream)
        return stream

    def _far_uri(self, door: Door, described: Description) -> MsrpUri | None:
        """Return what the other party gets instead of the offered path.

        It is as secure as what was offered. Only from and to a WebSocket that is not a choice of
        the parties: there it is as secure as the signalling of who gets it.
        """
        if door.websocket or described.websocket:
            return door.uri(door.secure, door.websocket)
        return door.uri(described.secure)

    def answer(self, body: bytes) -> bytes:
        """Return an answer as whoever offered is to see it. Raises: ParseError, MediaError."""
        sdp = parse_sdp(body)
        by_caller = not self.offered_by_caller
        for index, media in enumerate(sdp.media):
            proposal = self._proposed.get(index)
            if proposal is None or proposal.stream is None or not is_session(media):
                continue
            described = read_media(sdp, media)
            if not described.port:
                continue
            if self._anchor.gave_out(described.path[0]):
                raise MediaError("its path leads back here")  # rule M4
            leg = proposal.stream.leg(by_caller)
            if leg.link is None:
                connects = we_connect(ACTPASS, described.setup, offered=True)
                leg.reached_by(described, connects)
            setup = answer_setup(proposal.setup) if proposal.setup else b""
            self._show(media, leg.other, described, setup)
            if proposal.file is not None:
                self._watch(proposal.stream, proposal.file, read_file(sdp, media) or proposal.file)
                if proposal.file.pushed:
                    media.remove_attributes(*FORBIDDEN)
        return self._print(body, sdp)

    def _watch(self, stream: Stream, offered: FileOffer, answered: FileOffer) -> None:
        """Hold what passes against what its sender says of it; once for a stream."""
        if stream in self.files:
            return
        by_caller = offered.pushed == self.offered_by_caller
        file = offered if offered.pushed else answered
        watch = self.files[stream] = FileWatch(self._check(file), file.start)
        stream.leg(by_caller).tap = watch

    def commit(self, answered: bytes) -> None:
        """Put the last answer, as it came, in force. Raises: ParseError."""
        media = parse_sdp(answered).media
        for index, proposal in self._proposed.items():
            before = self.streams.pop(index, None)
            stream = proposal.stream
            taken = index < len(media) and media[index].port > 0
            if before is not None and (before is not stream or not taken):
                self._anchor.end(before, "moved" if taken else "ended by the parties")
            if stream is not None and taken:
                self.streams[index] = stream
                if all(leg.connects for leg in stream.legs):
                    self._anchor.open(stream)
            elif stream is not None:
                self._anchor.end(stream, "refused")
        self._proposed.clear()

    def fail(self) -> None:
        """Forget an offer that came to nothing; what was agreed before goes on."""
        for index, proposal in self._proposed.items():
            if proposal.stream is not None and self.streams.get(index) is not proposal.stream:
                self._anchor.end(proposal.stream, "refused")
        self._proposed.clear()

    def end(self, why: str) -> None:
        """End every session."""
        for stream in self.all:
            self._anchor.end(stream, why)
        self._proposed.clear()

    def _show(self, media: Media, leg: Leg, described: Description, setup: bytes) -> None:
        """Write this node's address for a party into a section; no setup: the party knows none."""
        own = leg.uri
        host, port = own.address
        media.set_port(port)
        if own.secure != described.secure:
            media.set_protocol(SECURE if own.secure else PLAIN)
        media.set_connection(host)
        media.set_attribute(b"path", own.raw)
        if setup:
            media.set_attribute(b"setup", setup)
        else:
            media.remove_attributes(b"setup")
        door = self._doors[leg is leg.stream.caller]
        if own.secure and door.fingerprint:
            media.set_attribute(b"fingerprint", door.fingerprint)
        else:
            media.remove_attributes(b"fingerprint")

    def _print(self, body: bytes, sdp: Sdp) -> bytes:
        # What has no session of ours in it leaves as it came, octet for octet.
        return sdp.print() if self._proposed else body
