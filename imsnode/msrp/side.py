# SPDX-License-Identifier: Apache-2.0
"""The media side of a talk: our end of the session, and what both parties have said of it."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

from session_msrp.errors import MediaError
from session_msrp.limits import Limits
from session_msrp.media import ACTPASS, Description, answer_setup, we_connect
from session_msrp.negotiation import Door
from session_msrp.party import Agreed, MediaWish, answer, offer
from session_msrp.uri import MsrpUri
from sip.bodies.sdp import Media

from .ends import End, Ends, EndUser

__all__ = ["Side"]


class Side:
    """See the module. peer, section: the peer's description and its m=message section.

    description: ours, as it was sent last.

    Args: door: where the peer reaches this node now. limits: of what is taken.
    """

    def __init__(
        self, user: EndUser, ends: Ends, door: Callable[[], Door], wish: MediaWish, limits: Limits
    ) -> None:
        self.wish = wish
        self.end: End | None = None
        self.peer: Description | None = None
        self.section: Media | None = None
        self.description = b""
        self._user = user
        self._ends = ends
        self._door = door
        self._limits = limits
        self._agreed: Agreed | None = None
        self._origin = (0, 1)

    def agree(self, agreed: Agreed) -> None:
        """Take what the peer says."""
        self._agreed = agreed
        self.peer, self.section = agreed.description, agreed.section

    # -- offer and answer --------------------------------------------------------------------------

    def offer(self, secure: bool) -> bytes | None:
        """Open an end and return our offer; None without a listener the peer could reach."""
        door = self._door()
        if door.websocket:
            own = self._open(door.secure, websocket=True)
        else:
            own = self._open(secure) or self._open(not secure)
        if own is None:
            return None
        self.description = offer(own, own.address[0], self.wish, door.fingerprint, self._origin)
        return self.description

    def answered(self, agreed: Agreed) -> None:
        """Take the answer to our offer."""
        self.agree(agreed)
        self._reach(we_connect(ACTPASS, agreed.description.setup, offered=True))

    def answer(self) -> bool:
        """Open an end and write the answer to the peer's offer; False without a listener."""
        agreed = self._agreed
        if agreed is None:
            return False
        own = self._open(agreed.description.secure, agreed.description.websocket)
        if own is None:
            return False
        self._write(agreed, own)
        theirs = agreed.description.setup
        ours = answer_setup(theirs) if theirs else b""
        self._reach(we_connect(ours, theirs, offered=False))
        return True

    def renew(self, agreed: Agreed) -> bool:
        """Answer a new offer: with the session there is, or a new one where the path is (MS-13).

        Returns: whether the session moves. Raises: MediaError without a listener.
        """
        before, end = self.peer, self.end
        self._origin = (self._origin[0], self._origin[1] + 1)
        self.agree(agreed)
        if before is not None and before.path == agreed.description.path and end is not None:
            self._write(agreed, end.own)
            return False
        self.close()
        if not self.answer():
            raise MediaError("no MSRP listener for this transport")
        return True

    def close(self) -> None:
        """Use the connection no more."""
        if self.end is not None:
            self.end.close()

    def _open(self, secure: bool, websocket: bool = False) -> MsrpUri | None:
        own = self._door().uri(secure, websocket)
        if own is not None:
            self.end = self._ends.add(own, self._user)
            if not self._origin[0]:
                self._origin = (crc32(own.session), self._origin[1])
        return own

    def _write(self, agreed: Agreed, own: MsrpUri) -> None:
        fingerprint = self._door().fingerprint
        self.description = answer(agreed, own, own.address[0], self.wish, fingerprint, self._origin)

    def _reach(self, connects: bool) -> None:
        if self.end is not None and self.peer is not None:
            types = tuple(self.wish.types.lower().split())
            self.end.reached_by(self.peer, connects, types, self._limits)
