"""Which stored messages go in a session, and what becomes of them there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from imsnode.msrp.carrying import Carrying
from imsnode.msrp.deferring import DeferringSettings
from imsnode.msrp.taken import Taken
from pager.values import StoredMessage
from session_msrp.chunk import ByteRange
from session_msrp.outbox import Outgoing
from session_msrp.party import read_offer
from session_msrp.reassembly import Message
from session_msrp.session import Received, Reported
from sip.flow import Flow
from sip.forward import Target
from sip.registrar import Binding

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=message 7777 TCP/MSRP *\r\na=accept-types:text/plain\r\na=max-size:100\r\n"
)
DIRECT = b"a=path:msrp://192.0.2.7:7777/device;tcp\r\n"
RELAYED = b"a=path:msrp://192.0.2.8:7777/relay;tcp msrp://192.0.2.7:7777/device;tcp\r\n"
SESSIONS, ONLY, NONE = b";+g.oma.sip-im", b";methods=INVITE", b";methods=MESSAGE"
HEAD = b"From: Alice <sip:alice@ims.test>;tag=1\r\nConversation-ID: c1\r\nContent-Type: text/plain"
MESSAGE = StoredMessage(
    "m1", b"", "sip:alice@ims.test", "sip:bob@ims.test", b"call", 1, 5.0, 99.0, HEAD, b"hello"
)


def device(params: bytes) -> Target:
    flow = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.7", 5060))
    binding = Binding("sip:bob@ims.test", b"sip:bob@192.0.2.7", params, 1000, 9e9, b"", 1)
    return Target(binding.contact, flow, None, 1000, binding)


@dataclass
class FakeTalk:
    """A talk whose events the test makes."""

    user: object
    peer: object
    headers: list[tuple[bytes, bytes]]
    shown: bytes
    connected: bool = False
    over: bool = False
    used: float = 0.0
    call_id: bytes = b"talk"
    sent: list[Outgoing] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)

    def settle(self, received: Received, status: int = 200) -> None:
        self.settled.append(status)

    def hang_up(self, why: str) -> None:
        self.over = True


class World:
    """Carrying with talks that exist in memory alone."""

    def __init__(self, path: bytes = DIRECT, **settings: object) -> None:
        self.path = path
        self.talks: list[FakeTalk] = []
        self.open: FakeTalk | None = None  # what the device has with the node already
        self.outcomes: list[object] = []
        deferring = SimpleNamespace(
            settings=replace(DeferringSettings(deferred=True), **settings),  # type: ignore[arg-type]
            limits=None,
            open_with=lambda *way: self.open,
        )
        timers = SimpleNamespace(schedule=lambda at, whom, kind: None)
        linking = SimpleNamespace(send=self.linked)
        self.carrying = Carrying(self, deferring, linking, timers, 50)  # type: ignore[arg-type]

    def call(self, user: object, *_: object, headers: list[tuple[bytes, bytes]], shown: bytes
             ) -> FakeTalk:  # fmt: skip
        talk = FakeTalk(user, read_offer(SDP + self.path).description, headers, shown)
        self.talks.append(talk)
        return talk

    def carry(self, message: StoredMessage = MESSAGE, params: bytes = SESSIONS) -> bool:
        return self.carrying.carry(message, device(params), self, 0.0)

    def connected(self) -> FakeTalk:
        assert self.carry()
        talk = self.talks[-1]
        talk.connected = True
        self.user.established(talk, 1.0)
        return talk

    @property
    def user(self):  # type: ignore[no-untyped-def]
        return self.talks[-1].user

    def linked(self, message: StoredMessage, kind: bytes, as_rcs: bool, carried: object) -> None:
        self.outcomes.append("as a link")

    # --- pager.ports.Carried

    def done(self, status: int, now: float) -> None:
        self.outcomes.append(status)

    def otherwise(self, now: float) -> None:
        self.outcomes.append("as a message")


LARGE = replace(MESSAGE, body=bytes(51))
SINGLE = replace(MESSAGE, head=HEAD + b"\r\nP-Preferred-Service: urn:x.oma.cpm.msg")


@pytest.mark.parametrize(
    ("deliver", "message", "params", "taken"),
    [
        ("auto", MESSAGE, SESSIONS, True),
        ("auto", MESSAGE, b"", False),
        ("auto", MESSAGE, NONE, False),
        ("auto", SINGLE, SESSIONS, False),
        ("auto", SINGLE, ONLY, True),
        ("auto", LARGE, b"", True),
        ("auto", LARGE, NONE, True),
        ("session", MESSAGE, b"", True),
        ("session", MESSAGE, NONE, False),
        ("pager", MESSAGE, SESSIONS, False),
        ("pager", MESSAGE, ONLY, True),
    ],
)
def test_what_goes_in_a_session(
    deliver: str, message: StoredMessage, params: bytes, taken: bool
) -> None:
    assert World(deliver=deliver).carry(message, params) is taken


def test_a_message_in_a_session_and_one_behind_it() -> None:
    world = World()
    talk = world.connected()
    assert talk.shown == b"Alice <sip:alice@ims.test>"
    assert talk.headers == [(b"Conversation-ID", b"c1")]
    assert [each.id for each in talk.sent] == [b"m1"]
    world.user.delivered(talk, talk.sent[0], 2.0)
    assert world.outcomes == [200]
    assert world.carry(replace(MESSAGE, id="m2"))
    assert [each.id for each in talk.sent] == [b"m1", b"m2"]
    assert len(world.talks) == 1


def test_a_name_with_brackets_stays_a_name() -> None:
    world = World()
    shown = b'"<sip:boss@ims.test>" <sip:alice@ims.test>'
    world.carry(replace(MESSAGE, head=b"From: %b;tag=1\r\nContent-Type: text/plain" % shown))
    assert world.talks[-1].shown == shown


def test_words_to_somebody_who_is_not_shown_are_refused_and_not_lost() -> None:
    world = World()
    assert world.carry(replace(MESSAGE, head=b"From: <sip:anonymous@anonymous.invalid>;tag=1"))
    talk = world.talks[-1]
    for kind in (b"text/plain", b"application/im-iscomposing+xml"):
        world.user.received(talk, Received(Message(b"m9", kind, b"who?", False)), 2.0)
    assert talk.settled == [403, 200]


def test_behind_a_relay_only_the_device_s_own_word_counts() -> None:
    world = World(RELAYED)
    talk = world.connected()
    assert talk.sent[0].success_report
    world.user.delivered(talk, talk.sent[0], 2.0)
    assert world.outcomes == []
    world.user.reported(talk, Reported(b"m1", ByteRange(1, 5, 5), 200), 3.0)
    assert world.outcomes == [200]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(415, "as a message"), (413, "as a message"), (403, 403), (408, 480), (481, 480)],
)
def test_a_refusal_in_the_session(status: int, outcome: object) -> None:
    world = World()
    talk = world.connected()
    world.user.failed(talk, talk.sent[0], status, 2.0)
    assert world.outcomes == [outcome]


@pytest.mark.parametrize(
    ("status", "outcome", "again"),
    [
        (488, "as a message", False),
        (603, "as a message", False),
        (486, 486, True),
        (200, 480, True),
    ],
)
def test_a_call_that_comes_to_nothing(status: int, outcome: object, again: bool) -> None:
    """A device that refuses sessions gets messages, and is not called again."""
    world = World()
    world.carry()
    world.talks[-1].over = True
    world.user.ended(world.talks[-1], status, "", 2.0)
    assert world.outcomes == [outcome]
    assert world.carry() is again


def test_a_device_that_takes_sessions_alone_has_no_other_way() -> None:
    world = World()
    assert world.carry(MESSAGE, ONLY)
    world.user.ended(world.talks[-1], 488, "", 2.0)
    assert world.outcomes == [488]


def test_the_session_that_the_device_has_with_the_node_is_used_and_not_ended() -> None:
    world = World()
    taken = Taken(world.carrying.deferring, "sip:bob@ims.test", "sip:alice@ims.test", [], "why")
    peer = read_offer(SDP + DIRECT).description
    world.open = talk = FakeTalk(taken, peer, [], b"", connected=True)
    assert world.carry(MESSAGE, ONLY)
    assert world.talks == []
    taken.delivered(talk, talk.sent[0], 2.0)  # type: ignore[arg-type]
    assert world.outcomes == [200]
    assert taken.sender is not None
    taken.sender.on_timer(1, 1000.0)  # type: ignore[attr-defined]
    assert not talk.over
    world.carry(replace(MESSAGE, id="m2"), ONLY)
    taken.established(talk, 3.0)  # type: ignore[arg-type]
    assert [each.id for each in talk.sent] == [b"m1", b"m2", b"m2"]  # taken up again: once more


def test_what_is_too_large_for_a_device_without_sessions_becomes_a_link() -> None:
    world = World()
    assert world.carry(LARGE, NONE)
    assert world.talks == []
    world.carry(LARGE, b"")
    world.user.ended(world.talks[-1], 488, "", 2.0)
    assert world.outcomes == ["as a link", "as a link"]


def test_what_the_peer_has_no_room_for() -> None:
    world = World()
    assert world.carry(replace(MESSAGE, body=bytes(101)))
    talk = world.talks[-1]
    talk.connected = True
    world.user.established(talk, 1.0)
    assert talk.sent == []
    assert world.outcomes == ["as a link"]
