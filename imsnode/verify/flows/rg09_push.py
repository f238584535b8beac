# SPDX-License-Identifier: Apache-2.0
"""Devices that sleep."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect_status

_PUSH = b";pn-provider=made-up-by-verify;pn-prid=0011"


@flow("RG-09", "RFC 8599 5.3, 8.1", suite=Suite.REGISTRAR)
async def unknown_push_service(lab: Lab) -> None:
    """A push service that the server cannot reach is 555; who knows none lets it pass."""
    phone = await lab.phone(lab.alice)
    contact = (b"Contact", b"<" + phone.contact + _PUSH + b">;expires=60")
    uri = f"sip:{lab.domain}"
    answer = await phone.request("REGISTER", uri, [contact], to=lab.alice.aor)
    if answer.status == 200:
        gone = (b"Contact", b"<" + phone.contact + _PUSH + b">;expires=0")
        await phone.request("REGISTER", uri, [gone], to=lab.alice.aor)
    applies(answer.status != 200 or answer.has("feature-caps"), "the server knows no push")
    expect_status(answer, 555)
