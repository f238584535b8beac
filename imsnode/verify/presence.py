# SPDX-License-Identifier: Apache-2.0
"""Publishing and following, as the flows of presence do."""

from __future__ import annotations

from typing import Final

from sip.dialog import Dialog, uac_dialog
from sip.errors import BadMessage
from sip.message import Response

from .outcome import Failed, applies
from .phone import Fields, Phone

__all__ = ["following", "publish_of", "published", "subscribe"]

_PIDF: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" '
    b'entity="%b"><tuple id="verify"><status><basic>open</basic></status><note>%b</note></tuple>'
    b"</presence>"
)
#: What a server answers that keeps no state: of no kind, or not of this one.
_NOT_KEPT: Final = frozenset((404, 405, 480, 489, 501))


async def published(phone: Phone, note: str = "here", expires: int = 600) -> Response:
    """Publish that somebody is there. Raises: NotApplicable when the server keeps no presence."""
    fields = [
        (b"Event", b"presence"),
        (b"Expires", b"%d" % expires),
        (b"Content-Type", b"application/pidf+xml"),
    ]
    body = _PIDF % (phone.account.aor.encode(), note.encode())
    answer = await publish_of(phone, fields, body)
    applies(answer.status not in _NOT_KEPT, f"the server answers PUBLISH with {answer.status}")
    return answer


async def publish_of(phone: Phone, fields: Fields, body: bytes = b"") -> Response:
    """Send a PUBLISH with these fields."""
    return await phone.request("PUBLISH", phone.account.aor, fields, body)


async def subscribe(
    phone: Phone,
    aor: str,
    event: bytes = b"presence",
    accept: bytes = b"application/pidf+xml",
    supported: bytes = b"",
) -> Response:
    """Follow somebody. Raises: NotApplicable when the server keeps no presence."""
    fields = [
        (b"Event", event),
        (b"Expires", b"600"),
        (b"Accept", accept),
        (b"Contact", b"<" + phone.contact + b">"),
        *([(b"Supported", supported)] if supported else []),
    ]
    answer = await phone.request("SUBSCRIBE", aor, fields)
    if event == b"presence":
        applies(
            answer.status not in _NOT_KEPT, f"the server answers SUBSCRIBE with {answer.status}"
        )
    return answer


def following(answer: Response) -> Dialog:
    """Return the dialog of a subscription. Raises: Failed where there is none."""
    if answer.status != 200:
        raise Failed(f"SUBSCRIBE is answered {answer.status}, not 200")
    try:
        return uac_dialog(answer)
    except BadMessage as error:
        raise Failed(f"the 200 to SUBSCRIBE makes no dialog: {error.reason}") from error
