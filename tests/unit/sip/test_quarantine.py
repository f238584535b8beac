# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sip.quarantine import Quarantine


def test_who_failed_comes_last_for_a_while() -> None:
    quarantine = Quarantine(30.0)
    assert quarantine.ordered("abc", 0.0) == ["a", "b", "c"]
    quarantine.add("a", 0.0)
    assert quarantine.ordered("abc", 29.0) == ["b", "c", "a"]
    assert quarantine.ordered("abc", 30.0) == ["a", "b", "c"]
    assert len(quarantine) == 0


def test_who_answers_is_forgiven_and_nobody_is_refused() -> None:
    quarantine = Quarantine(30.0)
    for server in "ab":
        quarantine.add(server, 0.0)
    assert quarantine.ordered("ab", 1.0) == ["a", "b"]
    quarantine.release("b")
    assert quarantine.ordered("ab", 1.0) == ["b", "a"]


def test_it_does_not_grow_for_ever() -> None:
    quarantine = Quarantine(30.0)
    for number in range(5000):
        quarantine.add(number, 0.0)
    assert len(quarantine) == 4096
    assert quarantine.holds(4999, 0.0)
    assert not quarantine.holds(0, 0.0)
