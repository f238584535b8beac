# SPDX-License-Identifier: Apache-2.0
"""Extended regular expressions of filter criteria (POSIX 1003.1 chapter 9.4)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imsnode.ims.ere import BadExpression, Expression


@pytest.mark.parametrize(
    ("expression", "fits", "not_fits"),
    [
        ("abc", [b"abc", b"xabcx"], [b"ab", b"ABC"]),
        ("^sip:.*@ims\\.test$", [b"sip:bob@ims.test"], [b"sip:bob@imsxtest", b"xsip:bob@ims.test"]),
        ("a|bc|", [b"a", b"bc", b""], []),
        ("^(a|b)+$", [b"a", b"abba"], [b"", b"abc"]),
        ("^a{2,3}$", [b"aa", b"aaa"], [b"a", b"aaaa"]),
        ("^a{2}$", [b"aa"], [b"a", b"aaa"]),
        ("^a{2,}b?$", [b"aa", b"aaaaab"], [b"a", b"aabb"]),
        ("^[[:digit:]a-f_]+$", [b"0a_"], [b"g", b""]),
        ("^[^]x]$", [b"a"], [b"]", b"x"]),
        ("^[]-]$", [b"]", b"-"], [b"x"]),
        ("\\+g\\.3gpp", [b"*;+g.3gpp.icsi-ref"], [b"+gx3gpp"]),
        ("(^|,)path", [b"path", b"outbound,path"], [b"xpath"]),
        ("^$", [b""], [b"a"]),
        ("(a*)*", [b"", b"b"], []),
    ],
)
def test_what_fits(expression: str, fits: list[bytes], not_fits: list[bytes]) -> None:
    compiled = Expression(expression)
    assert [text for text in fits if not compiled.found_in(text)] == []
    assert [text for text in not_fits if compiled.found_in(text)] == []


@pytest.mark.parametrize(
    "text",
    ["(", ")", "a{", "a{3,2}", "a{999}", "*a", "[a", "[[:word:]]", "a\\", "[z-a]", "é", "(" * 60,
     "((a{99}){99}){99}", "x" * 1001],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadExpression):
        Expression(text)


def test_time_is_linear_in_the_text() -> None:
    """Threats S8: what back-tracking engines take exponential time for; steps are counted."""
    expression = Expression("^(a+)+b*(a|aa)+$")
    text = b"a" * 60_000 + b"!"
    assert not expression.found_in(text)
    assert len(expression._steps) < 50  # every other octet was one look-up


@given(
    st.text(alphabet="ab|*+?(.)", max_size=8), st.text(alphabet="ab", max_size=8).map(str.encode)
)
@settings(max_examples=60, deadline=None)
def test_like_another_engine(expression: str, text: bytes) -> None:
    """Python's engine, where both know the expression, says the same."""
    try:
        ours = Expression(expression)
        theirs = re.compile(expression.encode())
    except (BadExpression, re.error):
        return
    # "+?" and "*+" mean something else there.
    if re.search(r"[*+?][*+?]|\(\?", expression):
        return
    assert ours.found_in(text) == bool(theirs.search(text))


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text can have every step lead somewhere new, and each place takes as much as it counts."""
    monkeypatch.setattr("imsnode.ims.ere._REMEMBERED", 2_000)
    expression = Expression("a" + "[ab]{100}" + "c")
    text = bytes(b"ab"[number * number // 3 % 2] for number in range(500))
    assert not expression.found_in(text)
    kept = sum(1 + len(before) + len(after) for (before, _), after in expression._steps.items())
    assert 0 < kept < 2_000 + 250
    assert expression.found_in(text + b"a" * 101 + b"c")
