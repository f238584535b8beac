# SPDX-License-Identifier: Apache-2.0
"""Somebody types, and nobody is there."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect

_TYPES = (
    b'<?xml version="1.0" encoding="UTF-8"?>\r\n'
    b'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">'
    b"<state>active</state></isComposing>"
)
_KIND = b"application/im-iscomposing+xml"


@flow("PM-18", "RFC 3994 3", suite=Suite.PAGER, users=2)
async def composing_is_not_kept(lab: Lab) -> None:
    """That somebody types is of use at once or not at all: it is not stored."""
    await lab.absent(lab.bob)
    alice = await lab.phone(lab.alice)
    answer = await alice.message(lab.bob.aor, _TYPES, _KIND)
    bob = await lab.device(lab.bob)
    late = await bob.perhaps("MESSAGE", lambda each: each.get("content-type") == _KIND)
    expect(late is None, "a notice of typing is delivered when it is long over")
    expect(answer.status != 202, "a notice of typing for nobody is answered 202")
