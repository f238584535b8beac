# SPDX-License-Identifier: Apache-2.0
"""Part of a document."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-02", "RFC 4825 7.4-7.6", suite=Suite.XCAP, needs=(Need.XCAP,))
async def element(lab: Lab) -> None:
    """An element is put, read with its own type, and deleted; the rest stays."""
    url = lab.document("resource-lists", lab.alice, lab.unique("doc"))
    entry = url + "/~~/resource-lists/list%5b1%5d/entry%5b@uri=%22sip:y@example.test%22%5d"
    kind = "application/xcap-el+xml"
    async with lab.xcap(lab.alice) as http:
        await put(http, url, LISTS % b"one")
        made = await put(http, entry, b'<entry uri="sip:y@example.test"/>', kind)
        expect(made.status_code == 201, f"the PUT of an element is {made.status_code}, not 201")
        read = await http.get(entry)
        expect(read.content == b'<entry uri="sip:y@example.test"/>', "it is read otherwise")
        expect(read.headers.get("content-type", "").startswith(kind), "its type is another")
        expect((await http.delete(entry)).status_code == 200, "the DELETE is not 200")
        whole = await http.get(url)
        expect(b"sip:x@example.test" in whole.content, "something else has gone too")
        expect(b"sip:y@example.test" not in whole.content, "it is still there")
        await http.delete(url)
