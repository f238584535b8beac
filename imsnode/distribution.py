# SPDX-License-Identifier: Apache-2.0
"""One message to a list or a group: the promise of a 202, kept by a commit before it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pager import rules
from pager.fanout import BATCH, Fanout
from pager.identity import copy_key, request_identity
from pager.jobs import Job, JobKind, Jobs
from pager.original import Original, content_type_of
from pager.policy import Decision
from pager.ports import CopiesResult
from pager.receipts import Receipts
from pager.replay import LEFT_BEHIND, deadline, is_composing
from pager.submission import Answering, Submission
from pager.tally import Tallies
from pager.values import LedgerEntry, Notice, Step
from sip.bodies.cpim import CpimMessage
from sip.headers.date import format_date
from sip.message import Request, trim

#: Credentials for other realms go on to them (RFC 5365 7.2); the gate has removed those for ours.
_PASSED_ON: Final = frozenset(("authorization", "proxy-authorization"))
_RETRY_AFTER_S: Final = 5


class Distribution:
    """Sends messages to many in the name of whoever sent them.

    At most 256 recipients have their copies before the sender has the answer; for more, a job is
    kept that makes them.
    """

    def __init__(
        self,
        fanout: Fanout,
        jobs: Jobs,
        receipts: Receipts | None = None,
        tallies: Tallies | None = None,
    ) -> None:
        self.fanout = fanout
        self.jobs = jobs
        self._receipts = receipts
        self._tallies = tallies

    def send(
        self,
        answering: Answering,
        request: Request,
        sender: str,
        address: str,
        recipients: Sequence[str],
        now: float,
        content: tuple[bytes, bytes] | None = None,
        local: bool = False,
        known: bool = True,
        disclosed: bool = True,
        added: Mapping[str, Sequence[tuple[str, bytes]]] | None = None,
    ) -> str:
        """Send copies of a request and answer it; returns its id.

        Args:
            address: the AoR it was sent to. recipients: AoRs, each once. content: header lines of
                the body, and the body, when that is not the request's own; each copy then names
                its recipient in To. local: no server transaction waits. known: the sender wrote
                the recipients down. disclosed: may know them; else no receipt says whose it is.
                added: as in `Original`.
        """
        pager = self.fanout.pager
        wall = pager.clock.wall()
        identity = request_identity(request)
        message_id = self.fanout.next_id(wall)
        as_job = len(recipients) > BATCH
        if as_job:
            # The same for whoever sends it again: the job is known by it.
            message_id = "j" + copy_key(identity, sender, address).hex()
        original = Original(
            message_id,
            sender,
            address,
            request.call_id,
            request.cseq,
            identity,
            wall,
            deadline(request, wall, pager.settings.message_lifetime_s),
            _head(request, wall, content),
            request.body if content is None else content[1],
            content is not None,
            not is_composing(request),
            added=added,
        )
        pager.stats.submitted += 1
        submission = Submission(
            pager, answering, request, sender, address, message_id, now, wall, local
        )
        parent = _Parent(submission)
        read = self._read(request, sender, content, local)
        if isinstance(read, Decision):
            parent.refuse(read.status, None, read.rule)
            return message_id
        if read is not None:
            submission.notice = read[0]
        if self._tallies is not None and original.lasting:
            self._tallies.begin(original, read, recipients, known, disclosed)
        if original.expires_at <= wall:
            parent.refuse(480, b"Expired already", rules.ALREADY_EXPIRED)
        elif not original.lasting:
            # Worth nothing by the time it has reached very many.
            parent.answer()
            for recipient in recipients[:BATCH]:
                if pager.bindings.targets(recipient, now):
                    self.fanout.send_unstored(original, recipient, now)
        elif as_job:
            job = Job(original, JobKind.GROUP, total=len(recipients))
            self.jobs.begin(job, parent.kept)
        else:
            self.fanout.send(original, recipients, now, parent.stored)
        return message_id

    def _read(
        self, request: Request, sender: str, content: tuple[bytes, bytes] | None, local: bool
    ) -> tuple[Notice, CpimMessage] | Decision | None:
        """Read what may ask for receipts, which has to be in the sender's own name."""
        if self._receipts is None:
            return None
        if content is None:
            kind, body = request.get("content-type") or b"", request.body
        else:
            kind, body = content_type_of(content[0]) or b"", content[1]
        return self._receipts.content(kind, body, "" if local else sender)


def _head(request: Request, wall: float, content: tuple[bytes, bytes] | None) -> bytes:
    """Return the header lines that every copy has, joined by CRLF."""
    lines = []
    for name, line in zip(request.names, request.lines, strict=True):
        if name in LEFT_BEHIND and name not in _PASSED_ON:
            continue
        if name == "require" or (
            content is not None and (name == "to" or name.startswith("content-"))
        ):
            continue
        lines.append(trim(line))
    if not request.has("date"):
        lines.append(b"Date: " + format_date(int(wall)))
    if content is not None and content[0]:
        lines.append(content[0])
    return b"\r\n".join(lines)


class _Parent:
    """The message itself: its sender gets one answer, the ledger one entry."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission

    def kept(self, committed: bool) -> None:
        """Take the store's answer to the job."""
        if committed:
            self.answer()
        else:
            self.fail()

    def stored(self, result: CopiesResult) -> None:
        """Take the store's answer to the copies."""
        self.kept(result.copies is not None)

    def answer(self) -> None:
        """Say that everybody gets a copy."""
        self._reply(202, None, (), rules.COMMITTED, rules.DISTRIBUTED)

    def fail(self) -> None:
        """Say that the store is in trouble."""
        later = (b"Retry-After: %d" % _RETRY_AFTER_S,)
        self._reply(503, None, later, rules.COMMIT_FAILED, rules.REJECTED)

    def refuse(self, status: int, reason: bytes | None, rule: str) -> None:
        """Say that nobody gets a copy."""
        self._reply(status, reason, (), rule, rules.REJECTED)

    def _reply(
        self, status: int, reason: bytes | None, lines: Sequence[bytes], rule: str, outcome: str
    ) -> None:
        submission = self.submission
        pager = submission.pager
        now = pager.clock.now()
        answering = submission.answering
        if answering is not None:
            pager.answer(answering, status, now, reason, lines)
        submission.status = status
        submission.answering = None
        steps: list[Step] = [
            (submission.at, rules.RECEIVED, "", 0, rules.DISTRIBUTE),
            (submission.wall(now), rules.REPLIED, "", status, rule),
        ]
        pager.ledger.note(
            LedgerEntry(
                submission.id, submission.call_id, submission.at, submission.sender,
                submission.recipient, len(submission.request.body), steps, outcome,
                True, submission.notice,
            )
        )  # fmt: skip
        for observer in pager.observers:
            observer.answered(submission, now)
