# SPDX-License-Identifier: Apache-2.0
"""Which files may be transferred, asked before an offer of one goes on (RFC 5547)."""

from __future__ import annotations

from session_msrp.errors import MediaError
from session_msrp.files import FileCheck, FileOffer, FilePolicy, read_file
from session_msrp.media import is_session
from sip.bodies.sdp import Media, Sdp, parse_sdp
from sip.errors import BadMessage
from sip.message import Request
from sip.routing import Refusal

from .talks import description_in

__all__ = ["FileGate", "Unfinished", "files_of"]

_SELECTOR = b"a=file-selector:"
_LEFT = 1000  # files of which some has come
_LEFT_S = 600.0


class FileGate:
    """Refuses offers of files that may not be transferred."""

    def __init__(self, policy: FilePolicy) -> None:
        self.policy = policy
        self.refused = 0

    def judge(self, request: Request) -> Refusal | None:
        """Return the refusal of an offer, None where nothing speaks against it.

        One file that may not pass refuses the offer with all that is in it: a proxy does not
        answer for single media (RFC 3261 16). The caller may offer the rest again.
        """
        if not self.policy.active or _SELECTOR not in request.body:
            return None
        try:
            body = description_in(request)
            sdp = parse_sdp(body) if body is not None else None
            files = [file for _, file in files_of(sdp)] if sdp is not None else []
        except (BadMessage, MediaError) as error:
            return Refusal(488, b"Session description: " + error.reason.encode(), ())
        for file in files:
            why = self.policy.refusal(file)
            if why:
                self.refused += 1
                warning = b'Warning: 399 localhost "%b"' % why.encode()
                return Refusal(488, b"File not transferred: " + why.encode(), (warning,))
        return None


def files_of(sdp: Sdp) -> list[tuple[Media, FileOffer]]:
    """Return the files of a description that are still to be transferred. Raises: MediaError."""
    found: list[tuple[Media, FileOffer]] = []
    for media in sdp.media:
        if is_session(media) and media.port:
            file = read_file(sdp, media)
            if file is not None and file.selector:
                found.append((media, file))
    return found


class Unfinished:
    """What is known of files whose transfer broke off, so that the rest is held against the whole.

    Kept for ten minutes, for at most a thousand files.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[float, FileCheck]] = {}

    def keep(self, people: tuple[str, str], check: FileCheck, wall: float) -> None:
        """Remember how far a file has come."""
        if check.broken or not check.position:
            return
        while len(self._kept) >= _LEFT or self._stale(wall):
            del self._kept[next(iter(self._kept))]
        self._kept[(*people, check.file.key)] = (wall + _LEFT_S, check)

    def _stale(self, wall: float) -> bool:
        return bool(self._kept) and next(iter(self._kept.values()))[0] < wall

    def check(self, people: tuple[str, str], file: FileOffer) -> FileCheck:
        """Return what a file is held against, from where it broke off if it goes on there."""
        _, known = self._kept.pop((*people, file.key), (0.0, None))
        if file.start == 1:
            return FileCheck(file)
        if known is not None and file.start - 1 <= known.position:
            return known
        partial = FileCheck(file)
        partial.broken = True
        return partial
