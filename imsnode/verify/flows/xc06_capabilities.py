# SPDX-License-Identifier: Apache-2.0
"""What the XCAP server can do."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect


@flow("XC-06", "RFC 4825 12", suite=Suite.XCAP, needs=(Need.XCAP,))
async def capabilities(lab: Lab) -> None:
    """xcap-caps lists its own usage, and those that are served."""
    async with lab.xcap(lab.alice) as http:
        read = await http.get(f"{lab.xcap_root}/xcap-caps/global/index")
        expect(read.status_code == 200, f"the GET is {read.status_code}, not 200")
        kind = read.headers.get("content-type", "")
        expect(kind.startswith("application/xcap-caps+xml"), f"its type is {kind}")
        expect(b"<auid>xcap-caps</auid>" in read.content, "it does not list xcap-caps")
