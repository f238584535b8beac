"""Calls through a real node: dialogs with its Record-Route, forks, CANCEL (RFC 3261 16, 17)."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode, eventually

_users = itertools.count()
_numbers = itertools.count()
NewPhone = Callable[..., Phone]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    users = [f"user{number}" for number in range(80)]
    with RunningNode(tmp_path_factory.mktemp("calls") / "node", users=users) as running:
        yield running


@pytest.fixture
def new(node: RunningNode) -> Iterator[NewPhone]:
    """Make phones of users that no other test has; `like` gives a second one of the same user."""
    phones: list[Phone] = []

    def make(transport: str = "UDP", like: Phone | None = None) -> Phone:
        user = like.user if like is not None else f"user{next(_users)}"
        address = ("127.0.0.1", node.ports[transport.lower()])
        phones.append(Phone(address, user, transport=transport))
        return phones[-1]

    yield make
    for phone in phones:
        phone.close()


class Leg:
    """One end of a dialog: what RFC 3261 section 12 makes a user agent remember."""

    def __init__(self, phone: Phone, local: str, remote: str, call_id: str, cseq: int) -> None:
        self.phone, self.local, self.remote = phone, local, remote
        self.call_id, self.cseq = call_id, cseq
        self.target = ""
        self.routes: list[str] = []

    def request(self, method: str, cseq: int | None = None, routes: bool = True) -> bytes:
        if cseq is None:
            self.cseq += 1
        phone = self.phone
        branch = f"z9hG4bKleg{time.monotonic_ns():x}{next(_numbers)}"
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/{phone.transport} {phone.host}:{phone.port};rport;branch={branch}",
            "Max-Forwards: 70",
            *[f"Route: {route}" for route in self.routes if routes],
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq if cseq is None else cseq} {method}",
            f"Contact: <{phone.contact}>",
            "Content-Length: 0",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def send(self, method: str, cseq: int | None = None) -> None:
        self.phone.send(self.request(method, cseq))


def until(phone: Phone, wanted: int | str) -> Reply:
    """Return the next message that is this method, or this status and no other final one."""
    while (message := phone.receive(20)) is not None:
        if message.method == wanted or message.status == wanted:
            return message
        assert message.status < 200, message.data
        assert not message.method or message.method == "INVITE", message.data
    raise AssertionError(f"{phone.user} got no {wanted}")


def uri_of(value: str) -> str:
    found = re.search(r"<([^>]*)>", value)
    assert found is not None
    return found[1]


def routes_of(message: Reply) -> list[str]:
    return [part for value in message.all("record-route") for part in re.split(r",\s*(?=<)", value)]


def send_invite(caller: Phone, to: str) -> Leg:
    """Send an INVITE, answer the challenge; returns the caller's end without its remote tag."""
    uri = f"sip:{to}@{caller.domain}"
    tag = f"t{next(_numbers)}"
    request = caller.request("INVITE", uri, None, (f"Contact: <{caller.contact}>",), tag=tag)
    caller.send(request)
    challenge = until(caller, 407)
    leg = Leg(caller, f"<{caller.aor}>;tag={tag}", challenge.get("to"),
              challenge.get("call-id"), caller.cseq)  # fmt: skip
    acknowledge(leg, request, challenge)
    again = caller.with_credentials(request, challenge)
    leg.cseq = caller.cseq
    leg.remote = f"<{uri}>"
    leg.target = uri
    caller.send(again)
    return leg


def acknowledge(leg: Leg, invite: bytes, refusal: Reply) -> None:
    """Send the ACK that ends a refused INVITE: same branch, its To (RFC 3261 17.1.1.3)."""
    head = invite.replace(b"INVITE ", b"ACK ", 1)
    head = re.sub(rb"(?m)^To: [^\r]*", b"To: " + refusal.get("to").encode(), head)
    leg.phone.send(re.sub(rb"(?m)^(CSeq: \d+) INVITE", rb"\1 ACK", head))


def cancel_of(invite: bytes) -> bytes:
    """Return the CANCEL of an INVITE: all that identifies it, no credentials (9.1)."""
    head = re.sub(rb"Proxy-Authorization: [^\r]*\r\n", b"", invite)
    head = head.replace(b"INVITE ", b"CANCEL ", 1)
    return re.sub(rb"(?m)^(CSeq: \d+) INVITE", rb"\1 CANCEL", head)


def ring(callee: Phone, invite: Reply) -> None:
    callee.respond(invite, 180, (f"Contact: <{callee.contact}>",))


