# SPDX-License-Identifier: Apache-2.0
"""Settings of push notifications."""

from __future__ import annotations

from .table import HOUR, MINUTE, Table, live, restart
from .types import PeerName, RuleOption, Seconds

__all__ = ["Push"]


class Push(Table):
    """Waking devices that sleep by push notifications (RFC 8599)."""

    providers: tuple[PeerName, ...] = restart(
        (),
        "Push services whose devices are woken, as clients name them: apns, fcm, webpush. None of "
        "them switches it off.",
    )
    sender: str = restart(
        "webhook",
        "Who talks to the push services: webhook, the name of an entry point of the group "
        "imsnode.push_senders, or MODULE:ATTRIBUTE.",
        min_length=1,
    )
    url: str = restart(
        "",
        "Where the webhook is. [webhook] allow and plain_http hold for it too; `imsnode push "
        "secret` shows what its requests are signed with.",
        pattern=r"^(https?://[^\s#]+)?$",
    )
    options: tuple[RuleOption, ...] = restart((), "NAME=VALUE for a sender other than webhook.")
    wait: Seconds = live(
        15.0,
        "How long a call or another request waits for a device that is being woken; messages that "
        "may be stored do not wait.",
        ge=1,
        le=25,
    )
    waiting: int = live(
        10_000,
        "Requests that may wait at a time, a quarter of them for one user.",
        ge=1,
        le=1_000_000,
    )
    awake: Seconds = live(
        30.0,
        "How long after a REGISTER a device without a connection (UDP) counts as awake.",
        ge=1,
        le=HOUR,
    )
    interval: Seconds = live(
        5.0, "Least time between two notifications to one device.", ge=0, le=HOUR
    )
    refresh: Seconds = live(
        2 * MINUTE,
        "How long before its registration ends a device is woken to refresh it; registrations of "
        "such devices last at least half a minute longer, else 423.",
        ge=2 * MINUTE,
        le=HOUR,
    )
    parallel: int = live(100, "Notifications under way at a time.", ge=1, le=10_000)
    timeout: Seconds = live(10.0, "How long the sender may take for one.", ge=1, le=MINUTE)
