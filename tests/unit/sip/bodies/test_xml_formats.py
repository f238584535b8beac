"""is-composing, revocation and file transfer: small documents, read and written."""

from __future__ import annotations

import pytest

from sip.bodies.filetransfer import (
    File,
    FileTransfer,
    build_file_transfer,
    parse_file_transfer,
)
from sip.bodies.iscomposing import IsComposing, build_iscomposing, parse_iscomposing
from sip.bodies.revoke import Revoke, RevokeResult, build_revoke, parse_revoke
from sip.bodies.schema import validate
from sip.bodies.spam_report import SpamReport, build_spam_report, parse_spam_report
from sip.bodies.xml import parse_xml
from sip.errors import ParseError

COMPOSING = '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing">%s</isComposing>'


@pytest.mark.parametrize(
    "status",
    [
        IsComposing(True, 90, "text/plain"),
        IsComposing(False, None, "audio", "2003-01-27T10:43:00Z"),
        IsComposing(True),
    ],
)
def test_composing(status: IsComposing) -> None:
    document = build_iscomposing(status)
    validate(parse_xml(document, "x"), "x")
    assert parse_iscomposing(document) == status


def test_an_unknown_state_is_idle_and_without_refresh_it_lasts_two_minutes() -> None:
    status = parse_iscomposing((COMPOSING % "<state>thinking</state>").encode())
    assert (status.active, status.lasts_s) == (False, 120)
    assert IsComposing(True, 90).lasts_s == 90


@pytest.mark.parametrize(
    "inner",
    ["", "<state>active</state><state>idle</state>", "<state>idle</state><refresh>-1</refresh>",
     "<state>idle</state><refresh>99999999999</refresh>"],
)  # fmt: skip
def test_composing_refused(inner: str) -> None:
    with pytest.raises(ParseError):
        parse_iscomposing((COMPOSING % inner).encode())
    with pytest.raises(ParseError):
        parse_iscomposing(b"<isComposing><state>idle</state></isComposing>")


@pytest.mark.parametrize(
    "revoke",
    [
        Revoke("id1", "sip:alice@a", "sip:bob@b"),
        Revoke("id1"),
        RevokeResult("id1", True, "sip:alice@a", "sip:bob@b"),
        RevokeResult("id1", False),
    ],
)
def test_revoke(revoke: Revoke | RevokeResult) -> None:
    assert parse_revoke(build_revoke(revoke)) == revoke


SPAM = SpamReport("sip:bot@a", ("id1", "id2"), "advertising", "every & day")


@pytest.mark.parametrize("report", [SPAM, SpamReport("sip:bot@a"), SpamReport("", ("id1",))])
def test_spam_report(report: SpamReport) -> None:
    assert parse_spam_report(build_spam_report(report)) == report


def test_spam_report_as_clients_send_it() -> None:
    text = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<SR xmlns="urn:gsma:params:xml:ns:rcs:rcs:spamreport">\n'
        b"  <Chatbot>sip:bot@a</Chatbot>\n  <spam-type></spam-type>\n"
        b"  <free-text> daily </free-text>\n</SR>"
    )
    assert parse_spam_report(text) == SpamReport("sip:bot@a", (), "", "daily")


@pytest.mark.parametrize(
    "text",
    [
        b"<SR/>",
        b"<XR><Chatbot>sip:bot@a</Chatbot></XR>",
        b"<SR>" + b"".join(b"<Message-ID>%d</Message-ID>" % n for n in range(11)) + b"</SR>",
    ],
)
def test_spam_report_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_spam_report(text)


def test_revoke_in_another_name_space() -> None:
    text = b"<imRevoke><MessageRevoke><Message-ID> x </Message-ID></MessageRevoke></imRevoke>"
    assert parse_revoke(text) == Revoke("x")


@pytest.mark.parametrize(
    "text",
    [
        b"<imRevoke/>",
        b"<other><MessageRevoke><Message-ID>x</Message-ID></MessageRevoke></other>",
        b"<imRevoke><MessageRevoke><From>x</From></MessageRevoke></imRevoke>",
        b"<imRevoke><MessageRevokeResponse><Message-ID>x</Message-ID></MessageRevokeResponse></imRevoke>",
        b"<imRevoke><MessageRevoke><Message-ID>x</Message-ID></MessageRevoke>"
        b"<MessageRevokeResponse><Message-ID>x</Message-ID></MessageRevokeResponse></imRevoke>",
    ],
)
def test_revoke_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_revoke(text)


@pytest.mark.parametrize(
    "transfer",
    [
        FileTransfer(
            File("https://a/b?c=d&e", 5, "image/png", "2026-01-01T00:00:00Z", "ü <1>.png")
        ),
        FileTransfer(File("https://a/b", 5, "a/b"), File("https://a/t", 1, "image/jpeg", "2026")),
    ],
)
def test_file_transfer(transfer: FileTransfer) -> None:
    assert parse_file_transfer(build_file_transfer(transfer)) == transfer


FT = '<file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp">%s</file>'


@pytest.mark.parametrize(
    "text",
    [
        "<file/>",
        FT % "",
        FT % '<file-info type="file"><file-size>1</file-size></file-info>',
        FT % '<file-info type="file"><file-size>x</file-size><data url="https://a"/></file-info>',
        FT % '<file-info type="file"><file-size>1</file-size><data url="file:///a"/></file-info>',
    ],
)
def test_file_transfer_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_file_transfer(text.encode())
