# SPDX-License-Identifier: Apache-2.0
"""Users report spam: by a MESSAGE to the sender's own address or to `sip:spam-report@DOMAIN`.

What clients send is the report of RCC.07. It is for the operator: nobody but the node takes it,
least of all the accused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from pager.ports import Clock
from sip.bodies.cpim import is_cpim, parse_cpim
from sip.bodies.mime import media_type
from sip.bodies.spam_report import MEDIA_TYPE, SpamReport, parse_spam_report
from sip.endpoint import Endpoint
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.message import Request
from sip.transaction.server import ServerTransaction
from sip.uri import Uri, parse_uri

from .groups import unserved
from .storage import Report, Storage, StorageError, gather, gather_newest

__all__ = ["Reporting", "may_be_report", "report_aor"]

_AT_A_TIME = 4  # each may look through much of the store
_REASON = 500
_ACCEPT = (b"Accept: " + MEDIA_TYPE,)
_LATER: tuple[bytes, ...] = (b"Retry-After: 5",)
_NOTHING_MORE: tuple[bytes, ...] = ()


def report_aor(domain: str) -> str:
    """Return the address for reports of a domain's users."""
    return f"sip:spam-report@{domain}"


def may_be_report(request: Request) -> bool:
    """Say whether a MESSAGE that is no text may be a report of spam."""
    kind = request.get("content-type")
    if kind is None:
        return False
    if is_cpim(kind):
        return request.body.find(b"rcsspam-report+xml") >= 0
    return media_type(kind) == MEDIA_TYPE


class Reporting:
    """Takes reports of users with the evidence there is.

    Args: aor_of: canonical AoR of a URI. wake: has the endpoint's output sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        storage: Storage,
        aor_of: Callable[[Uri], str],
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._storage = storage
        self._aor_of = aor_of
        self._clock = clock
        self._wake = wake
        self._running: set[asyncio.Task[None]] = set()

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request for the address for reports."""
        refusal = unserved(request, frozenset())
        if refusal is not None:
            self._endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)
        elif not may_be_report(request):
            self._endpoint.reply(request, flow, 415, now, None, _ACCEPT)
        else:
            self.take(request, flow, sender, "", now)

    def take(self, request: Request, flow: Flow, sender: str, accused: str, now: float) -> bool:
        """Take a report in a MESSAGE, and answer it when it is kept; False when it is none.

        Args: accused: AoR of whom it was sent to, "" for the address for reports.
        """
        if not sender:
            return False
        try:
            body = request.body
            if is_cpim(request.get("content-type") or b""):
                part = parse_cpim(body).part
                if part.media_type != MEDIA_TYPE:
                    return False
                body = part.content
            report = parse_spam_report(body)
            named = self._aor_of(parse_uri(report.accused.encode())) if report.accused else accused
        except ParseError as error:
            self._endpoint.reply(request, flow, 400, now, error.phrase)
            return True
        except (SipError, UnicodeEncodeError):
            self._endpoint.reply(request, flow, 400, now, b"The accused is no SIP address")
            return True
        if len(self._running) >= _AT_A_TIME:
            self._endpoint.reply(request, flow, 503, now, None, _LATER)
            return True
        transaction = self._endpoint.accept(request, flow, now)
        task = asyncio.ensure_future(self._answer(transaction, report, named or accused, sender))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def _answer(
        self, transaction: ServerTransaction, report: SpamReport, accused: str, sender: str
    ) -> None:
        reason = " ".join(filter(None, (report.kind, report.text)))
        status, text, lines = 200, None, _NOTHING_MORE
        try:
            made = await self.add(sender, report.message_ids, accused, reason)
            if not made:
                status, text = 404, b"No such message is known"
        except StorageError:
            status, text, lines = 503, None, _LATER
        self._endpoint.respond(transaction, status, self._clock.now(), text, lines)
        self._wake()

    async def add(
        self, reporter: str, identities: Sequence[str], accused: str, reason: str
    ) -> list[Report]:
        """Keep reports on messages that somebody got; committed when this returns.

        Args:
            identities: message ids, Call-IDs or IMDN Message-IDs; of what is not known nothing is
            kept. Without any, the newest message of the accused in the reporter's history counts.
        Raises: StorageError.
        """
        loop, wall = asyncio.get_running_loop(), self._clock.wall()
        flushed: asyncio.Future[bool] = loop.create_future()
        self._storage.flush(flushed.set_result)
        await flushed
        reason = " ".join(reason.split())[:_REASON]
        look = gather if identities else gather_newest
        found = []
        for wanted in identities or (accused,):
            made = await loop.run_in_executor(
                None,
                partial(look, self._storage.database, wanted, reporter, "user", reason, wall),
            )
            if made is not None:
                found.append(made)
        for one in found:
            kept: asyncio.Future[bool] = loop.create_future()
            self._storage.reports.note(one, kept.set_result)
            if not await kept:
                raise StorageError("the report cannot be kept")
        return found
