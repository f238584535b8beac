# SPDX-License-Identifier: Apache-2.0
"""Sessions between two devices, and with rooms, as the flows of MSRP set them up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from sip.dialog import Dialog, next_request, uac_dialog
from sip.errors import BadMessage
from sip.message import Response
from sip.uri import parse_uri

from .lab import Lab
from .msrp_end import MsrpEnd
from .outcome import Failed, applies, expect_status
from .phone import Arrival, Phone
from .target import Account

__all__ = ["RoomTalk", "Talk", "call", "room"]

_SDP: Final = b"application/sdp"
_CHATROOM: Final = ((b"chatroom", b"nickname private-messages"),)
#: What is answered where there is no conference factory.
_NO_FACTORY: Final = frozenset((404, 405, 480, 501))


class Talk:
    """A session between two devices; near: of the caller, far: of the callee."""

    def __init__(
        self, caller: Phone, callee: Phone, near: MsrpEnd, far: MsrpEnd, dialog: Dialog
    ) -> None:
        self.near, self.far = near, far
        self._caller, self._callee = caller, callee
        self._dialog: Dialog | None = dialog

    async def hang_up(self) -> bool:
        """Send a BYE; False when it does not reach the other side."""
        dialog, self._dialog = self._dialog, None
        if dialog is None:
            return True
        expect_status(await self._caller.within(dialog, "BYE"), 200)
        return await self._callee.perhaps("BYE", seconds=1.0) is not None


@asynccontextmanager
async def call(lab: Lab) -> AsyncIterator[Talk]:
    """Set a session up from the first account to the second."""
    callee, caller = await lab.device(lab.bob), await lab.device(lab.alice)
    async with _ends(lab, (caller, callee)) as (near, far):
        asked = caller.begin("INVITE", lab.bob.aor, near.description(), _SDP)
        came: Arrival = await callee.heard("INVITE")
        came.answer(200, (), far.agree(came.request.body, offered=False), _SDP)
        dialog = await _taken(caller, await asked, near)
        await callee.heard("ACK")
        first, second = (near, far) if near.connects else (far, near)
        await first.connect()
        await second.connect()
        talk = Talk(caller, callee, near, far, dialog)
        try:
            yield talk
        finally:
            await talk.hang_up()


class RoomTalk:
    """A session with a room. uri: of the room; contact, answer: what its 2xx said."""

    def __init__(self, account: Account, end: MsrpEnd, ok: Response, dialog: Dialog) -> None:
        self.end = end
        self.account = account
        self.contact = (ok.get("contact") or b"").decode("utf-8", "replace")
        self.answer = ok.body
        self.uri = parse_uri(dialog.remote_target).aor

    async def tell(self, text: bytes, to: str = "", sender: str = "") -> None:
        """Say something to all, or to one."""
        head = f"From: <{sender or self.account.aor}>\r\nTo: <{to or self.uri}>\r\n\r\n"
        body = head.encode() + b"Content-Type: text/plain\r\n\r\n" + text
        await self.end.send(body, b"message/cpim")


@asynccontextmanager
async def room(lab: Lab, uri: str = "", account: Account | None = None) -> AsyncIterator[RoomTalk]:
    """Come into a room; without a URI the conference factory makes one."""
    who = account or lab.alice
    phone = await lab.device(who)
    async with _ends(lab, (phone,), b"message/cpim", _CHATROOM) as (end,):
        to = uri or f"sip:conference-factory@{lab.domain}"
        ok = await phone.begin("INVITE", to, end.description(), _SDP)
        applies(uri or ok.status not in _NO_FACTORY, f"there is no conference factory: {ok.status}")
        dialog = await _taken(phone, ok, end)
        await end.connect()
        try:
            yield RoomTalk(who, end, ok, dialog)
        finally:
            await phone.within(dialog, "BYE")


@asynccontextmanager
async def _ends(
    lab: Lab, phones: tuple[Phone, ...], types: bytes = b"*",
    attributes: tuple[tuple[bytes, bytes], ...] = (),
) -> AsyncIterator[tuple[MsrpEnd, ...]]:  # fmt: skip
    """Open an end for each of some devices."""
    async with AsyncExitStack() as stack:
        ends = []
        for phone in phones:
            end = MsrpEnd(phone.host, lab.tape, phone.name, lab.patience, types, attributes)
            stack.push_async_callback(end.close)
            await end.open()
            ends.append(end)
        yield tuple(ends)


async def _taken(phone: Phone, answer: Response, end: MsrpEnd) -> Dialog:
    """Acknowledge the 2xx to an INVITE and take its description. Raises: Failed."""
    applies(answer.status != 488, "the server takes no m=message")
    expect_status(answer, 200)
    try:
        dialog = uac_dialog(answer)
    except BadMessage as error:
        raise Failed(f"the 200 to INVITE makes no dialog: {error.reason}") from error
    uri, fields = next_request(dialog, "ACK", answer.cseq)
    phone.say(phone.printed("ACK", uri, fields, b"", phone.ids.branch()))
    end.agree(answer.body, offered=True)
    return dialog
