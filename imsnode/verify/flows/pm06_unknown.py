# SPDX-License-Identifier: Apache-2.0
"""A message to nobody."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("PM-06", "RFC 3261 16.5, 21.4.5", suite=Suite.PAGER)
async def unknown_user(lab: Lab) -> None:
    """A user who does not exist is 404, never 202."""
    alice = await lab.phone(lab.alice)
    nobody = f"sip:{lab.unique('nobody')}@{lab.domain}"
    expect_status(await alice.message(nobody, b"hello?"), 404)
