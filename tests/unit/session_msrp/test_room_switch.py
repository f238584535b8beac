"""What one says in a room, the others get: RFC 7701 6 and 7, clause by clause."""

from __future__ import annotations

import pytest

from session_msrp.rooms.live import Participant, Wire
from session_msrp.rooms.values import Member, Role
from tests.support.room_world import LIMITS, ROOM, RoomWorld, aor, cpim

TEXT = cpim(b"Hello guys", aor("alice"))


@pytest.fixture
def world() -> RoomWorld:
    return RoomWorld()


def test_a_message_goes_to_all_but_its_author_as_it_is(world: RoomWorld) -> None:
    alice, bob, carol = map(world.enter, ("alice", "bob", "carol"))
    alice.send(TEXT)
    assert alice.last == 200
    assert alice.got == []
    assert bob.bodies == carol.bodies == [TEXT]
    assert world.passed[0].sender == aor("alice")
    assert world.passed[0].body == TEXT


def test_every_device_gets_it_that_of_the_author_too(world: RoomWorld) -> None:
    alice, other, bob, tablet = map(world.enter, ("alice", "alice", "bob", "bob"))
    alice.send(TEXT)
    assert [len(each.got) for each in (alice, other, bob, tablet)] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (cpim(b"x", aor("bob")), b"message/cpim", 403),
        (cpim(b"x", "sip:alice@elsewhere.test"), b"message/cpim", 403),
        (cpim(b"x", aor("alice"), more=b"To: <sip:bob@ims.test>\r\n"), b"message/cpim", 403),
        (cpim(b"x", aor("alice"), more=b"x.From: <sip:bob@ims.test>\r\n"), b"message/cpim", 403),
        (TEXT.replace(b"From: <sip:alice@ims.test>\r\n", b""), b"message/cpim", 403),
        (TEXT.replace(b"To: <sip:tea@ims.test>\r\n", b""), b"message/cpim", 404),
        (cpim(b"x", aor("alice"), aor("dave")), b"message/cpim", 404),
        (cpim(b"x", aor("alice"), aor("alice")), b"message/cpim", 404),
        (cpim(b"x", aor("alice"), "sip:@"), b"message/cpim", 404),
        (cpim(b"x", aor("alice"), aor("carol")), b"message/cpim", 428),
        (b"hello", b"text/plain", 415),
        (b"hello", b"message/cpim", 400),
        (cpim(bytes(20_000), aor("alice")), b"message/cpim", 413),
    ],
)
def test_what_is_refused_reaches_nobody(
    world: RoomWorld, body: bytes, kind: bytes, status: int
) -> None:
    alice = world.enter("alice")
    bob, carol = world.enter("bob", private=True), world.enter("carol")
    for size in (0, 300):
        alice.answers.clear()
        alice.send(body, size, kind=kind)
        assert next(code for _, code in alice.answers if code != 200) == status
        assert bob.got == carol.got == world.passed == []


@pytest.mark.parametrize(
    "uri", ["sip:alice@ims.test;transport=tcp", "sips:alice@ims.test", "im:alice@ims.test"]
)
def test_another_spelling_of_an_address_is_the_same(world: RoomWorld, uri: str) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    alice.send(cpim(b"x", uri, "sip:tea@ims.test:5060;transport=tcp"))
    assert alice.last == 200
    assert bob.texts == [b"x"]


def test_a_private_message_goes_to_every_device_that_knows_them(world: RoomWorld) -> None:
    alice = world.enter("alice")
    bob, tablet, old = (world.enter("bob", private=known) for known in (True, True, False))
    carol = world.enter("carol", private=True)
    private = cpim(b"psst", aor("alice"), aor("bob"))
    alice.send(private)
    assert alice.last == 200
    assert [each.bodies for each in (bob, tablet, old, carol)] == [[private], [private], [], []]
    assert world.passed == []


