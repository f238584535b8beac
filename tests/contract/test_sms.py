"""Parts of short messages and what was sent, on every engine."""

from __future__ import annotations

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
