# SPDX-License-Identifier: Apache-2.0
"""Taking a message back: application/vnd.gsma.rcsrevoke+xml (RCC.11, message revocation).

The name space is read leniently and the elements by their local names, since deployed clients
disagree about both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from ..errors import ParseError
from .xml import Element, add, new_root, parse_xml, text_of, write_xml

__all__ = ["MEDIA_TYPE", "Revoke", "RevokeResult", "build_revoke", "parse_revoke"]

MEDIA_TYPE: Final = b"application/vnd.gsma.rcsrevoke+xml"

_WHERE: Final = "rcsrevoke"
_URN: Final = "urn:gsma:params:xml:ns:rcs:rcs:imrevoke"
_REQUEST: Final = "MessageRevoke"
_RESPONSE: Final = "MessageRevokeResponse"


@dataclass(frozen=True, slots=True)
class Revoke:
    """The sender's wish that a message be removed where it has not been delivered.

    message_id: its imdn.Message-ID. sender, recipient: URIs, "" where the document names none.
    """

    message_id: str
    sender: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True)
class RevokeResult:
    """What came of it."""

    message_id: str
    removed: bool
    sender: str = ""
    recipient: str = ""


def parse_revoke(body: bytes) -> Revoke | RevokeResult:
    """Read a request or a result.

    Raises: ParseError.
    """
    root = parse_xml(body, _WHERE)
    found = {_local(element): element for element in root.iter() if len(element)}
    request, response = found.get(_REQUEST), found.get(_RESPONSE)
    if _local(root) != "imRevoke" or (request is None) == (response is None):
        raise ParseError(_WHERE, "rcsrevoke document is neither a request nor a result")
    inner = request if response is None else response
    assert inner is not None
    fields = {_local(element).lower(): text_of(element) for element in inner}
    message_id = fields.get("message-id", "")
    if not message_id:
        raise ParseError(_WHERE, "rcsrevoke document names no message")
    sender, recipient = fields.get("from", ""), fields.get("to", "")
    if response is None:
        return Revoke(message_id, sender, recipient)
    result = fields.get("result", "").lower()
    if result not in ("success", "failure"):
        raise ParseError(_WHERE, "rcsrevoke document has no result")
    return RevokeResult(message_id, result == "success", sender, recipient)


def build_revoke(revoke: Revoke | RevokeResult) -> bytes:
    """Write a request or a result."""
    root = new_root(_URN, "imRevoke")
    fields = [("Message-ID", revoke.message_id)]
    name = _REQUEST
    if isinstance(revoke, RevokeResult):
        name = _RESPONSE
        fields.append(("Result", "success" if revoke.removed else "failure"))
    inner = add(root, name)
    fields += [("From", revoke.sender), ("To", revoke.recipient)]
    for key, text in fields:
        if text:
            add(inner, key, text)
    return write_xml(root)


def _local(element: Element) -> str:
    return str(etree.QName(element).localname)
