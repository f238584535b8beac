# SPDX-License-Identifier: Apache-2.0
"""What phones send inside SIP: RP-DATA to the service centre, answered by RP-ACK or RP-ERROR.

Spec: TS 24.341 5.3.3 (the gateway), TS 24.011 6.3, 8.2.5.4 (causes), TS 23.040 9.2.3.22.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Protocol

from imsnode.storage import Part, StorageError
from sip.bodies.rpdata import RpKind, RpMessage
from sip.bodies.segments import decode_text
from sip.bodies.tpdu import StatusReport, Submit, parse_submit, submit_report

__all__ = ["Exchange", "SubmitDesk", "Submitting"]

# RP-Cause (TS 24.011 table 8.4) and TP-Failure-Cause (TS 23.040 9.2.3.22).
_UNASSIGNED, _REJECTED, _OUT_OF_ORDER, _TEMPORARY, _CONGESTION, _INVALID = 1, 21, 27, 41, 42, 96
_UNSPECIFIED = 0xFF
# A phone tries again within minutes (TS 24.011 10); some give every text the same TP-MR.
_REPEATS_S = 180.0
_REMEMBERED = 4096
_CAUSES = {
    403: _REJECTED, 404: _UNASSIGNED, 413: _REJECTED, 415: _REJECTED, 480: _OUT_OF_ORDER,
    503: _CONGESTION, 603: _REJECTED,
}  # fmt: skip

#: exchange(octets): send this to the phone that asked.
Exchange = Callable[[bytes], None]


class SubmitDesk(Protocol):
    """What a node does with what phones send. All of it may raise StorageError."""

    def way_to(self, number: str) -> str:
        """Return the address of record that stands for a number, "" for nobody."""
        ...

    def deliver(self, sender: str, recipient: str, text: str, identity: str) -> Awaitable[int]:
        """Send a text in the name of a user; returns the status, once that is for good."""
        ...

    async def keep_part(self, part: Part) -> list[Part] | None:
        """Keep a part; returns all parts when none is missing, None without room for more."""
        ...

    async def forget_parts(self, part: Part) -> None:
        """Forget the parts of a message."""
        ...


class Submitting:
    """Takes SMS-SUBMITs for the service centre.

    Args: number: of the service centre. wall: epoch seconds.
    """

    def __init__(self, number: str, desk: SubmitDesk, wall: Callable[[], float]) -> None:
        self._number = number
        self._desk = desk
        self._wall = wall
        self._reference = 0
        # When each text of the last minutes was said first.
        self._said: dict[bytes, int] = {}

    async def take(self, data: RpMessage, sender: str, exchange: Exchange) -> None:
        """Take an RP-DATA of a user, and tell the phone what became of it."""
        try:
            submit = parse_submit(data.user_data)
        except ValueError:
            exchange(RpMessage(RpKind.ERROR_NET, data.reference, cause=_INVALID).encode())
            return
        try:
            status = await self._submit(submit, sender)
        except StorageError:
            status = 503
        exchange(self._answer(data.reference, status))
        if status == 200 and submit.wants_report:
            exchange(self._report(submit))

    async def _submit(self, submit: Submit, sender: str) -> int:
        recipient = self._desk.way_to(submit.destination)
        if not recipient:
            return 404
        place = submit.place
        if place is None or place.total == 1:
            text = decode_text(submit.coding, [submit.text])
            identity = self._identity(sender, submit.destination, submit.reference, text)
            return await self._desk.deliver(sender, recipient, text, identity)
        part = Part(sender, submit.destination, place, submit.coding, submit.text)
        parts = await self._desk.keep_part(part)
        if not parts:
            return 503 if parts is None else 202
        text = decode_text(submit.coding, [one.data for one in parts])
        identity = self._identity(sender, submit.destination, place.reference, text)
        status = await self._desk.deliver(sender, recipient, text, identity)
        if status < 500:
            await self._desk.forget_parts(part)
        return status

    def _identity(self, sender: str, destination: str, reference: int, text: str) -> str:
        """Name a text: what a phone sends again, having heard no RP-ACK, has the same name.

        What it says again later has another, also where its TP-MR (TS 23.040 9.2.3.6) is the same.
        """
        name = f"{sender}\n{destination}\n{reference}\n{text}"
        key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        now = int(self._wall())
        first = self._said.pop(key, now)
        if not 0 <= now - first <= _REPEATS_S:
            first = now
        self._said[key] = first
        if len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        return f"{first}\n{name}"

    def _answer(self, reference: int, status: int) -> bytes:
        at = self._wall()
        if 200 <= status < 300:
            return RpMessage(RpKind.ACK_NET, reference, submit_report(at)).encode()
        cause = _CAUSES.get(status, _TEMPORARY)
        report = submit_report(at, _UNSPECIFIED)
        return RpMessage(RpKind.ERROR_NET, reference, report, cause=cause).encode()

    def _report(self, submit: Submit) -> bytes:
        """Return the SMS-STATUS-REPORT of a text that a device has."""
        at = self._wall()
        report = StatusReport(submit.reference, submit.destination, at, at, 0).encode()
        self._reference = (self._reference + 1) & 0xFF
        return RpMessage(RpKind.DATA_NET, self._reference, report, self._number).encode()
