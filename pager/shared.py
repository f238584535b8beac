# SPDX-License-Identifier: Apache-2.0
"""What all submissions of one service share: its ports, its parts, its memory of the last hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.endpoint import Endpoint
from sip.message import build_response
from sip.proxy import Fork
from sip.transaction.server import ServerTransaction

from .keeper import Keeper
from .offline import Offline
from .ports import Bindings, Clock, Ledger, Observer, Screen
from .recent import Recent
from .settings import PagerSettings
from .stats import PagerStats

if TYPE_CHECKING:
    from .parcels import Parcel
    from .submission import Answering, Submission


class Shared:
    """The service as a submission sees it.

    running: submissions whose sender waits for the devices, by fork, oldest first. observers: who
    hears what becomes of messages; plain_observers: those who hear of the answer to a message
    without a notice too. screen: judges messages to and from the users in ``screened``,
    which it keeps up itself, and with ``screens_all`` everybody's. on_their_way: by recipient, the
    parcel with a copy that their device has not answered yet (`pager.parcels`).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        bindings: Bindings,
        keeper: Keeper,
        offline: Offline,
        ledger: Ledger,
        clock: Clock,
        settings: PagerSettings,
        stats: PagerStats,
    ) -> None:
        self.endpoint = endpoint
        self.bindings = bindings
        self.keeper = keeper
        self.offline = offline
        self.ledger = ledger
        self.clock = clock
        self.settings = settings
        self.stats = stats
        self.recent = Recent(settings.recent_messages)
        self.running: dict[Fork, Submission] = {}
        self.on_their_way: dict[str, Parcel] = {}
        self.observers: tuple[Observer, ...] = ()
        self.plain_observers: tuple[Observer, ...] = ()
        self.screen: Screen | None = None
        self.screened: dict[str, object] = {}
        self.screens_all = False
        self.carried_users: frozenset[str] = frozenset()
        self.carried_until = 0.0

    def carried(self, recipient: str) -> bool:
        """Say whether an earlier run may just have forwarded what a sender repeats now.

        Its devices must then see the repeat under the sender's identity even when it comes from
        the store, or they could not recognise it.
        """
        if not self.carried_users:
            return False
        if self.clock.now() > self.carried_until:
            self.carried_users = frozenset()
        return recipient in self.carried_users

    def answer(
        self,
        answering: Answering,
        status: int,
        now: float,
        reason: bytes | None = None,
        extra: Sequence[bytes] = (),
    ) -> None:
        """Answer a sender in our own name, with neither Contact nor body (RFC 3428 7)."""
        request = answering.request
        if status >= 300:
            self.endpoint.stats.refuse(status, reason)
        if isinstance(answering, ServerTransaction) and answering.charging is not None:
            extra = (*extra, b"P-Charging-Vector: " + answering.charging)
        tag = self.endpoint.to_tag(request)
        data = build_response(request, status, reason, extra, to_tag=tag)
        answering.respond(data, status, now)
