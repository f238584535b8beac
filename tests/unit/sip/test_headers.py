"""The small header modules: names, layout, structure, Content-Length, Date."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import LimitExceeded, ParseError
from sip.headers import layout as layout_module
from sip.headers import structure
from sip.headers.content_length import parse_content_length
from sip.headers.date import format_date, parse_date
from sip.headers.layout import find_layout, learn_layout
from sip.headers.names import KNOWN, SINGLE, canonical_name, known_name
from sip.limits import Limits
from sip.parser import parse_message
from tests.support.wire import REQUEST, with_line

BASE = [b"Via: a", b"From: b", b"To: c", b"Call-ID: d", b"CSeq: e"]


class TestNames:
    def test_compact_forms(self) -> None:
        assert KNOWN[b"v"] == KNOWN[b"V"] == "via"
        assert canonical_name(b"i ") == "call-id"
        assert canonical_name(b"X-Mine\t") == "x-mine"

    def test_known_in_any_spelling(self) -> None:
        assert known_name(b"cOnTeNt-LENGTH \t") == "content-length"
        assert known_name(b"X-Mine") is None

    @pytest.mark.parametrize("raw", [b"", b" ", b" a", b"a b", b"a\r\n", b"\xc5\xbf", b"a:b"])
    def test_malformed(self, raw: bytes) -> None:
        with pytest.raises(ParseError):
            canonical_name(raw)

    def test_single_names_are_canonical(self) -> None:
        assert all(name in KNOWN.values() for name in SINGLE)


class TestLayout:
    def test_found_again_only_for_the_same_order(self) -> None:
        lines = [*BASE, b"X-Layout-Test: 1"]
        learned = learn_layout(lines)
        assert find_layout([*BASE, b"X-Layout-Test: 2"]) is learned
        for other in (
            [*BASE, b"X-Layout-Test"],
            [*BASE, b"X-Layout-Test : 1"],
            [*BASE, b"x-layout-test: 1"],
            [*BASE, b" X-Layout-Test: 1"],
            [*BASE[:-1], b"X-Layout-Test: 1", BASE[-1]],
            [*lines, b"Subject: s"],
        ):
            assert find_layout(other) is not learned

    def test_places(self) -> None:
        found = learn_layout([b"l: 0", *BASE, b"v: 2", b"c: a/b", b"Max-Forwards: 1", b"m: *"])
        assert (found.content_length, found.via, found.more_vias) == (0, 1, (6,))
        assert (found.content_type, found.max_forwards) == (7, 8)
        assert found.checked == ("contact",)
        assert learn_layout(BASE).content_length == -1

    def test_bounded(self) -> None:
        for number in range(100):
            learn_layout([*BASE, b"X-%d: y" % number])
        assert all(
            len(entries) <= layout_module._PER_COUNT for entries in layout_module._layouts.values()
        )
        learn_layout(BASE + [b"Y-%d: z" % number for number in range(200)])
        assert max(layout_module._layouts) <= layout_module._MOST_LINES

    def test_often_seen_ones_survive_a_flood(self) -> None:
        lines = [*BASE, b"X-Often: 1", b"X-Seen: 1"]
        kept = learn_layout(lines)
        for number in range(100):
            assert find_layout(lines) is kept
            learn_layout([*BASE, b"X-Flood: 1", b"X-%d: y" % number])


class TestStructure:
    @pytest.mark.parametrize(
        "value",
        [
            b"text/plain",
            b"TEXT / Plain ; charset=UTF-8",
            b'multipart/mixed;boundary="a;b"',
            b"a/b+c",
        ],
    )
    def test_content_types(self, value: bytes) -> None:
        structure.check_content_type(value)
        assert value in structure.GOOD_TYPES

    @pytest.mark.parametrize(
        "value", [b"", b"text", b"/", b"a/", b"/b", b"a/b/c", b"a/b;", b"a b/c"]
    )
    def test_bad_content_types(self, value: bytes) -> None:
        with pytest.raises(ParseError):
            structure.check_content_type(value)

    def test_bounded(self) -> None:
        for number in range(structure._TYPES_ITEMS + 10):
            structure.check_content_type(b"a/b%d" % number)
        assert len(structure.GOOD_TYPES) <= structure._TYPES_ITEMS
        long = b"a/" + b"b" * 200
        structure.check_content_type(long)
        assert long not in structure.GOOD_TYPES

    def test_the_reason_names_the_header(self) -> None:
        with pytest.raises(ParseError) as caught:
            parse_message(with_line(b"Record-Route: <sip:a", REQUEST), Limits())
        assert caught.value.where == "Record-Route"


class TestContentLength:
    def test_edges(self) -> None:
        assert parse_content_length(b"0", 10) == 0
        assert parse_content_length(b"0000000010", 10) == 10
        with pytest.raises(LimitExceeded) as caught:
            parse_content_length(b"11", 10)
        assert (caught.value.status_hint, caught.value.close) == (413, False)


class TestDate:
    def test_rfc_example(self) -> None:
        assert parse_date(b"Sat, 13 Nov 2010 23:29:00 GMT") == 1289690940.0
        assert format_date(1289690940.9) == b"Sat, 13 Nov 2010 23:29:00 GMT"

    @pytest.mark.parametrize(
        "value",
        [
            b"", b"Fri, 01 Jan 2010 16:00:00 EST", b"Fri, 1 Jan 2010 16:00:00 GMT",
            b"Fri 01 Jan 2010 16:00:00 GMT", b"Fri, 32 Jan 2010 16:00:00 GMT",
            b"Fri, 30 Feb 2010 16:00:00 GMT", b"Fri, 00 Jan 2010 16:00:00 GMT",
            b"Fri, 01 Jan 2010 24:00:00 GMT", b"Fri, 01 Jan 2010 16:60:00 GMT",
            b"Fri, 01 Jan 2010 16:00 GMT", b"Fri, 01 Jan 1969 16:00:00 GMT",
            b"Fri, 01 Foo 2010 16:00:00 GMT", b"Fri, 01 Jan 20x0 16:00:00 GMT", b"0", b"now",
            b"Fri, 01 Jan 2010 16:00:00 GMT ", b"Fri, 01 Jan 2010 1:600:00 GMT",
            b"Sat, 13 Nov 2010 23:29:00 UTC",
            b"Sat, 13 Nov 2010 23:29:00 GMT ",
            b"sat, 13 Nov 2010 23:29:00 GMT",
            b"Sat,  3 Nov 2010 23:29:00 GMT",
            b"Sat, 13 nov 2010 23:29:00 GMT",
            b"Sat, 13 Foo 2010 23:29:00 GMT",
            b"Sat, 31 Feb 2010 23:29:00 GMT",
            b"Sat, 13 Nov 0000 23:29:00 GMT",
            b"Sat, 13 Nov 2010 24:29:00 GMT",
            b"Sat, 13 Nov 2010 23:60:00 GMT",
            b"Sat, 13 Nov 2010 23:29:61 GMT",
            b"Sat, +1 Nov 2010 23:29:00 GMT",
            b"Sat, 13 Nov 2010 23-29-00 GMT",
            b"Sat, 13-Nov-2010 23:29:00 GMT",
            b"Sat, 13 Nov 2010 23:2\xb2:00 GMT",
        ],
    )  # fmt: skip
    def test_not_a_date(self, value: bytes) -> None:
        assert parse_date(value) is None

    def test_leap_second(self) -> None:
        assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799.0

    @given(st.binary(min_size=29, max_size=29))
    def test_never_raises(self, value: bytes) -> None:
        parse_date(value)

    @given(st.integers(min_value=0, max_value=253402300799))
    def test_round_trip(self, wall: int) -> None:
        assert parse_date(format_date(float(wall))) == wall
