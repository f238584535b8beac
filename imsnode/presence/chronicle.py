# SPDX-License-Identifier: Apache-2.0
"""The stories of subscriptions in the ledger, for `imsnode why`.

What is noted are decisions, ends, the first NOTIFY and NOTIFYs that failed; the others are only
counted, by the CSeq of the dialog, so that a fan-out costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pager.ports import Ledger
from pager.values import LedgerEntry, Notice
from presence.event.ports import Watch
from presence.event.states import EVENTS, WatcherEvent, WatcherState
from presence.event.subscription import Subscription

__all__ = ["KIND", "Chronicle"]

#: What the ledger calls entries about subscriptions.
KIND: Final = "subscription"

_NOTICE: Final = Notice(KIND, b"")


class Chronicle:
    """`presence.event.ports.Observer` that writes to the ledger. wall: epoch seconds."""

    def __init__(self, ledger: Ledger, wall: Callable[[], float]) -> None:
        self._ledger = ledger
        self._wall = wall

    def on_transition(self, sub: Subscription, event: WatcherEvent, now: float) -> None:
        """Note a decision, or the end."""
        if sub.state is WatcherState.TERMINATED:
            count = max(sub.dialog.local_cseq, 0)
            told = f"{count} NOTIFY" if count == 1 else f"{count} NOTIFYs"
            self._note(sub, "terminated", 0, EVENTS[event].decode(), told)
        else:
            rule = "" if sub.decision is None else sub.decision.rule
            self._note(sub, sub.state.name.lower(), 0, rule, "")

    def on_watch(self, package: str, resource: str, watch: Watch, there: bool) -> None:
        """A list tells its own story."""

    def on_notified(self, sub: Subscription, status: int) -> None:
        """Note the first NOTIFY, and those that failed; 408 also stands for no answer."""
        if status >= 300 or sub.dialog.local_cseq == 1:
            self._note(sub, "notified", status, "", f"CSeq {sub.dialog.local_cseq}")

    def _note(self, sub: Subscription, step: str, status: int, rule: str, detail: str) -> None:
        at = self._wall()
        self._ledger.note(
            LedgerEntry(
                f"{KIND}-{sub.number}",
                sub.dialog.call_id,
                at,
                sub.watcher,
                f"{sub.resource} ({sub.package.key})",
                0,
                [(at, step, detail, status, rule)],
                "" if sub.state is WatcherState.TERMINATED else sub.state.name.lower(),
                final=False,
                notice=_NOTICE,
            )
        )
