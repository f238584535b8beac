# SPDX-License-Identifier: Apache-2.0
"""A follower who has gone."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status
from ..presence import published, subscribe


@flow("PR-08", "RFC 6665 4.2.2", suite=Suite.PRESENCE)
async def refused_notify(lab: Lab) -> None:
    """A NOTIFY that is answered 481 ends the subscription: no other follows."""
    phone = await lab.device(lab.alice)
    phone.answers = 481
    expect_status(await subscribe(phone, lab.alice.aor), 200)
    await phone.heard("NOTIFY")
    expect_status(await published(phone, lab.unique("gone")), 200)
    await phone.silent("NOTIFY", "another NOTIFY comes behind a 481", min(6.0, 2 * lab.patience))
