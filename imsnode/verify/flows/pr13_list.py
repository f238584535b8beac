# SPDX-License-Identifier: Apache-2.0
"""Following a list of people."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status
from ..presence import subscribe
from ..xcap import put

_SERVICES = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" '
    b'xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><service uri="%b"><list>'
    b'<rl:entry uri="%b"/></list><packages><package>presence</package></packages></service>'
    b"</rls-services>"
)
_KIND = "application/rls-services+xml"


@flow("PR-13", "RFC 4662 4.2-4.5; RFC 4826 4", suite=Suite.PRESENCE, users=2, needs=(Need.XCAP,))
async def resource_list(lab: Lab) -> None:
    """A list is 421 without Supported: eventlist; with it 200 and NOTIFYs require eventlist."""
    friends = f"sip:{lab.unique('friends')}@{lab.domain}"
    url = lab.document("rls-services", lab.alice, lab.unique("doc"))
    async with lab.xcap(lab.alice) as http:
        body = _SERVICES % (friends.encode(), lab.bob.aor.encode())
        made = await put(http, url, body, _KIND)
        applies(made.status_code != 404, "the server has no rls-services")
        expect(made.status_code == 201, f"the PUT is {made.status_code}, not 201")
        try:
            phone = await lab.device(lab.alice)
            expect_status(await subscribe(phone, friends), 421)
            accept = b"multipart/related, application/rlmi+xml, application/pidf+xml"
            ok = await subscribe(phone, friends, accept=accept, supported=b"eventlist")
            expect_status(ok, 200)
            expect(b"eventlist" in ok.tokens("require"), "the 200 does not require eventlist")
            told = (await phone.heard("NOTIFY", b"rlmi")).request
            expect(b"eventlist" in told.tokens("require"), "the NOTIFY does not require eventlist")
            expect(b'fullState="true"' in told.body, "the first state is not full")
            expect(lab.bob.aor.encode() in told.body, "who is on the list is not shown")
        finally:
            await http.delete(url)
