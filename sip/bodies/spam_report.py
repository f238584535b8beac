# SPDX-License-Identifier: Apache-2.0
"""A user's report of spam: application/vnd.gsma.rcsspam-report+xml (RCC.07).

The elements are those that deployed clients send: the accused (``Chatbot``), at most ten
``Message-ID``, ``spam-type`` and ``free-text``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from ..errors import ParseError
from .xml import Element, add, new_root, parse_xml, text_of, write_xml

__all__ = ["MEDIA_TYPE", "SpamReport", "build_spam_report", "parse_spam_report"]

MEDIA_TYPE: Final = b"application/vnd.gsma.rcsspam-report+xml"

_WHERE: Final = "rcsspam-report"
_URN: Final = "urn:gsma:params:xml:ns:rcs:rcs:spamreport"
_MESSAGES: Final = 10


@dataclass(frozen=True, slots=True)
class SpamReport:
    """What a user complains about. accused: URI, "" when none is named."""

    accused: str
    message_ids: tuple[str, ...] = ()
    kind: str = ""
    text: str = ""


def parse_spam_report(body: bytes) -> SpamReport:
    """Read a document.

    Raises: ParseError.
    """
    root = parse_xml(body, _WHERE)
    if _local(root) != "SR":
        raise ParseError(_WHERE, "rcsspam-report document has another root element")
    fields: dict[str, list[str]] = {}
    for element in root:
        if text := text_of(element):
            fields.setdefault(_local(element), []).append(text)
    message_ids = tuple(dict.fromkeys(fields.get("Message-ID", ())))
    if len(message_ids) > _MESSAGES:
        raise ParseError(_WHERE, "rcsspam-report document names more than ten messages")
    accused = fields.get("Chatbot", [""])[0]
    if not accused and not message_ids:
        raise ParseError(_WHERE, "rcsspam-report document names nobody and no message")
    kind, text = (fields.get(name, [""])[0] for name in ("spam-type", "free-text"))
    return SpamReport(accused, message_ids, kind, text)


def build_spam_report(report: SpamReport) -> bytes:
    """Write a document."""
    root = new_root(_URN, "SR")
    fields = [("Chatbot", report.accused)]
    fields += [("Message-ID", one) for one in report.message_ids]
    fields += [("spam-type", report.kind), ("free-text", report.text)]
    for name, text in fields:
        if text:
            add(root, name, text)
    return write_xml(root)


def _local(element: Element) -> str:
    return str(etree.QName(element).localname)
