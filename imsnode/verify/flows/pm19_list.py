# SPDX-License-Identifier: Apache-2.0
"""One message to a list."""

from __future__ import annotations

from ..catalogue import Suite, flow
from ..lab import Lab
from ..outcome import applies, expect, expect_status

_LIST = (
    b"--verify\r\nContent-Type: text/plain\r\n\r\n%b\r\n"
    b"--verify\r\nContent-Type: application/resource-lists+xml\r\n"
    b"Content-Disposition: recipient-list\r\n\r\n"
    b'<?xml version="1.0" encoding="UTF-8"?><resource-lists '
    b'xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="%b"/><entry uri="%b"/>'
    b"</list></resource-lists>\r\n--verify--\r\n"
)


@flow("PM-19", "RFC 5365 5-7", suite=Suite.PAGER, users=2)
async def recipient_list(lab: Lab) -> None:
    """A list service answers 202, and everybody named gets one copy without the list."""
    bob, alice = await lab.device(lab.bob), await lab.phone(lab.alice)
    text, who = lab.unique("list").encode(), lab.bob.aor.encode()
    answer = await alice.message(
        f"sip:list@{lab.domain}", _LIST % (text, who, who), b"multipart/mixed;boundary=verify",
        [(b"Require", b"recipient-list-message")],
    )  # fmt: skip
    applies(answer.status not in (404, 405, 420, 480), f"there is no list service: {answer.status}")
    expect_status(answer, 202)
    got = (await bob.heard("MESSAGE", text)).request
    expect(got.body == text, "the copy is not the part that was left")
    await bob.silent("MESSAGE", "somebody who is named twice gets two copies", wanted=text)
