"""Chunks that no client sends: the switch answers or drops them, and the others get nothing ill-formed."""

from __future__ import annotations

import random

import pytest

from session_msrp.errors import FramingError
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from tests.support.room_world import RoomWorld, aor, cpim

BITS = (
    b"\r\n", b"\r\n\r\n", b"To: <sip:tea@ims.test>", b"From: <sip:alice@ims.test>", b"To: <>",
    b"From: <sip:@>", b"Byte-Range: 1-*/*", b"Byte-Range: 5-3/2", b"Byte-Range: 9999999999-*/*",
    b"Content-Type: message/cpim", b"Content-Type: text/plain", b"NS: x <y>", b"Message-ID: ",
    b'Use-Nickname: "\xc3"', b'Use-Nickname: "a"', b"\x00", b"$", b"#", b"+", b"sip:", b"im:",
    b"Success-Report: yes", b"Failure-Report: partial", b"NICKNAME", b"SEND", b"REPORT", b"\xff",
    b"<sip:bob@ims.test>", b"<sip:[::1>", b"<im:%>",
)  # fmt: skip


def spoilt(octets: bytes, chance: random.Random) -> bytes:
    """Return a chunk with something added, taken away or changed in up to three places."""
    data = bytearray(octets)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 12)]
            case _:
                data[at:at] = chance.choice(BITS)
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_raises_and_nothing_ill_formed_is_passed_on(seed: int) -> None:
    """What a device of `RoomWorld` hears, it checks."""
    chance = random.Random(seed)
    for _ in range(200):
        world = RoomWorld(chance.choice((0, 10)), held=chance.random() < 0.3)
        alice = world.enter("alice")
        world.enter("bob", private=True)
        text = cpim(bytes(chance.randrange(50)), aor("alice"))
        chunks = alice.chunks(text, chance.choice((0, 20, 60)))
        chunks.append(alice.request(b"NICKNAME", (b'Use-Nickname: "x"',), None))
        for octets in chunks:
            framer = Framer(Limits())
            framer.feed(spoilt(octets, chance))
            try:
                while (chunk := framer.next()) is not None:
                    chunk.to_path = alice.switch  # as the session's connection has checked
                    chunk.from_path = alice.own
                    world.switch.receive(alice.visit, chunk, world.now)
            except FramingError:
                continue
        world.commit(len(world.waiting))
        alice.leave()
        assert alice.visit.incoming == alice.visit.held == {}
