# SPDX-License-Identifier: Apache-2.0
"""Following a document."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..xcap import LISTS, put

_ASKED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>'
    b'<entry uri="%b"/></list></resource-lists>'
)


@flow("XC-09", "RFC 5875 4; RFC 5874", suite=Suite.XCAP, needs=(Need.XCAP,))
async def changes(lab: Lab) -> None:
    """Who follows a document by xcap-diff is told its entity tag, and the next one."""
    name = lab.unique("doc")
    url = lab.document("resource-lists", lab.alice, name)
    async with lab.xcap(lab.alice) as http:
        made = await put(http, url, LISTS % b"one")
        expect(made.status_code == 201, f"the PUT is {made.status_code}, not 201")
        phone = await lab.device(lab.alice)
        fields = [
            (b"Event", b"xcap-diff"),
            (b"Expires", b"600"),
            (b"Accept", b"application/xcap-diff+xml"),
            (b"Contact", b"<" + phone.contact + b">"),
            (b"Content-Type", b"application/resource-lists+xml"),
        ]
        what = f"resource-lists/users/{lab.alice.aor}/{name}".encode()
        ok = await phone.request("SUBSCRIBE", lab.alice.aor, fields, _ASKED % what)
        applies(ok.status not in (405, 480, 489, 501), f"the server answers {ok.status}")
        expect_status(ok, 200)
        first = made.headers["etag"].strip('"').encode()
        await phone.heard("NOTIFY", first)
        later = (await put(http, url, LISTS % b"two")).headers["etag"].strip('"').encode()
        await phone.heard("NOTIFY", later, 2 * lab.patience)
        await http.delete(url)
