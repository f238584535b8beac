# SPDX-License-Identifier: Apache-2.0
"""A document, from beginning to end."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-01", "RFC 4825 7.1-7.3, 8.2", suite=Suite.XCAP, needs=(Need.XCAP,))
async def document(lab: Lab) -> None:
    """PUT makes it (201 with ETag), GET gives it back, PUT replaces it (200), DELETE ends it."""
    url = lab.document("resource-lists", lab.alice, lab.unique("doc"))
    async with lab.xcap(lab.alice) as http:
        made = await put(http, url, LISTS % b"one")
        expect(made.status_code == 201, f"the first PUT is {made.status_code}, not 201")
        expect("etag" in made.headers, "the 201 has no ETag")
        read = await http.get(url)
        expect(read.status_code == 200, f"the GET is {read.status_code}, not 200")
        expect(read.content == LISTS % b"one", "the document comes back otherwise than it was put")
        kind = read.headers.get("content-type", "")
        expect(kind.startswith("application/resource-lists+xml"), f"its type is {kind}")
        again = await put(http, url, LISTS % b"two")
        expect(again.status_code == 200, f"the second PUT is {again.status_code}, not 200")
        expect(again.headers.get("etag") != made.headers["etag"], "the ETag has not changed")
        expect((await http.delete(url)).status_code == 200, "the DELETE is not 200")
        expect((await http.get(url)).status_code == 404, "it is still there")
