"""The list server on a virtual network: who gets which copy of a MESSAGE with a recipient list."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imsnode.distribution import Distribution
from imsnode.lists import ListService
from pager.fanout import Fanout
from pager.jobs import Jobs
from sip.bodies.mime import Part
from sip.bodies.multipart import parse_multipart
from sip.bodies.resource_lists import Entry, build_list, parse_recipients
from sip.flow import Flow
from sip.message import Request
from tests.support.pager_world import BOB, Phone, World

LIST = "sip:list@ims.test"
CAROL, DAVE, EVE = "sip:carol@ims.test", "sip:dave@ims.test", "sip:eve@other.test"
NEEDS = (b"Require", b"recipient-list-message")
HEAD = b"Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list"


class ListWorld(World):
    def _begin(self) -> None:
        super()._begin()
        endpoint = self.node.endpoint
        fanout = Fanout(self.pager, self.store, lambda aor: "nobody" not in aor, endpoint.ids)
        jobs = Jobs(fanout, self.store, lambda job: (), endpoint.timers, self.pager.clock)
        self.service = ListService(
            endpoint, Distribution(fanout, jobs), lambda uri: uri.aor, ["ims.test"],
            fanout.known, endpoint.ids,
        )  # fmt: skip
        self.service.configure(3, 2000, ["sip:friend@other.test", "agreed.test"])

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.ruri().aor == LIST:
            self.service.request(request, flow, request.from_uri.aor, LIST, now)
        else:
            super().on_request(request, flow, now)

    def online(self, aor: str, number: int) -> Phone:
        phone = self.phone(f"p{number}", f"198.51.101.{number}", f"<{number}>", aor)
        self.register(phone)
        return phone


def body(entries: Sequence[Entry], *texts: bytes) -> bytes:
    parts = [b"--b\r\nContent-Type: text/plain\r\n\r\n%b\r\n" % text for text in texts]
    listed = b"--b\r\n%b\r\n\r\n%b\r\n--b--\r\n" % (HEAD, build_list(entries))
    return b"".join(parts) + listed


def send(
    world: ListWorld,
    content: bytes,
    *more: tuple[bytes, bytes],
    require: tuple[bytes, bytes] | None = NEEDS,
    kind: bytes = b'multipart/mixed;boundary="b"',
    call_id: bytes = b"",
) -> int:
    headers = [(b"Content-Type", kind), *more, *([require] if require else [])]
    sent = world.alice.send(content, LIST, headers=headers, call_id=call_id)
    world.network.run(2.0)
    assert not world.faults
    return world.alice.answers[sent]


def test_every_recipient_gets_the_only_part_without_a_wrapper() -> None:
    world = ListWorld()
    bob, carol = world.online(BOB, 1), world.online(CAROL, 2)
    hidden = [Entry(BOB), Entry("sip:bob@IMS.test;method=INVITE"), Entry(CAROL), Entry(DAVE)]
    foreign = (b"Proxy-Authorization", b'Digest realm="other.test", username="a"')
    assert send(world, body(hidden, b"hello"), (b"Subject", b"s"), foreign) == 202
    for phone in (bob, carol):
        (got,) = phone.received
        assert got.body == b"hello"
        assert got.get("content-type") == b"text/plain"
        assert got.get("to") == b"<%b>" % phone.aor.encode()
        assert got.get("from") == b'"A" <sip:alice@ims.test>;tag=t-alice'
        assert got.get("subject") == b"s"
        assert got.get("proxy-authorization") == foreign[1]
        assert not got.has("require")
        assert got.method == "MESSAGE"
    assert bob.received[0].call_id != carol.received[0].call_id
    assert [row.message.recipient for row in world.store.waiting()] == [DAVE]


def test_to_and_cc_are_told_bcc_and_anonymous_are_not() -> None:
    world = ListWorld()
    bob = world.online(BOB, 1)
    entries = [Entry(BOB, "to"), Entry(CAROL, "cc", anonymize=True), Entry(DAVE, "bcc")]
    assert send(world, body(entries, b"hello")) == 202
    (got,) = bob.received
    text, history = parse_multipart(got.get("content-type") or b"", got.body)
    assert isinstance(history, Part)
    assert text.content == b"hello"
    assert history.get(b"content-disposition") == b"recipient-list-history; handling=optional"
    assert CAROL.encode() not in got.body
    assert DAVE.encode() not in got.body
    assert [(e.uri, e.copy) for e in parse_recipients(history.content, 9)] == [
        (BOB, "to"),
        ("sip:anonymous@anonymous.invalid", "cc"),
    ]


def test_several_parts_stay_together() -> None:
    world = ListWorld()
    bob = world.online(BOB, 1)
    assert send(world, body([Entry(BOB)], b"one", b"two")) == 202
    (got,) = bob.received
    parts = parse_multipart(got.get("content-type") or b"", got.body)
    assert [part.content for part in parts] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ([Entry(f"sip:u{n}@ims.test") for n in range(4)], 403),
        ([Entry(EVE), Entry(BOB)], 470),
        ([Entry("sip:nobody@ims.test")], 404),
        ([Entry("mailto:x@ims.test")], 400),
    ],
)
def test_lists_that_are_refused(entries: list[Entry], status: int) -> None:
    world = ListWorld()
    assert send(world, body(entries, b"hello")) == status
    assert world.store.rows == {}


def test_who_agreed_elsewhere_may_be_on_a_list() -> None:
    world = ListWorld()
    agreed = [Entry("sip:Friend@other.test"), Entry("sip:any@agreed.test")]
    assert send(world, body(agreed, b"hello")) == 202
    refused = ListWorld()
    send(refused, body([Entry(EVE)], b"hello"))
    (response,) = refused.alice.responses.values()
    assert response.get("permission-missing") == b"<%b>" % EVE.encode()


def test_requests_that_are_not_for_a_list_server() -> None:
    world = ListWorld()
    good = body([Entry(BOB)], b"hello")
    assert send(world, good, require=None) == 421
    assert send(world, good, require=(b"Require", b"recipient-list-message, 100rel")) == 420
    assert send(world, b"hello", kind=b"text/plain") == 400
    assert send(world, body([Entry(BOB)])) == 400
    assert send(world, body([Entry(BOB)], b"x" * 3000)) == 413


def test_header_lines_that_a_uri_asks_for_are_granted_or_passed_over() -> None:
    world = ListWorld()
    bob, carol = world.online(BOB, 1), world.online(CAROL, 2)
    wishes = (
        "a=*%3bmobility%3d%22mobile%22&Subject=for%20bob&Route=%3csip:evil.test%3e&body=x"
        "&From=%3csip:boss%40ims.test%3e&Priority=urgent%0d%0aVia:%20x&User-Agent=x&Subject=second"
    )
    entries = [Entry(f"{BOB}?{wishes}"), Entry(CAROL), Entry(f"{CAROL}?Subject=late")]
    assert send(world, body(entries, b"hello"), (b"Subject", b"for all")) == 202
    (mine,), (hers,) = bob.received, carol.received
    assert mine.get_all("subject") == [b"for bob"]
    assert mine.get("accept-contact") == b'*;mobility="mobile"'
    for name in ("route", "priority", "user-agent"):
        assert not mine.has(name)
    assert mine.from_uri.aor == "sip:alice@ims.test"
    assert mine.body == hers.body == b"hello"
    assert hers.get_all("subject") == [b"for all"]
    assert not hers.has("accept-contact")


def test_the_same_message_again_makes_no_second_copy() -> None:
    world = ListWorld()
    bob = world.online(BOB, 1)
    content = body([Entry(BOB), Entry(CAROL)], b"hello")
    assert [send(world, content, call_id=b"same") for _ in range(2)] == [202, 202]
    assert bob.shown == [b"hello"]
    assert world.pager.waiting(CAROL) == 1


def test_nothing_is_promised_when_the_store_is_in_trouble() -> None:
    world = ListWorld()
    world.store.failing = True
    assert send(world, body([Entry(BOB)], b"hello")) == 503
