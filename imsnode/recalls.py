# SPDX-License-Identifier: Apache-2.0
"""Recall as clients and operators ask for it: by SIP (RCC.11), by command, by API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pager import Pager
from pager.ports import Clock
from pager.recall import Recall, RecallState
from pager.values import ExpiredMessage
from sip.bodies import revoke
from sip.bodies.cpim import CpimMessage, compose, is_cpim, parse_cpim
from sip.bodies.mime import media_type
from sip.bodies.revoke import Revoke, RevokeResult, build_revoke, parse_revoke
from sip.errors import ParseError
from sip.flow import Flow
from sip.message import Request
from sip.transaction.server import ServerTransaction

from .storage import Storage, Story, find_copies, find_story
from .storage.recalls import is_taken, recall_told

__all__ = ["RecallResult", "Recalls", "may_be_revoke"]

#: send(sender, recipient, content type, body, now): the node's own message, by the pager.
Send = Callable[[str, str, bytes, bytes, float], None]


@dataclass(frozen=True, slots=True)
class RecallResult:
    """What came of a recall at one recipient."""

    message_id: str
    recipient: str
    state: RecallState


def may_be_revoke(request: Request) -> bool:
    """Say whether a MESSAGE that is no text may ask for a recall."""
    content_type = request.get("content-type")
    if content_type is None:
        return False
    if is_cpim(content_type):
        return request.body.find(b"rcsrevoke+xml") >= 0
    return media_type(content_type) == revoke.MEDIA_TYPE


class Recalls:
    """Takes messages back for those who may ask for it.

    Args:
        known: tells whether an AoR can be sent a result (a local user).
        send: carries results to senders. retry_after: header lines for a 503.
        flush: calls back when the ledger can be read.
    """

    def __init__(
        self,
        pager: Pager,
        storage: Storage,
        clock: Clock,
        known: Callable[[str], bool],
        send: Send,
        retry_after: Callable[[], tuple[bytes, ...]],
        flush: Callable[[Callable[[bool], None]], None],
    ) -> None:
        self.recall = Recall(storage.messages, pager.keeper, pager.offline, storage.ledger, clock)
        self.endpoint = pager.endpoint
        self.known = known
        self.send = send
        self.now = clock.now
        self.retry_after = retry_after
        self.database = storage.database
        self.flush = flush
        self._taken_back = storage.archive.taken_back
        self._looking: set[asyncio.Task[None]] = set()
        self.recall.repeated = self.look_again

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> bool:
        """Serve a MESSAGE that takes back another one sent to ``aor``.

        It is answered after the commit, and a result follows; False for a message that is none of
        ours, such as a result that one client tells another.

        Args: sender: canonical AoR of the authenticated sender, "" when there is none.
        """
        if not sender:
            return False
        try:
            wish, around = _read(request)
        except ParseError as error:
            self.endpoint.reply(request, flow, 400, now, error.phrase)
            return True
        if not isinstance(wish, Revoke):
            return False
        transaction = self.endpoint.accept(request, flow, now)

        def settled(state: RecallState) -> None:
            # With the answer it has left the history of its recipient, too.
            self.flush(lambda _: self._answer(transaction, wish, around, sender, aor, state))

        self.recall.by_imdn(wish.message_id.encode(), sender, aor, settled)
        return True

    def _answer(
        self,
        transaction: ServerTransaction,
        wish: Revoke,
        around: CpimMessage | None,
        sender: str,
        aor: str,
        state: RecallState,
    ) -> None:
        now = self.now()
        if state is RecallState.FAILED:
            self.endpoint.respond(transaction, 503, now, None, self.retry_after())
            return
        self.endpoint.respond(transaction, 200, now)
        if not self.known(sender):
            return
        removed = state is RecallState.REMOVED
        result = build_revoke(RevokeResult(wish.message_id, removed, wish.sender, wish.recipient))
        content_type = revoke.MEDIA_TYPE
        if around is not None:
            content_type, result = b"message/cpim", _wrapped(sender, aor, result)
        self.send(aor, sender, content_type, result, now)

    async def by_id(self, identity: str, sender: str = "") -> list[RecallResult]:
        """Recall a message and all copies of it that were made for a list.

        Args:
            identity: message id or Call-ID. sender: who asks, "" for the operator.
        Returns: one result per recipient; nothing when no such message of the sender is known.
        """
        loop = asyncio.get_running_loop()
        await self._flushed()  # the ledger tells which copies there are
        stories = await loop.run_in_executor(None, find_copies, self.database, identity, sender)
        results = [
            RecallResult(story.message_id, story.recipient, await self._one(story, sender))
            for story in stories
        ]
        await self._flushed()  # with the answer they have left the histories of their recipients
        return results

    async def _flushed(self) -> None:
        flushed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.flush(flushed.set_result)
        await flushed

    async def _one(self, story: Story, sender: str) -> RecallState:
        answer: asyncio.Future[RecallState] = asyncio.get_running_loop().create_future()
        self.recall.by_id(story.message_id, sender, story.recipient, answer.set_result)
        return recall_told(story, await answer)

    def look_again(self, gone: ExpiredMessage) -> None:
        """Take out of its recipient's history what an earlier recall has settled.

        The program may have ended before that was done. What a device took after all stays.
        """
        task = asyncio.ensure_future(self._look_again(gone))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look_again(self, gone: ExpiredMessage) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, find_story, self.database, gone.id, 1)
        if not any(map(is_taken, found)):
            self._taken_back(gone.id, gone.recipient)


def _read(request: Request) -> tuple[Revoke | RevokeResult | None, CpimMessage | None]:
    """Return what a body asks for, and the CPIM message around it if there is one."""
    if not is_cpim(request.get("content-type") or b""):
        return parse_revoke(request.body), None
    around = parse_cpim(request.body)
    if around.part.media_type != revoke.MEDIA_TYPE:
        return None, around
    return parse_revoke(around.part.content), around


def _wrapped(sender: str, aor: str, document: bytes) -> bytes:
    headers = [(b"From", b"<" + aor.encode() + b">"), (b"To", b"<" + sender.encode() + b">")]
    return compose(headers, [(b"Content-Type", revoke.MEDIA_TYPE)], document).encode()
