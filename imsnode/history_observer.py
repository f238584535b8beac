# SPDX-License-Identifier: Apache-2.0
"""From the pager to the archive: what was delivered or stored stands in the history.

The observer stands in the way of every message, so all it does is to put what will be needed into
a queue; the rest is done by the archive on the writer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pager import rules
from pager.original import content_type_of
from pager.replay import shown_sender
from pager.submission import Submission
from pager.values import ExpiredMessage, StoredMessage
from sip import collector
from sip.privacy import ANONYMOUS, ANONYMOUS_HOST

from .history import Noted

__all__ = ["HistoryObserver"]

# In whose history a message is noted; as in `storage.archive_block`.
_SENDER, _RECIPIENT, _BOTH = 1, 2, 3


class HistoryObserver:
    """`pager.ports.Observer`: hands what was delivered or stored to the archive.

    displayed: hears author, reader and IMDN Message-ID of a message that was displayed.
    """

    def __init__(
        self, note: Callable[[Noted], None], displayed: Callable[[str, str, bytes], None]
    ) -> None:
        self._note = note
        self._displayed = displayed

    def answered(self, submission: Submission, now: float) -> None:
        """Note a message that a device or the store has taken."""
        status = submission.status
        if status < 300:
            notice = submission.notice
            if notice is not None and notice.kind:
                for imdn_id, what in notice.told:
                    if what == rules.SAYS_DISPLAYED:
                        self._displayed(submission.recipient, submission.sender, imdn_id)
                        self._displayed(ANONYMOUS, submission.sender, imdn_id)
                return
            request = submission.request
            # What was turned away without a word stands with its sender alone.
            owners = _SENDER if submission.dropped else _BOTH
            identity = None if notice is None else notice.id
            kind = request.get("content-type")
            if kind is None:
                kind = b""
            sender = submission.sender
            if owners == _BOTH and request.from_uri.host == ANONYMOUS_HOST and sender != ANONYMOUS:
                # Each of them has a history of their own, and only one knows who wrote; a Call-ID
                # may name the sender's device.
                owners = _SENDER
                self._note(
                    (_RECIPIENT, submission.id, submission.at, ANONYMOUS, submission.recipient,
                     status, kind, submission.id.encode(), request.body, identity)
                )  # fmt: skip
            noted: Noted = (
                owners, submission.id, submission.at, sender, submission.recipient, status, kind,
                submission.call_id, request.body, identity,
            )  # fmt: skip
            self._note(collector.untracked(noted))

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Note copies for their recipients; for the sender the message to the list stands there."""
        if not copies:
            return
        note = self._note
        head = copies[0].head
        kind = content_type_of(head) or b""
        sender = shown_sender(copies[0].sender, head)
        concealed = sender != copies[0].sender
        for copy in copies:
            call_id = copy.id.encode() if concealed else copy.call_id
            note(
                (_RECIPIENT, copy.id, copy.received_at, sender, copy.recipient, 202, kind,
                 call_id, copy.body, None)
            )  # fmt: skip

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Nothing to note: it stands there since it was stored."""

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """Nothing to note: it was taken from the sender, and history says so."""
