# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pager.dates import format_date, parse_date


def test_the_example_of_rfc_3261() -> None:
    assert parse_date(b"Sat, 13 Nov 2010 23:29:00 GMT") == 1289690940.0
    assert format_date(1289690940) == b"Sat, 13 Nov 2010 23:29:00 GMT"


@given(st.integers(0, 253402300799))
def test_round_trip(second: int) -> None:
    assert parse_date(format_date(second)) == second


def test_leap_second() -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799.0


@pytest.mark.parametrize(
    "value",
    [
        b"",
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
)
def test_anything_else_is_none(value: bytes) -> None:
    assert parse_date(value) is None


@given(st.binary(min_size=29, max_size=29))
def test_never_raises(value: bytes) -> None:
    parse_date(value)
