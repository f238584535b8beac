"""Members of rooms who are away, cut off, or have no sessions: what they get, and what they may say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imsnode.rooms.replays import wanted_history
from session_msrp.rooms import edits
from session_msrp.rooms.dated import plain
from session_msrp.rooms.values import Access, RoomMessage
from sip.bodies.cpim import parse_cpim
from sip.privacy import ANONYMOUS
from tests.support.room_house import ALICE, BOB, CAROL, WALL, House, message, texts
from tests.support.room_world import ROOM, cpim


@pytest.fixture
def house() -> House:
    return House()


def test_who_was_away_gets_what_they_missed_when_they_return(house: House) -> None:
    """RM-08: in order, once, with the time it was said, which their own clients did not give."""
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.passes(3600)
    house.say(alice, b"two")
    house.register(BOB)
    [(who, _done)] = house.invited
    assert who == BOB
    bob = house.enter("bob", invited=True)
    house.say(alice, b"three")
    assert bob.texts == [b"one", b"two", b"three"]
    dates = [parse_cpim(body).get(b"DateTime") for body in bob.bodies]
    assert dates == [b"2025-06-15T15:06:40.000+00:00", b"2025-06-15T16:06:40.000+00:00", None]
    house.register(BOB)
    assert len(house.invited) == 1


def test_who_hangs_up_has_it_all_who_is_cut_off_gets_the_last_again(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.leave(bob)
    house.say(alice, b"two")
    bob = house.enter("bob")
    assert bob.texts == [b"two"]
    house.passes(3)
    assert house.store.marks[ROOM, BOB] == 2
    house.say(alice, b"three")
    house.leave(bob, "connection lost")
    assert house.enter("bob").texts == [b"three"]


def test_what_no_device_confirmed_is_not_taken_for_heard(house: House) -> None:
    """A connection that died silently swallows what is written to it for a while."""
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.passes(3)
    house.stuck.add(BOB)
    house.say(alice, b"two")
    house.passes(30)
    assert house.store.marks[ROOM, BOB] == 1
    house.leave(bob, "connection lost")
    house.stuck.clear()
    assert house.enter("bob").texts == [b"two"]


def test_much_history_comes_as_fast_as_it_is_read(house: House) -> None:
    """All at once it would be more than a connection may have unread."""
    alice = house.enter("alice")
    said = [b"%d" % number + bytes(15_000) for number in range(8)]
    for text in said:
        house.say(alice, text)
    bob = house.enter("bob")
    assert bob.texts == said[:5]
    house.say(alice, b"last")
    bob.visit.free = lambda: False
    house.passes(3)
    assert bob.texts == said[:5]
    bob.visit.free = lambda: True
    house.passes(1)
    assert bob.texts == [*said, b"last"]
    house.passes(3)
    assert house.timers.next_deadline() is None


def test_who_is_cut_off_while_they_catch_up_gets_it_all_again(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.passes(60)
    for _ in range(2):
        bob = house.enter("bob")
        assert bob.texts == [b"one"]
        house.leave(bob, "connection lost")
    bob = house.enter("bob")
    house.passes(3)
    house.leave(bob, "connection lost")
    assert house.enter("bob").texts == []


def test_nothing_is_left_of_a_room_that_was_removed(house: House) -> None:
    """Also where an answer, or a commit, comes behind it."""
    house.change(edits.set_members(ROOM, [CAROL]))
    house.change(edits.set_pager(ROOM, CAROL, True))
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.leave(bob)
    kept = replace(house.store.messages[-1], number=2)
    room = house.live.room
    house.attendance.changed(room, None)
    house.feeds.forget(ROOM)
    house.returns.forget(ROOM)
    house.attendance.outside(house.live, kept, house.time)
    [(_, _, answered)] = house.sent
    answered(200, "")
    house.passes(3)
    for part in (house.attendance, house.feeds, house.returns):
        left = {name: kept for name, kept in vars(part).items() if isinstance(kept, dict | set)}
        left.pop("_since", None)
        left.pop("_rooms", None) if part is house.returns else None
        assert not any(left.values()), left


@pytest.mark.parametrize("why", ["hung up", "connection lost"])
def test_who_leaves_while_on_hold_is_sent_what_waited(house: House, why: str) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.passes(3)
    bob.visit.wait()
    house.say(alice, b"two")
    house.passes(60)
    house.leave(bob, why)
    assert house.enter("bob").texts == [b"two"]


def test_who_is_there_is_noted_to_have_heard_and_then_nothing_ticks(house: House) -> None:
    house.time = 1000.0
    alice = house.enter("alice")
    house.enter("bob")
    house.say(alice, b"one")
    house.passes(3)
    assert house.store.marks == {(ROOM, ALICE): 1, (ROOM, BOB): 1}
    house.passes(3)
    assert house.timers.next_deadline() is None


def test_who_hung_up_is_called_when_they_come_back_not_when_they_refresh(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.leave(bob)
    house.say(alice, b"one")
    house.register(BOB)
    house.returns.look(house.time)
    house.register(BOB)
    assert house.invited == []
    house.here.discard(BOB)
    house.returns.look(house.time)
    house.register(BOB)
    assert [who for who, _ in house.invited] == [BOB]


def test_a_message_that_is_sent_again_is_said_once(house: House) -> None:
    """RFC 3261 8.2.2.2: the same Call-ID, CSeq and From-tag, in another transaction."""
    alice = house.enter("alice")
    assert [house.knock(BOB, b"hi"), house.knock(BOB, b"hi")] == [200, 200]
    house.passes(1)
    assert house.knock(BOB, b"hi") == 200
    assert alice.texts == [b"hi"]
    assert house.knock(BOB, b"ho") == 200
    assert alice.texts == [b"hi", b"ho"]


def test_a_device_without_sessions_gets_messages_one_after_the_other(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.say(alice, b"two")
    house.register(BOB)
    house.invited[0][1](488)
    house.say(alice, b"three")
    assert texts([body for _, body, _ in house.sent]) == [b"one"]
    house.sent[0][2](200, "OK")
    house.sent[1][2](202, "Accepted")
    house.sent[2][2](200, "OK")
    assert texts([body for _, body, _ in house.sent]) == [b"one", b"two", b"three"]
    assert {who for who, _, _ in house.sent} == {BOB}
    assert parse_cpim(house.sent[0][1]).get(b"From") == b"<sip:alice@ims.test>"
    assert house.store.marks[ROOM, BOB] == 3
    house.say(alice, b"four")
    house.sent[3][2](503, "Service Unavailable")
    house.say(alice, b"five")
    assert texts([house.sent[4][1]]) == [b"four"]
    house.sent[4][2](480, "Temporarily Unavailable")
    house.register(BOB)
    assert texts([house.sent[5][1]]) == [b"four"]
    house.sent[5][2](415, "Unsupported Media Type")
    assert house.sent[6][1] == b"alice: four"
    house.sent[6][2](200, "OK")
    assert texts([house.sent[7][1]]) == [b"five"]
    house.sent[7][2](606, "Not Acceptable")
    assert house.store.marks[ROOM, BOB] == 5
    house.enter("bob")
    assert not house.live.room.members[BOB].pager


def test_a_slow_member_gets_what_did_not_fit_from_the_history(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imsnode.rooms.feeds._WAITING", 2)
    house.change(edits.set_pager(ROOM, BOB, True))
    alice = house.enter("alice")
    said = [b"%d" % number for number in range(7)]
    for text in said:
        house.say(alice, text)
    for number in range(7):
        house.sent[number][2](200, "OK")
    assert texts([body for _, body, _ in house.sent]) == said


def test_who_does_not_come_is_called_again_later(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.register(BOB)
    house.invited[0][1](486)
    house.register(BOB)
    assert len(house.invited) == 1
    house.time += 601
    house.returns.look(house.time)
    house.register(BOB)
    assert len(house.invited) == 2


def test_nobody_is_called_for_what_is_gone_or_was_their_own(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(bob, b"my last words")
    house.leave(bob, "connection lost")
    house.register(BOB)
    assert house.store.marks[ROOM, BOB] == 1
    house.say(alice, b"one")
    house.store.messages.clear()
    house.register(BOB)
    assert house.invited == []
    assert house.store.marks[ROOM, BOB] == 2
    house.change(edits.set_pager(ROOM, BOB, True))
    house.store.messages.clear()
    house.register(BOB)
    assert house.sent == []


def test_nobody_is_called_who_is_there_banned_or_no_member(house: House) -> None:
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"one")
    house.register(BOB)
    house.leave(bob, "connection lost")
    house.change(edits.set_banned(ROOM, BOB, True))
    house.register(BOB)
    house.register(CAROL)
    house.change(edits.set_members(ROOM, [CAROL]))
    house.register(CAROL)
    assert house.invited == []
    house.say(alice, b"two")
    house.register(CAROL)
    assert [who for who, _ in house.invited] == [CAROL]
    assert house.enter("carol").texts == [b"two"]


def test_history_is_for_members_and_for_who_asks() -> None:
    house = House(access=Access.OPEN)
    alice = house.enter("alice")
    for text in (b"one", b"two", b"three"):
        house.say(alice, text)
    assert house.enter("carol").texts == []
    assert house.enter("carol", f"{ROOM};history=2").texts == [b"two", b"three"]
    assert house.enter("bob", f"{ROOM};history=0").texts == []
    assert house.enter("bob").texts == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [("", None), (";history=20", 20), (";x=1;History=0;y", 0), (";history=x", None),
     (";history=9999999", None), (";nohistory=3", None)],
)  # fmt: skip
def test_how_history_is_asked_for(parameters: str, wanted: int | None) -> None:
    assert wanted_history(message(b"", uri=ROOM + parameters)) == wanted


def test_a_member_without_a_session_speaks_by_message(house: House) -> None:
    alice = house.enter("alice")
    assert house.knock(BOB, b"by message") == 200
    assert alice.texts == [b"by message"]
    said = parse_cpim(alice.bodies[0])
    assert said.get(b"From") == b"<sip:bob@ims.test>"
    assert said.get(b"DateTime") is not None
    assert house.live.room.members[BOB].pager
    house.say(alice, b"hello bob")
    assert [(who, texts([body])) for who, body, _ in house.sent] == [(BOB, [b"hello bob"])]
    assert house.knock(BOB, cpim(b"wrapped", BOB), b"message/cpim") == 200
    assert alice.texts[1:] == [b"wrapped"]
    assert house.knock(BOB, b"<x/>", b"application/im-iscomposing+xml") == 200
    assert len(alice.texts) == 2


def test_a_text_names_its_author_as_the_room_knows_them() -> None:
    said = RoomMessage(ROOM, 1, "m", ALICE, "", WALL, cpim(b"psst", ANONYMOUS))
    assert plain(said) == b"anonymous: psst"
    assert plain(replace(said, nickname="Al")) == b"Al: psst"
    assert plain(replace(said, body=cpim(b"x", ALICE, kind=b"image/png"))) == b""
    assert plain(replace(said, body=b"nonsense")) == b""


def test_what_a_room_does_not_take_by_message(house: House) -> None:
    banned = edits.set_banned(ROOM, CAROL, True)
    assert house.knock("sip:eve@ims.test", b"x") == 403
    assert house.endpoint.answers[-1][1] == b"Not a member of this room"
    house.change(banned)
    assert house.knock(CAROL, b"x") == 403
    house.change(edits.set_muted(ROOM, BOB, True))
    assert house.knock(BOB, b"x") == 403
    assert house.endpoint.answers[-1][1] == b"Not one who may speak in this room"
    house.change(edits.set_muted(ROOM, BOB, False))
    assert house.knock(BOB, b"x" * 1001) == 413
    assert house.knock(BOB, b"x", sender=ANONYMOUS) == 403
    assert house.knock(BOB, cpim(b"x", ALICE), b"message/cpim") == 403
    assert house.knock(BOB, cpim(b"x", BOB, CAROL), b"message/cpim") == 403
    assert house.knock(BOB, b"nonsense", b"message/cpim") == 400
    house.change(edits.set_rules(ROOM, access=Access.PRIVATE))
    assert house.knock("sip:eve@ims.test", b"x") == 404
    house.store.full = True
    assert house.knock(BOB, b"x") == 503
    assert house.store.messages == []


def test_the_rules_of_a_domain_hold_in_rooms(house: House) -> None:
    house.forbidden = b"spam"
    alice, bob = house.enter("alice"), house.enter("bob")
    house.say(alice, b"buy my spam")
    assert alice.last == 403
    assert house.ledger[-1].steps[-1][3:] == (403, "content-rule:words")
    alice.send(cpim(b"much " * 100 + b"spam", ALICE), 200)
    assert alice.last == 403
    assert len(bob.aborted) == 1
    assert house.knock(BOB, b"spam too") == 403
    house.say(alice, b"ham")
    assert bob.texts == [b"ham"]
    assert alice.last == 200


def test_visits_and_messages_are_told_of(house: House) -> None:
    alice = house.enter("alice")
    house.say(alice, b"one")
    house.say(alice, b"two")
    house.passes(60)
    house.leave(alice)
    first, _second, visit = house.ledger
    assert (first.sender, first.recipient, first.call_id) == (ALICE, ROOM, b"call-0")
    assert [step[1] for step in first.steps] == ["received", "replied"]
    assert (visit.message_id, visit.call_id, visit.sender, visit.recipient) == (
        "v0", b"call-0", ALICE, ROOM,
    )  # fmt: skip
    assert visit.notice is not None
    assert (visit.notice.kind, visit.notice.messages) == ("visit", 2)
    assert visit.size == sum(len(one.body) for one in house.store.messages)
    assert visit.steps[1][0] - visit.steps[0][0] == 60
    assert [(one.act, one.actor, one.detail) for one in house.store.events] == [
        ("joined", ALICE, ""),
        ("left", ALICE, "hung up"),
    ]
    assert house.records.call_of(ROOM, ALICE) == b""
    house.store.full = True
    house.say(house.enter("alice"), b"three")
    assert house.ledger[-1].outcome == "rejected"
