# SPDX-License-Identifier: Apache-2.0
"""Credentials that are used twice."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect, expect_status


@flow("RG-03", "RFC 7616 3.4; RFC 3261 22.4", suite=Suite.REGISTRAR)
async def replay(lab: Lab) -> None:
    """The same nonce count in another request is refused."""
    phone = await lab.device(lab.alice)
    uri = f"sip:{lab.domain}".encode()
    head = phone.head("REGISTER", lab.alice.aor)
    proof = phone.proof(await phone.once("REGISTER", uri, head), "REGISTER", uri)
    expect(proof, "a REGISTER is not challenged")
    assert proof is not None
    expect_status(await phone.once("REGISTER", uri, [*head[:3], _CSEQ, proof]), 200)
    again = phone.head("REGISTER", lab.alice.aor)
    stolen = await phone.once("REGISTER", uri, [*again, proof])
    expect(stolen.status != 200, "recorded credentials are taken for a new request")
    expect_status(stolen, 401, 403, 400)


_CSEQ = (b"CSeq", b"2 REGISTER")
