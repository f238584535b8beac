"""Dialogs of the node's own: both roles of an INVITE, and how they end (RFC 3261 13, RFC 4028)."""

from __future__ import annotations

import pytest

from imsnode.msrp.talk import Talk
from session_msrp.outbox import Outgoing
from session_msrp.printing import print_request, print_response
from tests.support.talk_world import ANSWER, OFFER, TalkWorld

PEER = b"msrp://198.51.100.2:7777/phone;tcp"


@pytest.fixture
def world() -> TalkWorld:
    return TalkWorld()


def ended(world: TalkWorld) -> list[tuple[int, str]]:
    return [tuple(told[1:]) for told in world.user.told if told[0] == "ended"]


def send(own: bytes, tid: bytes, body: bytes | None) -> bytes:
    head = (b"Message-ID: m-" + tid, b"Content-Type: text/plain") if body else (b"Message-ID: m0",)
    return print_request(tid, b"SEND", own, PEER, head, body)


# --- the node is called


def test_a_2xx_is_repeated_until_its_ack(world: TalkWorld) -> None:
    world.send("INVITE", body=OFFER)
    world.network.run(4.0)
    assert len(world.answers) == 4  # at 0, 0.5, 1.5 and 3.5 s
    world.send("ACK")
    world.network.run(20.0)
    assert len(world.answers) == 4
    assert world.talk is not None
    assert b"a=setup:passive" in world.answers[0].body


def test_without_an_ack_it_ends(world: TalkWorld) -> None:
    world.send("INVITE", body=OFFER)
    world.network.run(40.0)
    assert ended(world) == [(200, "no ACK came")]
    assert world.methods() == ["BYE"]


def test_a_call_taken_and_hung_up(world: TalkWorld) -> None:
    world.send("INVITE", body=OFFER)
    world.send("ACK")
    own = b"msrp://192.0.2.1:2855/own1;tcp"
    world.feed(send(own, b"abcd0001", None))
    world.feed(send(own, b"abcd0002", b"hello"))
    assert world.user.told == [("established",), ("received", b"hello")]
    assert [data[:17] for data in world.link.sent] == [b"MSRP abcd0001 200", b"MSRP abcd0002 200"]
    world.send("INFO", 2)
    assert world.answers[-1].status == 405
    world.send("OPTIONS", 2)
    assert world.answers[-1].status == 500  # its number is used
    world.send("BYE", 3)
    assert world.answers[-1].status == 200
    assert ended(world) == [(200, "hung up")]
    assert not world.talks.all
    world.send("BYE", 4)
    assert world.answers[-1].status == 481


def test_a_cancel_comes_before_the_answer(world: TalkWorld) -> None:
    world.wanted = lambda talk: None
    world.send("INVITE", body=OFFER)
    world.tx.cancel(world.network.now)
    world.network.run(1.0)
    assert world.answers[-1].status == 487
    assert [status for status, _ in ended(world)] == [487]


def test_what_offers_no_session_is_refused(world: TalkWorld) -> None:
    for body in (OFFER.replace(b"m=message 7777", b"m=message 0"), b"no sdp"):
        world.send("INVITE", body=body)
        assert world.answers[-1].status == 488
    assert not world.talks.all


def test_the_2xx_has_the_offer_where_the_invite_has_none(world: TalkWorld) -> None:
    """RFC 3261 13.2.1: the answer comes with the ACK."""
    world.send("INVITE")
    assert b"a=setup:actpass" in world.answers[0].body
    world.send("ACK", body=ANSWER)
    assert [data[:13] for data in world.link.sent] == [b"MSRP tid00001"], "the node connects"
    tid = world.link.sent[0].split()[1]
    own = b"msrp://192.0.2.1:2855/own1;tcp"
    world.feed(print_response(tid, 200, own, PEER))
    assert world.user.told == [("established",)]


@pytest.mark.parametrize("answer", [b"", ANSWER.replace(b"m=message 7777", b"m=message 0")])
def test_an_offer_without_an_answer_is_no_session(world: TalkWorld, answer: bytes) -> None:
    world.send("INVITE")
    world.send("ACK", body=answer)
    assert world.methods() == ["BYE"]
    assert not world.talks.all


def test_every_offer_has_to_take_what_the_session_carries(world: TalkWorld) -> None:
    def take(talk: Talk) -> None:
        talk.needs = b"message/cpim"
        talk.accept()

    text = OFFER.replace(b"a=accept-types:*", b"a=accept-types:text/plain")
    world.wanted = take
    world.send("INVITE", body=text)
    assert world.answers[-1].status == 488
    world.send("INVITE", body=OFFER)
    world.send("ACK")
    world.send("INVITE", 2, body=text)
    assert world.answers[-1].status == 488
    world.send("INVITE", 3, body=OFFER)
    assert world.answers[-1].status == 200