def pick_up(callee: Phone, invite: Reply) -> Leg:
    """Answer 200; returns the callee's end of the dialog."""
    callee.respond(invite, 200, (f"Contact: <{callee.contact}>",))
    leg = Leg(callee, f"{invite.get('to')};tag=uas{callee.port}", invite.get("from"),
              invite.get("call-id"), 100)  # fmt: skip
    leg.target = uri_of(invite.get("contact"))
    leg.routes = routes_of(invite)
    return leg


def establish(leg: Leg, answer: Reply) -> None:
    """Make the caller's end complete from the 200 and acknowledge it."""
    leg.remote = answer.get("to")
    leg.target = uri_of(answer.get("contact"))
    leg.routes = routes_of(answer)[::-1]
    leg.send("ACK", leg.cseq)


def call(caller: Phone, callee: Phone) -> tuple[Leg, Leg]:
    """Set up a call; both ends."""
    leg = send_invite(caller, callee.user)
    invite = until(callee, "INVITE")
    ring(callee, invite)
    assert until(caller, 180).get("contact") == f"<{callee.contact}>"
    other = pick_up(callee, invite)
    establish(leg, until(caller, 200))
    assert until(callee, "ACK").get("call-id") == leg.call_id
    return leg, other


PAIRS = [("UDP", "UDP"), ("UDP", "TCP"), ("TCP", "UDP"), ("TCP", "TCP")]


@pytest.mark.parametrize("ends_it", ["caller", "callee"])
@pytest.mark.parametrize(("near", "far"), PAIRS)
def test_a_call(new: NewPhone, near: str, far: str, ends_it: str) -> None:
    """INVITE, 180, 200, ACK, then BYE from either side, all by the node's Record-Route."""
    caller, callee = new(near), new(far)
    assert caller.register().status == callee.register().status == 200
    legs = call(caller, callee)
    assert all(leg.routes for leg in legs)
    hangs_up, hears = legs if ends_it == "caller" else reversed(legs)
    hangs_up.send("BYE")
    bye = until(hears.phone, "BYE")
    # The node took its own routes off and adds none to a request that makes no dialog.
    assert not bye.all("route")
    assert not bye.all("record-route")
    assert bye.start == f"BYE {hears.phone.contact} SIP/2.0"
    hears.phone.respond(bye, 200)
    assert until(hangs_up.phone, 200).get("cseq").endswith("BYE")


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_the_callee_hangs_up_on_a_caller_without_a_binding(new: NewPhone, transport: str) -> None:
    """The caller is reached by its Contact, on the node's own host, though no binding knows it."""
    caller, callee = new(), new(transport)
    assert callee.register().status == 200
    near, far = call(caller, callee)
    far.send("BYE")
    bye = until(caller, "BYE")
    assert bye.start == f"BYE {caller.contact} SIP/2.0"
    caller.respond(bye, 200)
    assert until(callee, 200).get("call-id") == near.call_id


def test_the_invite_on_its_way(new: NewPhone) -> None:
    """100 from the node, Max-Forwards one less, credentials gone, the body as it came."""
    caller, callee = new(), new()
    assert callee.register().status == 200
    request = caller.request("INVITE", callee.aor, None,
                             (f"Contact: <{caller.contact}>", "Content-Type: application/sdp"),
                             b"v=0\r\n\x00odd")  # fmt: skip
    caller.send(request)
    caller.send(caller.with_credentials(request, until(caller, 407)))
    invite = until(callee, "INVITE")
    assert invite.body == b"v=0\r\n\x00odd"
    assert invite.get("max-forwards") == "69"
    assert not invite.all("proxy-authorization")
    assert len(invite.all("via")) == 2
    trying = until(caller, 100)
    assert len(trying.all("via")) == 1
    callee.respond(invite, 603)
    assert until(caller, 603).get("call-id") == invite.get("call-id")
    assert until(callee, "ACK").get("cseq").endswith(" ACK")


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_cancel(new: NewPhone, transport: str) -> None:
    """CANCEL is answered 200 and passed on; the callee's 487 comes back to the caller (9, 16.10)."""
    caller, callee = new(transport), new()
    assert callee.register().status == 200
    request = caller.request("INVITE", callee.aor, None, (f"Contact: <{caller.contact}>",))
    caller.send(request)
    invite = caller.with_credentials(request, until(caller, 407))
    caller.send(invite)
    rings = until(callee, "INVITE")
    ring(callee, rings)
    until(caller, 180)
    caller.send(cancel_of(invite))
    stop = until(callee, "CANCEL")
    assert stop.get("via") == rings.get("via")
    callee.respond(stop, 200)
    callee.respond(rings, 487)
    assert until(callee, "ACK").get("via") == rings.get("via")
    answers = {}
    while len(answers) < 2:
        answer = caller.receive(8)
        assert answer is not None
        answers[answer.get("cseq").split()[1]] = answer.status
    assert answers == {"CANCEL": 200, "INVITE": 487}


