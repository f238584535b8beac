# SPDX-License-Identifier: Apache-2.0
"""A document that is none."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-05", "RFC 4825 8.2.5, 11", suite=Suite.XCAP, needs=(Need.XCAP,))
async def conflict(lab: Lab) -> None:
    """What is not well-formed, or not valid, is 409 with a document that says which."""
    url = lab.document("resource-lists", lab.alice, lab.unique("doc"))
    async with lab.xcap(lab.alice) as http:
        for body, word in ((b"<broken", b"not-well-formed"),
                           ((LISTS % b"a").replace(b"<list ", b"<lost "), b"")):  # fmt: skip
            refused = await put(http, url, body)
            expect(refused.status_code == 409, f"the PUT is {refused.status_code}, not 409")
            kind = refused.headers.get("content-type", "")
            expect(kind.startswith("application/xcap-error+xml"), f"its report is {kind or 'none'}")
            expect(b"xcap-error" in refused.content, "the report is no xcap-error")
            expect(word in refused.content, f"the report does not say {word.decode()}")
