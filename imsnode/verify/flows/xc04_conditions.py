# SPDX-License-Identifier: Apache-2.0
"""Two who write at once."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-04", "RFC 4825 7.11, 8.5", suite=Suite.XCAP, needs=(Need.XCAP,))
async def conditions(lab: Lab) -> None:
    """If-Match of another ETag is 412, If-None-Match of this one 304."""
    url = lab.document("resource-lists", lab.alice, lab.unique("doc"))
    async with lab.xcap(lab.alice) as http:
        tag = (await put(http, url, LISTS % b"one")).headers.get("etag", "")
        lost = await put(http, url, LISTS % b"two", condition={"If-Match": '"never"'})
        expect(lost.status_code == 412, f"a PUT with a stale ETag is {lost.status_code}, not 412")
        same = await http.get(url, headers={"If-None-Match": tag})
        expect(same.status_code == 304, f"a GET of what one has is {same.status_code}, not 304")
        expect((await http.get(url)).content == LISTS % b"one", "the stale PUT changed it")
        await http.delete(url)
