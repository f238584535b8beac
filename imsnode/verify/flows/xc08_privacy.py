# SPDX-License-Identifier: Apache-2.0
"""Documents of others."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-08", "RFC 4825 5.7, 14", suite=Suite.XCAP, users=2, needs=(Need.XCAP,))
async def privacy(lab: Lab) -> None:
    """Nobody reads without credentials (401), nor what is another user's (403 or 404)."""
    url = lab.document("resource-lists", lab.bob, lab.unique("doc"))
    async with lab.xcap(lab.bob) as http:
        expect((await put(http, url, LISTS % b"mine")).status_code == 201, "the PUT is not 201")
        nobody = await http.get(url, auth=None)
        expect(nobody.status_code == 401, f"a stranger's GET is {nobody.status_code}, not 401")
        async with lab.xcap(lab.alice) as other:
            read = await other.get(url)
            expect(read.status_code in (403, 404), f"another user's GET is {read.status_code}")
            wrote = await put(other, url, LISTS % b"yours")
            expect(wrote.status_code == 403, f"another user's PUT is {wrote.status_code}, not 403")
        await http.delete(url)