def test_fork_to_two_phones_one_is_busy(new: NewPhone) -> None:
    """486 of one does not come back while the other may still answer; its 200 does (16.7)."""
    caller, desk = new(), new()
    pocket = new("TCP", like=desk)
    assert desk.register().status == pocket.register().status == 200
    leg = send_invite(caller, desk.user)
    first, second = until(desk, "INVITE"), until(pocket, "INVITE")
    assert first.get("call-id") == second.get("call-id")
    assert first.get("via") != second.get("via")
    desk.respond(first, 486)
    assert until(desk, "ACK").get("cseq").endswith(" ACK")
    other = pick_up(pocket, second)
    establish(leg, until(caller, 200))
    assert until(pocket, "ACK").get("call-id") == leg.call_id
    other.send("BYE")
    bye = until(caller, "BYE")
    caller.respond(bye, 200)
    until(pocket, 200)


def test_fork_ends_with_the_best_refusal(new: NewPhone) -> None:
    """Both refuse: one answer, the better of the two (16.7 item 6)."""
    caller, desk = new(), new()
    pocket = new(like=desk)
    assert desk.register().status == pocket.register().status == 200
    send_invite(caller, desk.user)
    desk.respond(until(desk, "INVITE"), 503)
    pocket.respond(until(pocket, "INVITE"), 486)
    until(caller, 486)


def test_answered_here_cancelled_there(new: NewPhone) -> None:
    """A 200 from one branch cancels the other (16.7 item 10)."""
    caller, desk = new(), new()
    pocket = new(like=desk)
    assert desk.register().status == pocket.register().status == 200
    leg = send_invite(caller, desk.user)
    first, second = until(desk, "INVITE"), until(pocket, "INVITE")
    ring(pocket, second)
    until(caller, 180)
    pick_up(desk, first)
    establish(leg, until(caller, 200))
    stop = until(pocket, "CANCEL")
    pocket.respond(stop, 200)
    pocket.respond(second, 487)
    assert until(pocket, "ACK").get("call-id") == leg.call_id


def test_a_global_refusal_ends_the_others(new: NewPhone) -> None:
    """603 from one device cancels the other, and is what the caller gets (16.7 item 5)."""
    caller, desk = new(), new()
    pocket = new("TCP", like=desk)
    assert desk.register().status == pocket.register().status == 200
    send_invite(caller, desk.user)
    first, second = until(desk, "INVITE"), until(pocket, "INVITE")
    ring(pocket, second)
    desk.respond(first, 603)
    pocket.respond(until(pocket, "CANCEL"), 200)
    pocket.respond(second, 487)
    until(caller, 603)


def test_repeats(new: NewPhone) -> None:
    """A repeated INVITE goes no further; a repeated 200 does, and its ACK too (RFC 6026)."""
    caller, callee = new(), new()
    assert callee.register().status == 200
    request = caller.request("INVITE", callee.aor, None, (f"Contact: <{caller.contact}>",))
    caller.send(request)
    invite = caller.with_credentials(request, until(caller, 407))
    for _ in range(3):
        caller.send(invite)
    rings = until(callee, "INVITE")
    ring(callee, rings)
    until(caller, 180)
    answer = (f"Contact: <{callee.contact}>",)
    legs = []
    for _ in range(2):
        callee.respond(rings, 200, answer)
        accepted = until(caller, 200)
        leg = Leg(caller, accepted.get("from"), accepted.get("to"),
                  accepted.get("call-id"), caller.cseq)  # fmt: skip
        legs.append(leg)
        establish(leg, accepted)
        assert until(callee, "ACK").get("cseq") == f"{leg.cseq} ACK"
    caller.send(invite)
    legs[0].send("BYE")
    callee.respond(until(callee, "BYE"), 200)


def test_cancel_before_anybody_rings(new: NewPhone) -> None:
    """The CANCEL is held back until the branch has said something, then sent (9.1)."""
    caller, callee = new(), new()
    assert callee.register().status == 200
    request = caller.request("INVITE", callee.aor, None, (f"Contact: <{caller.contact}>",))
    caller.send(request)
    invite = caller.with_credentials(request, until(caller, 407))
    caller.send(invite)
    rings = until(callee, "INVITE")
    caller.send(cancel_of(invite))
    while (reply := caller.receive(8)) is not None and not reply.get("cseq").endswith("CANCEL"):
        assert reply.status == 100
    assert reply is not None
    assert reply.status == 200
    ring(callee, rings)
    callee.respond(until(callee, "CANCEL"), 200)
    callee.respond(rings, 487)
    until(caller, 487)


