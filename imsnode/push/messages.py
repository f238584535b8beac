# SPDX-License-Identifier: Apache-2.0
"""Messages that were stored wake the devices they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pager import rules
from pager.ports import Ledger
from pager.submission import Submission
from pager.values import ExpiredMessage, LedgerEntry, StoredMessage

from .device import Device
from .push import Push

__all__ = ["MessageWaker"]

#: Why a message was stored although a device seemed to be there: its connection is a dead one.
_UNHEARD = (rules.PATIENCE_OVER, rules.NOBODY_ANSWERED)


class MessageWaker:
    """`pager.ports.Observer`: has devices woken that a message waits for, and says so in its story.

    Args: everybody(aor, now): all devices of a user that can be woken, asleep or not.
    """

    def __init__(
        self,
        push: Push,
        everybody: Callable[[str, float], Sequence[Device]],
        ledger: Ledger,
        wall: Callable[[], float],
    ) -> None:
        self._push = push
        self._everybody = everybody
        self._ledger = ledger
        self._wall = wall

    def answered(self, submission: Submission, now: float) -> None:
        """Wake the devices that a message was stored for."""
        keeping = submission.keeping
        if keeping is None or submission.status >= 300 or keeping.rule == rules.MUTED:
            return
        self._wake(keeping.message, keeping.rule in _UNHEARD, now)

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Wake the devices that copies to members wait for."""
        for copy in copies:
            self._wake(copy, False, now)

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Wake nobody: a device has it."""

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """Wake nobody: it is over."""

    def _wake(self, message: StoredMessage, unheard: bool, now: float) -> None:
        aor = message.recipient
        devices: Sequence[Device] = list(self._push.sleepers(aor, now).values())
        if unheard:
            devices = [one for one in self._everybody(aor, now) if one.instance in message.devices]
        woken = self._push.wake(devices, "message", now) if devices else ()
        if not woken:
            return
        at = self._wall()
        steps = [
            (at, rules.PUSHED, one.instance, 0, f"{rules.ASLEEP}:{one.provider}") for one in woken
        ]
        self._ledger.note(
            LedgerEntry(
                message.id, message.call_id, message.received_at, message.sender, aor,
                len(message.body), steps, "", False,
            )
        )  # fmt: skip
