# SPDX-License-Identifier: Apache-2.0
"""A nonce that the server never made."""

from __future__ import annotations

from sip.digest import Challenge, answer, ha1

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-03", "RFC 7616 3.3, 5.4", suite=Suite.REGISTRAR)
async def invented_nonce(lab: Lab) -> None:
    """An answer to a nonce that a client made up is challenged again."""
    phone = await lab.phone(lab.alice)
    uri = f"sip:{lab.domain}".encode()
    head = phone.head("REGISTER", lab.alice.aor)
    proof = phone.proof(await phone.once("REGISTER", uri, head), "REGISTER", uri)
    expect(proof, "a REGISTER is not challenged")
    assert proof is not None
    invented = Challenge(_realm(proof[1]), b"5f3759df" * 5, "MD5")
    secret = ha1(lab.alice.name, invented.realm, lab.alice.password, "MD5")
    forged = answer(invented, lab.alice.name, secret, "REGISTER", uri, b"cn", 1)
    refused = await phone.once(
        "REGISTER", uri, [*phone.head("REGISTER", lab.alice.aor), (proof[0], forged)]
    )
    expect_status(refused, 401)


def _realm(value: bytes) -> str:
    return value.partition(b'realm="')[2].partition(b'"')[0].decode()
