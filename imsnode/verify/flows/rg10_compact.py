# SPDX-License-Identifier: Apache-2.0
"""Another way to write the same."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import expect_status


@flow("RG-10", "RFC 3261 7.3.1, 7.3.3; RFC 4475 3.1.1.1", suite=Suite.REGISTRAR)
async def other_spellings(lab: Lab) -> None:
    """Short names, folded lines and odd blanks mean the same."""
    phone = await lab.phone(lab.alice)
    branch = phone.ids.branch()
    uri = f"sip:{lab.domain}".encode()
    fields = phone.head("OPTIONS", f"sip:{lab.domain}")
    text = phone.printed("OPTIONS", uri, [*fields, (b"Accept", b"a/b")], b"", branch)
    for name, short in ((b"Via: ", b"v : "), (b"From: ", b"f:"), (b"To: ", b"t:\t"),
                        (b"Call-ID:", b"i:"), (b"Accept: ", b"aCCept:\r\n "),
                        (b"Content-Length: 0", b"l:  0")):  # fmt: skip
        text = text.replace(b"\r\n" + name, b"\r\n" + short, 1)
    expect_status(await phone.octets("OPTIONS", text, branch), 200, 401, 407)
