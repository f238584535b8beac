# SPDX-License-Identifier: Apache-2.0
"""Small documents are read at once, others piece by piece; both ways come to the same."""

from __future__ import annotations

import pytest
from lxml import etree

from sip.bodies import xml
from sip.errors import ParseError

INCLUDE = b'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="b"/></a>'


def outcome(data: bytes) -> bytes | int:
    """Return the document as it was read, or the status of its refusal."""
    try:
        return etree.tostring(xml.parse_xml(data, "x", comments=True))
    except ParseError as error:
        return error.status_hint


@pytest.mark.parametrize(
    "data",
    [
        b'<a b="1"><!-- c --><d/></a>',
        b"<a>" * 64 + b"</a>" * 64,
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" * 63 + b"<b/>" + b"</a>" * 63,
        b"<a " + b" ".join(b'b%d="1"' % n for n in range(64)) + b"/>",
        b"<a " + b" ".join(b'b%d="1"' % n for n in range(65)) + b"/>",
        b"<a " + b" ".join(b'xmlns:b%d="c%d"' % (n, n) for n in range(65)) + b"/>",
        INCLUDE,
        INCLUDE.replace(b"www", b"&#119;ww"),
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>&b;</a>",
        b"<a><b></a>",
        b"<a/><b/>",
        b"",
    ],
)
def test_both_ways_of_reading_agree(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = outcome(data)
    monkeypatch.setattr(xml, "_is_small", lambda _: False)
    assert outcome(data) == at_once