def test_the_node_refreshes_where_it_is_asked_to(world: TalkWorld) -> None:
    """RFC 4028 7.4 and 9: by an UPDATE at half of the time, until the peer is no more."""
    timer = ((b"Session-Expires", b"100;refresher=uas"), (b"Supported", b"timer"))
    world.send("INVITE", body=OFFER, lines=(*timer, (b"Allow", b"INVITE, UPDATE")))
    assert world.answers[0].get("session-expires") == b"100;refresher=uas"
    world.send("ACK")
    world.feed(send(b"msrp://192.0.2.1:2855/own1;tcp", b"abcd0001", None))
    world.network.run(51.0)
    for status in (500, 200):
        assert world.methods()[-1] == "UPDATE"
        request = world.inbox[-1][0]
        assert request.get("session-expires") == b"100;refresher=uac"
        lines = [b"Session-Expires: 100;refresher=uac"] if status == 200 else []
        world.answer(status, lines=lines)
        world.network.run(30.0 if status == 500 else 52.0)
    assert len(world.inbox) == 3, "once more half of the time behind the last"
    world.answer(481)
    world.network.run(1.0)
    assert ended(world) == [(200, "the peer answers no more")]


def test_who_takes_no_update_gets_no_timer_of_ours(world: TalkWorld) -> None:
    timer = ((b"Session-Expires", b"100;refresher=uas"), (b"Supported", b"timer"))
    world.send("INVITE", body=OFFER, lines=timer)
    assert world.answers[0].get("session-expires") is None


def test_a_session_timer(world: TalkWorld) -> None:
    """Whoever called refreshes; when nobody does, the node hangs up."""
    timer = ((b"Session-Expires", b"100"), (b"Supported", b"timer"))
    world.send("INVITE", body=OFFER, lines=timer)
    assert world.answers[0].get("session-expires") == b"100;refresher=uac"
    assert world.answers[0].get("require") == b"timer"
    world.send("ACK")
    world.feed(send(b"msrp://192.0.2.1:2855/own1;tcp", b"abcd0001", None))
    world.network.run(90.0)
    world.send("UPDATE", 2, lines=timer)
    assert world.answers[-1].status == 200
    world.network.run(100.0)
    assert ended(world) == []
    world.network.run(60.0)
    assert ended(world) == [(200, "the session timer ended")]


def test_whoever_never_connects_is_hung_up_on(world: TalkWorld) -> None:
    world.send("INVITE", body=OFFER)
    world.send("ACK")
    world.network.run(61.0)
    assert ended(world) == [(200, "nobody connected")]


def test_whoever_moves_and_never_connects_again_is_hung_up_on(world: TalkWorld) -> None:
    world.send("INVITE", body=OFFER)
    world.send("ACK")
    world.feed(send(b"msrp://192.0.2.1:2855/own1;tcp", b"abcd0001", None))
    world.send("INVITE", 2, body=OFFER.replace(b"/phone", b"/elsewhere"))
    world.send("ACK", 2)
    world.network.run(61.0)
    assert ended(world) == [(200, "nobody connected")]


# --- the node calls


def test_a_call_that_is_answered_twice_is_acknowledged_twice(world: TalkWorld) -> None:
    talk = world.call()
    transaction = world.inbox[0][1]
    world.answer(200, transaction, ANSWER)
    world.network.run(0.1)
    world.answer(200, transaction, ANSWER)
    world.network.run(0.1)
    assert world.methods() == ["INVITE", "ACK", "ACK"]
    [first] = world.link.sent  # whoever connects sends first
    assert b" SEND\r\n" in first
    world.feed(print_response(first.split()[1], 200, b"msrp://192.0.2.1:2855/own1;tcp", PEER))
    assert world.user.told == [("established",)]
    talk.send(Outgoing(b"m1", b"text/plain", b"hello"))
    tid = world.link.sent[-1].split()[1]
    world.feed(print_response(tid, 200, b"msrp://192.0.2.1:2855/own1;tcp", PEER))
    assert world.user.told[-1] == ("delivered", b"hello")
    talk.hang_up()
    world.network.run(0.1)
    assert world.methods()[-1] == "BYE"
    assert ended(world) == [(200, "hung up")]


def test_a_second_device_that_takes_the_call_is_hung_up_on(world: TalkWorld) -> None:
    world.call()
    transaction = world.inbox[0][1]
    world.answer(200, transaction, ANSWER)
    world.answer(200, transaction, ANSWER, tag=b"other")
    world.network.run(0.1)
    assert sorted(world.methods()) == ["ACK", "ACK", "BYE", "INVITE"]
    assert ended(world) == []


@pytest.mark.parametrize("body", [b"", OFFER.replace(b"m=message 7777", b"m=message 0")])
def test_an_answer_without_a_session_is_hung_up_on(world: TalkWorld, body: bytes) -> None:
    world.call()
    world.answer(200, None, body)
    world.network.run(0.1)
    assert world.methods() == ["INVITE", "ACK", "BYE"]
    assert [status for status, _ in ended(world)] == [200]


def test_a_call_that_is_refused(world: TalkWorld) -> None:
    world.call()
    world.answer(486)
    world.network.run(0.1)
    assert [status for status, _ in ended(world)] == [486]


def test_a_call_that_is_given_up(world: TalkWorld) -> None:
    """CANCEL once it rings; whoever takes it all the same hears BYE."""
    talk = world.call()
    transaction = world.inbox[0][1]
    world.answer(180)
    world.network.run(0.1)
    talk.hang_up("nobody waits")
    assert ended(world) == [(487, "nobody waits")]
    world.answer(200, transaction, ANSWER)
    world.network.run(1.0)
    assert world.methods()[-2:] == ["ACK", "BYE"]
    assert len(ended(world)) == 1
