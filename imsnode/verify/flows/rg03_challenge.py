# SPDX-License-Identifier: Apache-2.0
"""What the server asks."""

from __future__ import annotations

from sip.digest import parse_challenge

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-03", "RFC 7616 3.3; RFC 3261 22.4", suite=Suite.REGISTRAR)
async def challenge(lab: Lab) -> None:
    """The challenge is Digest, with realm, nonce and qop=auth; never Basic."""
    phone = await lab.phone(lab.alice)
    uri = f"sip:{lab.domain}"
    asked = await phone.once("REGISTER", uri.encode(), phone.head("REGISTER", lab.alice.aor))
    expect_status(asked, 401)
    values = asked.get_all("www-authenticate")
    expect(values, "the 401 has no WWW-Authenticate")
    expect(not any(each.lower().startswith(b"basic") for each in values), "Basic is offered")
    read = [parse_challenge(each) for each in values]
    expect(any(each is not None for each in read), "no challenge can be answered")
    expect(all(b"auth" in each.qop for each in read if each is not None), "a challenge has no qop")
