# SPDX-License-Identifier: Apache-2.0
"""A wrong password."""

from __future__ import annotations

from dataclasses import replace

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-03", "RFC 3261 22.4", suite=Suite.REGISTRAR)
async def wrong_password(lab: Lab) -> None:
    """Whoever does not know the password is not let in, and not told what is wrong."""
    stranger = replace(lab.alice, password="not " + lab.alice.password)
    phone = await lab.phone(stranger)
    expect_status(await phone.register(), 401, 403)
    nobody = replace(lab.alice, name=lab.unique("nobody"))
    other = await lab.phone(nobody)
    expect_status(await other.register(), 401, 403, 404)
