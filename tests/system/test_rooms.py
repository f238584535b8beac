"""Chat rooms of a real node: dialogs with the focus, sessions with the switch, the roster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from session_msrp.rooms.values import Access, Member, Role, Room
from tests.support.phone import Phone
from tests.support.room_phone import RoomPhone, provide
from tests.support.running import RunningNode

EXTRA = '[msrp]\nlisten = ["tcp:127.0.0.1:0"]\n'
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
TEA = Room("sip:tea@ims.test", subject="Tea", access=Access.OPEN,
           members={ALICE: Member(ALICE, Role.OWNER)})  # fmt: skip
STAFF = Room("sip:staff@ims.test", access=Access.PRIVATE, members={ALICE: Member(ALICE)})


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    made = RunningNode(tmp_path_factory.mktemp("rooms") / "node", extra=EXTRA)
    provide(made, TEA, STAFF)
    with made as running:
        yield running


@pytest.fixture(scope="module")
def phones(node: RunningNode) -> Iterator[tuple[Phone, Phone, Phone]]:
    server = ("127.0.0.1", node.ports["udp"])
    with (
        Phone(server, "alice") as alice,
        Phone(server, "bob") as bob,
        Phone(server, "carol") as carol,
    ):
        for phone in (alice, bob, carol):
            assert phone.register().status == 200
        yield alice, bob, carol


def test_who_is_in_a_room_hears_what_is_said(
    node: RunningNode, phones: tuple[Phone, Phone, Phone]
) -> None:
    """RM-01, RM-03, RM-04, RM-05 over the wire."""
    alice, bob, _ = phones
    with (
        RoomPhone(alice, "tea") as one,
        RoomPhone(bob, "tea") as two,
        RoomPhone(bob, "tea", None) as old,
    ):
        one.join()
        assert ";isfocus" in one.contact
        assert one.media.attribute(b"accept-types") == b"message/cpim"
        assert one.media.attribute(b"chatroom") == b"nickname private-messages"
        two.join()
        old.join()
        one.tell(b"hello")
        assert two.texts(1) == old.texts(1) == [b"hello"]
        one.tell(b"psst", BOB)
        assert two.texts(2) == [b"hello", b"psst"]
        two.tell(b"yes", ALICE)
        assert one.texts(1) == [b"yes"]
        one.tell(b"x", CAROL)
        assert one.refused() == 404
        assert one.nickname("Al") == 200
        assert two.nickname("AL") == 425
        for each in (one, two, old):
            each.leave()
            assert each.ended()
        assert not any(b"psst" in body for body in old.texts(1))
