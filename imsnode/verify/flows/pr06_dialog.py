# SPDX-License-Identifier: Apache-2.0
"""A subscription that never was."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status
from ..presence import following, subscribe


@flow("PR-06", "RFC 6665 4.2.1.1; RFC 3261 12.2.2", suite=Suite.PRESENCE)
async def unknown_dialog(lab: Lab) -> None:
    """A refresh in a dialog that the server does not know is 481."""
    phone = await lab.device(lab.alice)
    dialog = following(await subscribe(phone, lab.alice.aor))
    dialog.remote_tag = lab.unique("never").encode()
    fields = [(b"Event", b"presence"), (b"Expires", b"600"),
              (b"Contact", b"<" + phone.contact + b">")]  # fmt: skip
    expect_status(await phone.within(dialog, "SUBSCRIBE", fields), 481)
