# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pager.recent import Recent


def test_remembers_at_least_half_and_never_more_than_all() -> None:
    recent = Recent(10)
    for number in range(100):
        recent.add(b"%d" % number, b"%d" % number)
        assert len(recent) <= 10
        for back in range(max(0, number - 4), number + 1):
            assert recent.get(b"%d" % back) == b"%d" % back
    assert recent.get(b"80") is None


def test_newest_under_a_call_id_counts() -> None:
    recent = Recent(4)
    recent.add(b"c", b"old")
    recent.add(b"x", b"x")
    recent.add(b"c", b"new")
    assert recent.get(b"c") == b"new"


def test_drop_only_takes_the_entry_meant() -> None:
    recent = Recent(4)
    first, second = b"one", b"two"
    recent.add(b"c", first)
    recent.drop(b"c", second)
    assert recent.get(b"c") == first
    recent.add(b"x", b"x")
    recent.add(b"y", b"y")
    recent.drop(b"c", first)
    assert recent.get(b"c") is None
    recent.drop(b"c", first)
    recent.drop(b"y", b"y")
    assert recent.get(b"y") is None


def test_another_entry_takes_the_place_of_the_one_meant_in_either_generation() -> None:
    recent = Recent(4)
    recent.add(b"c", b"one")
    recent.replace(b"c", b"other", b"never")
    recent.replace(b"c", b"one", b"two")
    assert recent.get(b"c") == b"two"
    recent.add(b"x", b"x")
    recent.add(b"y", b"y")
    recent.replace(b"c", b"two", b"three")
    assert recent.get(b"c") == b"three"
    recent.replace(b"z", b"z", b"never")
    assert recent.get(b"z") is None
