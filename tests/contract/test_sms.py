"""Parts of short messages and what was sent, on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imsnode.storage import Part, Sent
from sip.bodies.segments import Place
from tests.support.stores import WALL, DurableStore


def part(number: int, reference: int = 7) -> Part:
    return Part("+491", "+492", Place(reference, 2, number), 0, b"%d" % number)


def sent(identity: str, message_id: str = "m1", total: int = 2) -> Sent:
    who = ("sip:alice@ims.test", "sip:+491@ims.test")
    return Sent("centre", identity, message_id, *who, b"call", b"", total, WALL)


def test_parts_wait_for_each_other_over_a_restart(durable: DurableStore) -> None:
    assert durable.storage.short_messages.keep_part(part(2), WALL) == []
    assert durable.storage.short_messages.keep_part(part(1, 8), WALL) == []
    durable.reopen()
    short = durable.storage.short_messages
    assert short.keep_part(part(2), WALL) == []
    assert short.keep_part(part(1), WALL) == [part(1), part(2)]
    short.forget_parts(part(1))
    assert short.keep_part(part(1), WALL) == []
    assert short.forget_before(WALL + 1, WALL) == 2


def test_another_message_takes_the_place_of_one_that_never_became_whole(
    durable: DurableStore,
) -> None:
    short = durable.storage.short_messages
    old = replace(part(1), data=b"old")
    assert short.keep_part(old, WALL) == []
    assert short.keep_part(part(1), WALL + 60) == []
    assert short.keep_part(part(2), WALL + 60) == [part(1), part(2)]


def test_one_source_does_not_take_the_room_of_all(
    durable: DurableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imsnode.storage.sms.PARTS_OF_ONE", 2)
    short = durable.storage.short_messages
    assert [short.keep_part(part(1, reference), WALL) for reference in (1, 2, 3)] == [[], [], None]
    assert short.keep_part(replace(part(1), source="+493"), WALL) == []
    assert short.keep_part(part(2), WALL) is None
    assert short.keep_part(part(1, 2), WALL) == []


def test_what_was_sent_is_found_as_it_is_spelt_first(durable: DurableStore) -> None:
    short = durable.storage.short_messages
    short.keep_sent([sent("255", "m1"), sent("FF", "m2")])
    assert short.find_sent("centre", ("FF", "255")) == sent("FF", "m2")


def test_what_was_sent_is_found_by_any_spelling_until_it_is_settled(durable: DurableStore) -> None:
    durable.storage.short_messages.keep_sent([sent("a"), sent("b"), sent("c", "m2")])
    durable.reopen()
    short = durable.storage.short_messages
    found = short.find_sent("centre", ("x", "a"))
    assert found == sent("a")
    assert short.find_sent("other", ("a",)) is None
    assert short.settle(sent("a"), whole=False) == 1
    assert short.settle(sent("b"), whole=False) == 0
    short.keep_sent([sent("c", "m3")])
    assert short.find_sent("centre", ("c",)) == sent("c", "m3")
    assert short.forget_before(WALL, WALL + 1) == 0
    assert short.find_sent("centre", ("c",)) is None
