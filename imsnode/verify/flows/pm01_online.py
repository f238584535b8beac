# SPDX-License-Identifier: Apache-2.0
"""A message to who is there."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("PM-01", "RFC 3428 4, 7; RFC 3261 16.6", suite=Suite.PAGER, users=2)
async def online(lab: Lab) -> None:
    """It arrives as it is, one hop further, and the answer has neither body nor Contact."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    text = f"Grüße {lab.unique('hello')}".encode()
    ok = await alice.message(lab.bob.aor, text, b"text/plain;charset=UTF-8")
    got = (await bob.heard("MESSAGE", text)).request
    expect(got.body == text, "the body has changed on its way")
    expect(got.get("content-type") == b"text/plain;charset=UTF-8", "the Content-Type has changed")
    expect(got.get("max-forwards") == b"69", "Max-Forwards is not one less")
    expect(not got.has("record-route"), "a MESSAGE has a Record-Route (RFC 3428 table 2)")
    expect(not got.has("proxy-authorization"), "the sender's credentials reach the recipient")
    expect_status(ok, 200, 202)
    expect(not ok.body, "the answer has a body")
    expect(not ok.has("contact"), "the answer has a Contact")
