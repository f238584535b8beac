"""Files whose transfer broke off are held against the whole when they go on (RFC 5547 6)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha1

from imsnode.msrp.filegate import Unfinished
from session_msrp.files import FileCheck, FileOffer

PEOPLE = ("sip:alice@ims.test", "sip:bob@ims.test")
FILE = FileOffer(
    b"x", b"t1", b"x.png", b"image/png", 5, ((b"sha-1", sha1(b"hello").digest()),), 1, None, True
)
REST = replace(FILE, transfer_id=b"t2", start=4)


def begun(body: bytes = b"hel") -> FileCheck:
    check = FileCheck(FILE)
    check.feed(0, body)
    return check


def test_the_rest_is_held_against_the_hash_of_the_whole() -> None:
    unfinished = Unfinished()
    unfinished.keep(PEOPLE, begun(), 0.0)
    check = unfinished.check(PEOPLE, REST)
    check.feed(3, b"lo")
    assert not check.broken
    assert not check.differs
    again = unfinished.check(PEOPLE, REST)  # it was taken up already
    assert again.broken


def test_what_is_not_the_rest_is_held_against_nothing() -> None:
    unfinished = Unfinished()
    unfinished.keep(PEOPLE, begun(b"h"), 0.0)
    assert unfinished.check(PEOPLE, REST).broken  # octets are missing in between
    unfinished.keep(PEOPLE, begun(), 0.0)
    assert unfinished.check(PEOPLE[::-1], REST).broken  # of other people
    assert unfinished.check(PEOPLE, FILE).position == 0  # from the beginning


def test_it_is_not_kept_for_ever() -> None:
    unfinished = Unfinished()
    unfinished.keep(PEOPLE, begun(), 0.0)
    other = ("sip:carol@ims.test", "sip:bob@ims.test")
    unfinished.keep(other, begun(), 601.0)
    assert unfinished.check(PEOPLE, REST).broken
    assert not unfinished.check(other, REST).broken
