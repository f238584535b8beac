# SPDX-License-Identifier: Apache-2.0
"""Files for users who are away: kept in the content store, of which the user gets a link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final

from session_msrp.chunk import ABORTED, ENDED, MORE, Chunk
from session_msrp.errors import BadChunk
from session_msrp.files import FileCheck, FileOffer, answer_attributes, safe_name
from session_msrp.party import MediaWish
from session_msrp.printing import response_to
from sip.bodies.external_body import build_external_body
from sip.bodies.sdp import Media

from ..content import ContentRefused, ContentStore, Kept
from .taken import msrp_status
from .talk import Talk
from .talk_user import Listener

if TYPE_CHECKING:
    from .deferring import Deferring

__all__ = ["FileTaken", "Filing"]

_QUEUED_BYTES: Final = 256 * 1024  # that wait for the disk; then the sender is not read
_RESUME_S: Final = 300.0  # how long what has come waits for the rest
_UNFINISHED: Final = 8  # files of one sender that wait so; of more the oldest is given up
_ANY: Final = b"application/octet-stream"


class _Broken(Exception):
    """The file is not what it was said to be, or the rest did not come."""


class Filing:
    """Takes files.

    Args: store: where they are kept. link: the URL of a file by its token.
    """

    def __init__(self, store: Callable[[], ContentStore], link: Callable[[str], str]) -> None:
        self._store = store
        self.link = link
        self._unfinished: dict[tuple[object, ...], FileTaken] = {}

    @property
    def store(self) -> ContentStore:
        """Where files are kept."""
        return self._store()

    def refusal(self, caller: str, file: FileOffer) -> str:
        """Say why the node does not take a file for somebody, "" when it does."""
        if not file.pushed or not file.selector:
            return "there is nobody who could send a file"
        if not self.store.may_upload(caller):
            return "files are not kept for the sender"
        try:
            self.store.admits(caller, _kind(file), file.size or 0)
        except ContentRefused as refused:
            return refused.detail
        return ""

    def take(
        self,
        deferring: Deferring,
        caller: str,
        called: str,
        headers: Sequence[tuple[bytes, bytes]],
        rule: str,
        file: FileOffer,
    ) -> FileTaken | None:
        """Return who takes a file, from where it broke off if it goes on there.

        None for the rest of a file whose beginning is not here.
        """
        before = self._unfinished.pop((caller, called, file.key), None)
        if before is not None:
            if file.start > 1 and before.resume(file):
                return before
            before.give_up()
        return (
            FileTaken(deferring, self, caller, called, headers, rule, file)
            if file.start == 1
            else None
        )

    def wait(self, taken: FileTaken) -> None:
        """Keep what has come of a file for when the rest comes."""
        key = (taken.caller, taken.called, taken.file.key)
        before = self._unfinished.get(key)
        if before is not None and before is not taken:
            before.give_up()
        self._unfinished[key] = taken
        waiting = [each for each in self._unfinished if each[0] == taken.caller]
        if len(waiting) > _UNFINISHED:
            self._unfinished.pop(waiting[0]).give_up()

        def over() -> None:
            if self._unfinished.get(key) is taken:
                del self._unfinished[key]
                taken.give_up()

        asyncio.get_running_loop().call_later(_RESUME_S, over)


class FileTaken(Listener):
    """The user of a talk that brings one file: one message of one session (8.7)."""

    def __init__(
        self,
        deferring: Deferring,
        filing: Filing,
        caller: str,
        called: str,
        headers: Sequence[tuple[bytes, bytes]],
        rule: str,
        file: FileOffer,
    ) -> None:
        self.caller = caller
        self.called = called
        self.rule = rule
        self.file = file
        self.octets = 0
        self.verdict = "file-unfinished"
        self._deferring = deferring
        self._filing = filing
        self._headers = headers
        self._check = FileCheck(file)
        self._start = file.start
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._queued = 0
        self._broken = ""
        self._last: Chunk | None = None
        self._talk: Talk | None = None
        self._storing: asyncio.Task[None] | None = None

    def wish(self, section: Media) -> MediaWish:
        """Return what the answer says of the file's session."""
        said = answer_attributes(self.file, section)
        return MediaWish(types=b"*", attributes=said, direction=b"recvonly")

    def resume(self, file: FileOffer) -> bool:
        """Go on with the rest of the file; False when it is not the octets that are missing."""
        if file.start - 1 > self._check.position:
            return False
        self.file, self._start = file, file.start
        return True

    def established(self, talk: Talk, now: float) -> None:
        """Begin to store what comes, or go on with it."""
        self._talk = talk
        if self._storing is None:
            self._storing = asyncio.get_running_loop().create_task(self._store())

    # -- in --------------------------------------------------------------------------------------

    def chunk(self, talk: Talk, chunk: Chunk, now: float) -> bool:
        """Take octets of the file, in the order in which they come."""
        if chunk.method != b"SEND" or not chunk.body_at:
            return False
        try:
            chunk.check()
            at = self._start - 1 + chunk.byte_range().start - 1 + chunk.offset
        except BadChunk as error:
            self._answer(chunk, error.status)
            return True
        if chunk.flag == ABORTED:
            talk.hang_up("the sender gave the file up")
            return True
        self._take(talk, at, chunk.body)
        if self._broken:
            self._answer(chunk, 413)
            talk.hang_up(self._broken)
        elif chunk.flag == ENDED:
            self._last = chunk
            self._finish()
        elif chunk.flag is not MORE:
            self._answer(chunk, 200)
        return True

    def _take(self, talk: Talk, at: int, body: bytes) -> None:
        check = self._check
        body = body[max(0, check.position - at) :]
        check.feed(max(at, check.position), body)
        if check.broken:
            self._break("octets of the file are missing", "file-unfinished")
        elif check.too_long:
            self._break("more came than was announced", "file-too-long")
        else:
            self.octets += len(body)
            self._queued += len(body)
            self._queue.put_nowait(body)
            if self._queued > _QUEUED_BYTES and talk.connection is not None:
                talk.connection.hold(talk.end)

    def _finish(self) -> None:
        if self._check.differs:
            self._break("it is not the file that was announced", "file-differs")
        else:
            self.verdict = "file-whole"
            self._queue.put_nowait(None)

    def _break(self, why: str, verdict: str) -> None:
        self._broken, self.verdict = why, verdict
        self._queue.put_nowait(None)

    def _answer(self, chunk: Chunk, status: int) -> None:
        talk = self._talk
        if talk is None or talk.end is None:
            return
        try:
            answer = response_to(chunk, status, talk.end.own.raw)
        except BadChunk:  # its headers cannot be read, so neither can the wish for no answer
            return
        if answer is not None:
            talk.write(answer)

    # -- the store -------------------------------------------------------------------------------

    async def _octets(self) -> AsyncIterator[bytes]:
        while True:
            body = await self._queue.get()
            if self._broken:
                raise _Broken(self._broken)
            if body is None:
                return
            self._queued -= len(body)
            talk = self._talk
            if self._queued <= _QUEUED_BYTES and talk is not None and talk.connection is not None:
                talk.connection.release(talk.end)
            yield body

    async def _store(self) -> None:
        """Keep the file, then tell the called user of it; the last answer leaves after both."""
        store, file = self._filing.store, self.file
        length = store.settings.file_bytes if file.size is None else file.size
        try:
            token, kept = await store.put(
                self.caller, _kind(file), safe_name(file.name), length, self._octets(),
                (self.called,), exact=file.size is not None,
            )  # fmt: skip
        except _Broken:
            self._settle(413)
        except ContentRefused as refused:
            self._broken = refused.detail  # nobody stores the rest
            self._settle(413)
            if self._talk is not None:
                self._talk.hang_up(refused.detail)
        else:
            self._tell(token, kept)

    def _tell(self, token: str, kept: Kept) -> None:
        """Submit the message that refers to the file."""
        kind, body = build_external_body(
            self._filing.link(token).encode(), kept.content_type.encode(), kept.size,
            kept.expires_at, kept.digest.encode() + b"@content.invalid",
        )  # fmt: skip
        talk = self._talk
        assert talk is not None
        self._deferring.submit(
            talk, self.caller, self.called, (kind, body), self._headers, token,
            lambda status, _reason: self._settle(msrp_status(status)),
        )  # fmt: skip

    def _settle(self, status: int) -> None:
        last, self._last = self._last, None
        if last is not None:
            self._answer(last, status)

    def give_up(self) -> None:
        """Keep nothing of what has come: the rest does not."""
        self._break("the rest did not come", self.verdict)

    # -- the rest of a talk ----------------------------------------------------------------------

    def ended(self, talk: Talk, status: int, reason: str, now: float) -> None:
        """Have it noted; what has come waits for the rest."""
        self._deferring.ended(talk, self, status, reason)
        self.wait()

    def wait(self) -> None:
        """Keep what has come for when the rest comes."""
        if self._storing is not None and self.verdict == "file-unfinished" and not self._broken:
            self._filing.wait(self)


def _kind(file: FileOffer) -> str:
    return (file.media_type or _ANY).decode("ascii", "replace")