def test_a_room_may_forbid_private_messages_and_nicknames() -> None:
    world = RoomWorld(nicknames=False, private_messages=False)
    alice, bob = world.enter("alice"), world.enter("bob", private=True)
    alice.send(cpim(b"psst", aor("alice"), aor("bob")))
    assert alice.last == 403
    assert bob.got == []
    assert alice.nickname(b'"Al"') == 403


def test_a_type_that_a_device_does_not_take_is_not_sent_there(world: RoomWorld) -> None:
    alice = world.enter("alice")
    every, text, image = (
        world.enter(name, types=types)
        for name, types in (("bob", ()), ("carol", (b"Text/*",)), ("dave", (b"image/png",)))
    )
    alice.send(TEXT)
    alice.send(cpim(b"PNG", aor("alice"), kind=b'IMAGE/png; name="x"'))
    assert alice.last == 200
    assert [len(each.got) for each in (every, text, image)] == [2, 1, 1]


def test_who_may_not_speak_is_told_so(world: RoomWorld) -> None:
    members = {aor("bob"): Member(aor("bob"), muted=True), aor("carol"): Member(aor("carol"))}
    world = RoomWorld(moderated=True, members=members)
    alice, bob, carol = map(world.enter, ("alice", "bob", "carol"))
    for each in (alice, bob, carol):
        each.send(cpim(b"x", aor(each.name)))
    assert (alice.last, bob.last, carol.last) == (403, 403, 200)
    assert world.room.role(alice.visit.participant) is Role.VISITOR


# -- chunks


@pytest.mark.parametrize("size", [7, 100, 999])
def test_chunks_are_passed_on_as_they_come(world: RoomWorld, size: int) -> None:
    """The wrapper may be in several; the first that completes it decides for whom all are."""
    alice, bob = world.enter("alice"), world.enter("bob")
    body = cpim(bytes(range(256)) * 4, aor("alice"))
    chunks = alice.chunks(body, size)
    for chunk in chunks[:-1]:
        alice.say(chunk)
    assert len(bob.begun) == 1
    late = world.enter("carol")
    alice.say(chunks[-1])
    assert [status for _, status in alice.answers] == [200] * len(chunks)
    assert bob.bodies == [body]
    assert late.begun == []
    assert alice.visit.incoming == alice.visit.held == {}