def test_a_cancel_of_nothing(new: NewPhone) -> None:
    caller, callee = new(), new()
    request = caller.request("INVITE", callee.aor, None, (f"Contact: <{caller.contact}>",))
    caller.send(cancel_of(request))
    until(caller, 481)


@pytest.mark.slow
def test_a_dead_branch_times_out(tmp_path: Path) -> None:
    """A device that says nothing is 408 after 64*T1, and keeps nobody from the other's answer."""
    extra = '[timers]\nt1 = "50ms"\n\n[pager]\ndefer_after = "1s"\n'
    with RunningNode(tmp_path / "node", extra=extra) as node:
        server = ("127.0.0.1", node.ports["udp"])
        with Phone(server, "alice") as caller, Phone(server, "bob") as silent:
            assert silent.register().status == 200
            send_invite(caller, "bob")
            copies = 1
            assert until(silent, "INVITE")
            while (answer := caller.receive(0.2)) is None or answer.status < 200:
                copies += silent.receive(0.01) is not None
            assert answer.status == 408
            assert copies > 2
            with Phone(server, "bob") as other, Phone(server, "carol") as second:
                assert other.register().status == 200
                send_invite(second, "bob")
                other.respond(until(other, "INVITE"), 486)
                until(second, 486)


def test_nobody_there(new: NewPhone) -> None:
    """A user without a phone: 480; a user that does not exist: 404."""
    caller, absent = new(), new()
    for user, status in ((absent.user, 480), ("nobody", 404)):
        leg = send_invite(caller, user)
        assert until(caller, status).get("call-id") == leg.call_id


def test_requests_in_the_dialog_reach_a_client_on_its_own_connection(new: NewPhone) -> None:
    """The callee cannot be connected to: INFO and re-INVITE come over the flow it opened."""
    caller, callee = new("UDP"), new("TCP")
    assert callee.register().status == 200
    near, far = call(caller, callee)
    near.send("INFO")
    info = until(callee, "INFO")
    callee.respond(info, 200)
    assert until(caller, 200).get("cseq").endswith(" INFO")
    near.send("INVITE")
    again = until(callee, "INVITE")
    assert ";tag=" in again.get("to")
    callee.respond(again, 200, (f"Contact: <{callee.contact}>",))
    until(caller, 200)
    near.send("ACK", near.cseq)
    assert until(callee, "ACK").get("cseq") == f"{near.cseq} ACK"
    far.send("UPDATE")
    caller.respond(until(caller, "UPDATE"), 200)
    assert until(callee, 200).get("cseq").endswith(" UPDATE")


def test_a_request_for_a_lost_connection_is_told_so(new: NewPhone) -> None:
    """The flow that the Record-Route stood for is gone: 430 (RFC 5626 5.3)."""
    caller, callee = new(), new("TCP")
    assert callee.register().status == 200
    near, _ = call(caller, callee)
    callee.close()
    eventually(lambda: caller.answer_to(near.request("BYE")).status == 430, 2)


def test_a_stray_bye_is_not_relayed(new: NewPhone) -> None:
    """Without the node's own route, or with one made for another call, nothing goes through."""
    caller, callee, stranger = new(), new(), new()
    assert callee.register().status == 200
    near, far = call(caller, callee)
    far.phone = stranger
    stray = Leg(stranger, near.local, near.remote, near.call_id, 500)
    stray.target = callee.contact
    stranger.send(stray.request("BYE"))
    assert until_final(stranger).status in (403, 407, 481)
    stray.routes = near.routes
    stray.call_id = "another-call"
    stranger.send(stray.request("BYE"))
    assert until_final(stranger).status in (403, 407, 481)
    assert callee.receive(0.5) is None


def until_final(phone: Phone) -> Reply:
    while (reply := phone.receive(20)) is not None:
        if reply.status >= 200:
            return reply
    raise AssertionError("no final answer")


@pytest.mark.parametrize("method", ["SUBSCRIBE", "NOTIFY", "REFER", "INFO", "XYZZY"])
def test_any_method_passes(new: NewPhone, method: str) -> None:
    """Methods the node knows nothing about pass between users too."""
    caller, callee = new(), new()
    assert callee.register().status == 200
    request = caller.request(method, callee.aor, None, (f"Contact: <{caller.contact}>",))
    caller.send(request)
    caller.send(caller.with_credentials(request, until(caller, 407)))
    got = until(callee, method)
    assert got.start == f"{method} {callee.contact} SIP/2.0"
    callee.respond(got, 202)
    assert until(caller, 202).get("call-id") == got.get("call-id")
