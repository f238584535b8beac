# SPDX-License-Identifier: Apache-2.0
"""A document of the wrong type."""

from __future__ import annotations

from ..catalogue import Need, Suite, flow
from ..lab import Lab
from ..outcome import expect
from ..xcap import LISTS, put


@flow("XC-01", "RFC 4825 8.2.2", suite=Suite.XCAP, needs=(Need.XCAP,))
async def content_type(lab: Lab) -> None:
    """A PUT of another type is 415; a POST is 405 with Allow."""
    url = lab.document("resource-lists", lab.alice, lab.unique("doc"))
    async with lab.xcap(lab.alice) as http:
        wrong = await put(http, url, LISTS % b"one", "text/plain")
        expect(wrong.status_code == 415, f"the PUT is {wrong.status_code}, not 415")
        post = await http.post(url, content=b"x")
        expect(post.status_code == 405, f"the POST is {post.status_code}, not 405")
        expect("allow" in post.headers, "the 405 has no Allow")
