"""Documents of presence printed in RFCs, and whatever a stranger makes of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.documents.filters import parse_filters
from presence.documents.partial import patch
from presence.documents.pidf import Document, parse_pidf, serialise
from presence.lists.services import read_services
from presence.rules import parse_rules
from sip.bodies.xml import parse_xml
from sip.errors import ParseError

from .test_xml import HOSTILE, PIECES
from .vectors import DATA

SOMEONE = "pres:someone@example.com"


def read_pidf(body: bytes) -> object:
    """Read a document about whom it says it is about."""
    return parse_pidf(body, parse_xml(body, "pidf").get("entity", ""))


def read_diff(body: bytes) -> object:
    """Read a patch for the document that RFC 5262 prints."""
    return patch(BASE, body)


READERS: dict[str, Callable[[bytes], object]] = {
    "pidf": read_pidf,
    "policy": parse_rules,
    "rls-services": lambda body: read_services(body, "sip:a@b"),
    "filter": parse_filters,
    "pidf-diff": read_diff,
}
FILES = {
    entry["file"]: (DATA / "xml" / entry["file"]).read_bytes()
    for entry in json.loads((DATA / "xml" / "index.json").read_text())
    if entry["schema_valid"] and entry["file"].partition("/")[0] in READERS
}
BASE: Document = parse_pidf(FILES["pidf-diff/rfc5262-01.xml"], SOMEONE)
# A patch of another document, documents that are none, and a filter with a prefix it does not bind.
APART = {
    "pidf-diff/rfc5262-01.xml", "pidf-diff/rfc5262-03.xml", "pidf-diff/rfc5263-02.xml",
    "pidf-diff/rfc5264-02.xml", "filter/rfc4661-05.xml",
}  # fmt: skip
OWN = sorted(set(FILES) - APART)


@pytest.mark.parametrize("name", OWN)
def test_printed_documents_are_read(name: str) -> None:
    READERS[name.partition("/")[0]](FILES[name])


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", READERS)
def test_hostile_documents_are_refused(kind: str, name: str) -> None:
    with pytest.raises(ParseError) as caught:
        READERS[kind](HOSTILE[name])
    assert caught.value.reason.isprintable()


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(OWN))
    data = FILES[name]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        data = data[:start] + draw(st.sampled_from([b"", *PIECES])) + data[end:]
    return name.partition("/")[0], data


@given(spoiled())
@settings(max_examples=200, deadline=None)
def test_any_octets_are_read_or_refused(spoiled: tuple[str, bytes]) -> None:
    before = serialise(BASE)
    kind, data = spoiled
    with contextlib.suppress(ParseError):
        READERS[kind](data)
    assert serialise(BASE) == before
