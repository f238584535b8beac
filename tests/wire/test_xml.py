"""Documents printed in RFCs, and documents made to hurt."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies import filetransfer, imdn, iscomposing, resource_lists, revoke
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError

from .vectors import DATA

INDEX = json.loads((DATA / "xml" / "index.json").read_text())
FILES = {entry["file"]: (DATA / "xml" / entry["file"]).read_bytes() for entry in INDEX}
VALID = [entry["file"] for entry in INDEX if entry["schema_valid"]]
BROKEN = [entry["file"] for entry in INDEX if not entry["schema_valid"]]

READERS: dict[str, Callable[[bytes], object]] = {
    "imdn": imdn.parse_imdn,
    "iscomposing": iscomposing.parse_iscomposing,
    "resource-lists": lambda body: resource_lists.parse_recipients(body, 50),
    "rcsrevoke": revoke.parse_revoke,
    "rcs-ft-http": filetransfer.parse_file_transfer,
}
OWN = [name for name in VALID if name.partition("/")[0] in READERS]


def check(data: bytes) -> None:
    validate(parse_xml(data, "document"), "document")


def test_all_documents_are_here() -> None:
    assert sorted(FILES) == sorted(
        path.relative_to(DATA / "xml").as_posix() for path in (DATA / "xml").rglob("*.xml")
    )
    assert (len(VALID), len(BROKEN)) == (119, 21)
    assert len(OWN) == 19


@pytest.mark.parametrize("name", VALID)
def test_valid_documents_are_accepted(name: str) -> None:
    check(FILES[name])


@pytest.mark.parametrize("name", BROKEN)
def test_broken_documents_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        check(FILES[name])
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize("name", OWN)
def test_readers_accept_the_documents_of_their_format(name: str) -> None:
    READERS[name.partition("/")[0]](FILES[name])


@pytest.mark.parametrize("name", OWN)
def test_cut_short_they_are_refused(name: str) -> None:
    data = FILES[name].rstrip()
    for cut in range(len(data)):
        with pytest.raises(ParseError):
            READERS[name.partition("/")[0]](data[:cut])


HOSTILE = {
    "entities": b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
    "document type": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
    "entity nobody declared": b"<a>&b;</a>",
    "external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "inclusion": b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/></a>',
    "utf-16": '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
    "utf-7": b'<?xml version="1.0" encoding="UTF-7"?><a/>',
    "latin-1": '<?xml version="1.0" encoding="ISO-8859-1"?><a>ü</a>'.encode("latin-1"),
    "declared latin-1": b"<?xml version='1.0' encoding = 'ISO-8859-1'?><a/>",
    "deep": b"<a>" * 65 + b"</a>" * 65,
    "very deep": b"<a>" * 20000,
    "attributes of one": b"<a " + b" ".join([b"a%d=''" % i for i in range(65)]) + b"/>",
    "attributes of all": b"<a>" + b"<b c='' d=''/>" * 501 + b"</a>",
    "name spaces": b"<a " + b" ".join([b"xmlns:a%d='u'" % i for i in range(65)]) + b"/>",
    "too large": b"<a>" + b"x" * 262_144 + b"</a>",
    "nul": b"<a>\x00</a>",
    "twice": b"<a/><a/>",
    "trailing": b"<a/>x",
    "line end in a name": b"<a b='\r\n\r\nEvil: 1'></b>",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_xml(HOSTILE[name], "document")
    assert caught.value.reason.isprintable()


def test_limits_are_limits() -> None:
    parse_xml(b"<a>" * 64 + b"</a>" * 64, "document")
    parse_xml(
        b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><?pi x?><!-- y --><a/>", "document"
    )
    parse_xml(b"<a>" + b"<b c='' d=''/>" * 500 + b"</a>", "document")


def test_what_a_document_says_cannot_break_the_line_of_a_reason() -> None:
    text = b'<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><refresh>1&#10;2</refresh>'
    with pytest.raises(ParseError) as caught:
        check(text + b"</isComposing>")
    assert caught.value.reason.isprintable()


PIECES = [
    b"<", b">", b"/", b'"', b"&", b"&#10;", b"&amp;", b"<a/>", b"</imdn>", b"<status/>", b"]]>",
    b"<![CDATA[", b"<!--", b"-->", b"<?x?>", b"xmlns=''", b"\x00", b"\xff", b" ", b"\r\n", b"1",
]  # fmt: skip
SEEDS = [FILES[name] for name in OWN] + [
    revoke.build_revoke(revoke.Revoke("id", "sip:a@b", "sip:c@d")),
    revoke.build_revoke(revoke.RevokeResult("id", True)),
    filetransfer.build_file_transfer(
        filetransfer.FileTransfer(filetransfer.File("https://a/b", 3, "a/b", "2026", "n"))
    ),
]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        data = data[:start] + draw(st.sampled_from([b"", *PIECES])) + data[end:]
    return data


@given(spoiled() | st.binary(max_size=100))
@settings(max_examples=500, deadline=None)
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    for read in READERS.values():
        with contextlib.suppress(ParseError):
            read(data)