def test_chunks_out_of_order_make_the_same_message(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    body = cpim(bytes(range(256)) * 4, aor("alice"))
    first, second, third, last = alice.chunks(body, 300)
    for chunk in (first, last, third, second):
        alice.say(chunk)
    assert [status for _, status in alice.answers] == [200] * 4
    assert bob.bodies == [body] == [message.body for message in world.passed]


def test_a_chunk_in_pieces_is_answered_once(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    body = cpim(bytes(9_000), aor("alice"))
    alice.say(alice.chunks(body)[0], 1024)
    assert bob.bodies == [body]
    assert len(alice.answers) == 1
    alice.say(alice.chunks(cpim(bytes(9_000), aor("bob")))[0], 1024)
    assert [status for _, status in alice.answers] == [200, 403]


def test_what_its_author_gives_up_or_leaves_behind_ends_at_the_others(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    body = cpim(bytes(900), aor("alice"))
    first, second = alice.chunks(body, 600)
    alice.say(first)
    alice.say(second[:-3] + b"#\r\n")
    assert alice.last == 200
    assert len(bob.aborted) == 1
    for end in (lambda: world.switch.expire(world.room, world.now), alice.leave):
        alice.say(alice.chunks(body, 600)[0])
        count = len(bob.aborted)
        world.now += 539.0
        world.switch.expire(world.room, world.now)
        assert len(bob.aborted) == count
        world.now += 2.0
        end()
        assert len(bob.aborted) == count + 1
    assert bob.got == []


def test_octets_of_no_message_and_too_many_are_refused(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    body = cpim(bytes(900), aor("alice"))
    chunks = alice.chunks(body, 600)
    alice.say(chunks[1])
    assert alice.last == 400
    alice.say(chunks[0])
    alice.say(chunks[0].replace(b"Byte-Range: 1-*/%d" % len(body), b"Byte-Range: 19900-*/*"))
    assert alice.last == 413
    assert len(bob.aborted) == 1
    assert alice.visit.incoming == {}


def test_two_authors_with_one_message_id_do_not_mix(world: RoomWorld) -> None:
    alice, bob, carol = map(world.enter, ("alice", "bob", "carol"))
    ours, theirs = (
        each.chunks(cpim(bytes(400) + each.name.encode(), aor(each.name)), 250)
        for each in (alice, bob)
    )
    identity = ours[0].split(b"Message-ID: ")[1].split(b"\r\n")[0]
    other = theirs[0].split(b"Message-ID: ")[1].split(b"\r\n")[0]
    for one, two in zip(ours, theirs, strict=True):
        alice.say(one)
        bob.say(two.replace(b"Message-ID: " + other, b"Message-ID: " + identity))
    assert [body[-5:] for body in carol.bodies] == [b"alice", b"\x00\x00bob"]


# -- reports and other methods


def test_reports_are_the_switchs_own(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    alice.send(TEXT, Success_Report=b"yes")
    assert [status for _, status in alice.reports] == [200]
    before = len(alice.answers)
    lines = (b"Message-ID: " + bob.got[0].id, b"Byte-Range: 1-1/1", b"Status: 000 413 No")
    bob.say(bob.request(b"REPORT", lines, None))
    assert (len(alice.reports), len(alice.answers), bob.answers) == (1, before, [])


def test_answers_are_as_their_author_wants_them(world: RoomWorld) -> None:
    alice = world.enter("alice")
    alice.send(TEXT, Failure_Report=b"no")
    alice.send(TEXT, Failure_Report=b"partial")
    assert alice.answers == []
    alice.send(cpim(b"x", aor("bob")), Failure_Report=b"partial")
    assert alice.last == 403
    alice.send(None)
    assert alice.last == 200
    alice.say(alice.request(b"PAINT", (), None))
    assert alice.last == 501


# -- nicknames


@pytest.mark.parametrize(
    ("value", "status", "name"),
    [
        (b'"Alice the great"', 200, "Alice the great"),
        (b'"  Alice   the great "', 200, "Alice the great"),
        ('"\uff21lice \U0001f600"'.encode(), 200, "Alice \U0001f600"),
        (b'"a \\"b\\" \\\\ c"', 200, 'a "b" \\ c'),
        (b'"' + b"a" * 1023 + b'"', 200, "a" * 1023),
        (b'"' + b"a" * 1024 + b'"', 424, ""),
        (b"Alice", 424, ""),
        (b'"a"b"', 424, ""),
        (b'"\xff"', 424, ""),
        ('"\u202eecila"'.encode(), 424, ""),
        (b'"   "', 424, ""),
        (b'"BOB"', 425, ""),
        (b'"bob@ims.test"', 425, ""),
        (b'"STRASSE"', 425, ""),
        (b'"Kept"', 425, ""),
    ],
)
def test_a_nickname_is_prepared_and_is_nobody_elses(value: bytes, status: int, name: str) -> None:
    kept = Member(aor("eve"), nickname="kEpt")
    world = RoomWorld(members={kept.aor: kept})
    alice, bob = world.enter("alice"), world.enter("bob")
    assert bob.nickname('"Straße"'.encode()) == 200
    assert alice.nickname(value) == status
    assert alice.visit.nickname == name
    assert alice.visit.participant.nickname == name


def test_a_nickname_stays_until_another_is_granted_and_goes_with_an_empty_one(
    world: RoomWorld,
) -> None:
    alice, tablet, bob = map(world.enter, ("alice", "alice", "bob"))
    assert alice.nickname(b'"Al"') == 200
    assert tablet.visit.nickname == ""
    assert tablet.nickname(b'"al"') == 200
    assert bob.nickname(b'"AL"') == 425
    assert alice.nickname(b'"Bob"') == 425
    assert alice.visit.nickname == "Al"
    assert alice.nickname(b'""') == 200
    assert alice.visit.participant.nickname == "al"
    tablet.leave()
    assert bob.nickname(b'"Al"') == 200
    assert world.nicknames == [
        (aor("alice"), "Al"), (aor("alice"), "al"), (aor("alice"), ""), (aor("bob"), "Al"),
    ]  # fmt: skip
    bob.say(bob.request(b"NICKNAME", (b'Use-Nickname: "x"', b"Success-Report: yes"), None))
    assert (bob.last, bob.visit.nickname) == (400, "Al")


# -- history


def test_what_is_kept_is_kept_before_anybody_gets_it() -> None:
    world = RoomWorld(10, held=True)
    alice, bob = world.enter("alice"), world.enter("bob")
    alice.send(TEXT)
    assert bob.got == alice.answers == []
    world.commit()
    assert bob.bodies == [TEXT]
    assert alice.last == 200
    world.broken = True
    alice.send(TEXT)
    world.commit()
    assert alice.last == 408
    assert len(bob.got) == 1


def test_who_comes_back_gets_what_was_missed_then_what_is_new_each_once() -> None:
    world = RoomWorld(10, held=True)
    alice = world.enter("alice")
    for text in (b"1", b"2", b"3"):
        alice.send(cpim(text, aor("alice")))
    world.commit(2)
    bob = world.enter("bob")
    bob.visit.wait()
    world.commit()
    seen = list(world.kept)
    alice.send(cpim(b"4", aor("alice")))
    world.commit()
    alice.send(cpim(b"5", aor("alice")))
    assert bob.got == []
    world.switch.replay(bob.visit, seen)
    world.commit()
    alice.send(cpim(b"6", aor("alice")))
    world.commit()
    assert bob.texts == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize("kind", [b"application/im-iscomposing+xml", b"message/imdn+xml"])
@pytest.mark.parametrize("size", [0, 60])
def test_a_notice_to_all_is_passed_on_and_not_kept(kind: bytes, size: int) -> None:
    world = RoomWorld(10, held=True)
    alice, bob = world.enter("alice"), world.enter("bob")
    alice.send(cpim(b"<x/>", aor("alice"), kind=kind), size)
    assert bob.texts == [b"<x/>"]
    assert alice.last == 200
    assert world.waiting == world.passed == []


def test_what_the_history_has_already_does_not_come_again_in_chunks() -> None:
    world = RoomWorld(10, held=True)
    alice, bob = world.enter("alice"), world.enter("bob")
    bob.visit.wait()
    body = cpim(bytes(900), aor("alice"))
    alice.send(body, 400)
    world.commit(heard=False)
    world.switch.replay(bob.visit, world.kept)
    world.hear()
    assert bob.bodies == [body]
    assert len(bob.begun) == 1


def test_what_somebody_says_before_the_history_comes_does_not_come_back_with_it() -> None:
    world = RoomWorld(10, held=True)
    alice = world.enter("alice")
    alice.visit.wait()
    for size in (0, 60):
        alice.send(TEXT, size)
    world.commit(2)
    world.switch.replay(alice.visit, world.kept)
    assert alice.got == []


def test_who_says_more_than_can_be_kept_is_not_read_meanwhile() -> None:
    world = RoomWorld(1_000, held=True)
    alice = world.enter("alice")
    while not world.unread:
        alice.send(cpim(bytes(16_000), aor("alice")))
    assert 60 < len(world.waiting) < 70
    world.commit(2)
    assert not world.unread


def test_who_waits_for_too_much_is_let_go() -> None:
    world = RoomWorld()
    alice, bob = world.enter("alice"), world.enter("bob")
    bob.visit.wait()
    for _ in range(70):
        alice.send(cpim(bytes(16_000), aor("alice")))
    assert alice.last == 200
    world.switch.replay(bob.visit, ())
    assert world.dropped == [bob.visit]


def test_who_has_no_session_can_say_something() -> None:
    world = RoomWorld(10)
    alice = world.enter("alice", types=(b"text/plain",))
    done: list[int] = []
    body = cpim(b"from a pager", aor("dave"))
    world.switch.say(
        world.room,
        aor("dave"),
        "D",
        body,
        b"key",
        lambda kept, now: done.append(kept.number if kept else -1),
    )
    assert alice.bodies == [body]
    assert done == [1]
    assert world.passed[0].nickname == "D"
    assert (world.kept[0].room, world.kept[0].number) == (ROOM, 1)


# --- what comes again, too often, or under a false name


def test_a_message_that_comes_again_is_answered_and_said_once() -> None:
    """From another connection too: its author got no answer over the first."""
    world = RoomWorld(10, held=True)
    alice, bob = world.enter("alice"), world.enter("bob")
    [chunk] = alice.send(TEXT)
    world.commit(0)
    alice.say(chunk)
    assert len(world.waiting) == 1
    world.commit()
    alice.leave()
    again = world.enter("alice")
    chunk = chunk.replace(alice.own, again.own).replace(alice.switch, again.switch)
    again.say(chunk)
    assert [alice.last, again.last, len(alice.answers)] == [200, 200, 2]
    assert bob.bodies == [TEXT]
    other = cpim(b"Hello guys!", aor("alice"))
    again.say(chunk.replace(TEXT, other).replace(b"1-*/%d" % len(TEXT), b"1-*/%d" % len(other)))
    world.commit()
    assert bob.bodies == [TEXT, other], "the name alone says nothing"


def test_in_chunks_it_is_given_up_at_those_who_have_it(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    for chunk in (chunks := alice.chunks(TEXT, 90)):
        alice.say(chunk)
    for chunk in chunks:
        alice.say(chunk)
    assert bob.bodies == [TEXT]
    assert len(bob.aborted) == 1
    assert alice.last == 200


def test_what_could_not_be_kept_may_come_again() -> None:
    world = RoomWorld(10)
    alice, bob = world.enter("alice"), world.enter("bob")
    world.broken = True
    [chunk] = alice.send(TEXT)
    world.broken = False
    alice.say(chunk)
    assert [status for _, status in alice.answers] == [408, 200]
    assert bob.bodies == [TEXT]


def test_who_sends_too_much_is_refused(world: RoomWorld) -> None:
    alice, bob = world.enter("alice"), world.enter("bob", private=True)
    world.pace = {"MESSAGE": 3, "NICKNAME": 1}
    for body, size in ((TEXT, 0), (TEXT, 90), (cpim(b"psst", aor("alice"), aor("bob")), 0)):
        alice.send(body, size)
        assert alice.last == 200
    for size in (0, 90):
        alice.answers.clear()
        alice.send(TEXT, size)
        assert alice.answers[0][1] == 403
    assert len(bob.got) == 3
    assert [alice.nickname(b'"A"'), alice.nickname(b'"B"')] == [200, 403]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"Alice", 200),
        (b'"Al"', 200),
        (b"Bob", 403),
        (b'"BOB@ims.test"', 403),
        (b"Robert", 403),
        (b"Carol B\\u00f6hm", 403),
        (b"bobby", 200),
    ],
)
def test_nobody_goes_by_the_name_of_another(world: RoomWorld, name: bytes, status: int) -> None:
    alice, bob = world.enter("alice"), world.enter("bob")
    world.room.enter(
        Participant(aor("carol"), aor("carol"), frozenset(), "Carol B\u00f6hm"),
        Wire(b"", b"", lambda octets: None),
        LIMITS,
    )
    bob.nickname(b'"Robert"')
    alice.send(TEXT.replace(b"From: <", b"From: " + name + b" <"))
    assert alice.last == status
    bob.leave()
    alice.send(TEXT.replace(b"From: <", b"From: Robert <"))
    assert alice.last == 200
