# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pager.recent import Recent


def test_remembers_at_least_half_and_never_more_than_all() -> None:
    recent: Recent[str] = Recent(10)
    for number in range(100):
        recent.add(b"%d" % number, str(number))
        assert len(recent) <= 10
        for back in range(max(0, number - 4), number + 1):
            assert recent.get(b"%d" % back) == str(back)
    assert recent.get(b"80") is None


def test_newest_under_a_call_id_counts() -> None:
    recent: Recent[str] = Recent(4)
    recent.add(b"c", "old")
    recent.add(b"x", "x")
    recent.add(b"c", "new")
    assert recent.get(b"c") == "new"


def test_drop_only_takes_the_entry_meant() -> None:
    recent: Recent[str] = Recent(4)
    first, second = "".join(["o", "ne"]), "two"
    recent.add(b"c", first)
    recent.drop(b"c", second)
    assert recent.get(b"c") == first
    recent.add(b"x", "x")
    recent.add(b"y", "y")
    recent.drop(b"c", first)
    assert recent.get(b"c") is None
    recent.drop(b"c", first)
    recent.drop(b"y", "y")
    assert recent.get(b"y") is None
