"""Members of lists that another server serves: subscriptions to it, for as long as anybody follows."""

from __future__ import annotations

import pytest

from presence.lists.backend import BackendSubscriptions
from presence.lists.ports import State
from sip.dialog import Dialog, accept_request, next_request, uas_dialog
from sip.flow import Flow
from sip.forward import Proxy
from sip.message import Request, Response, build_request
from sip.routing import OwnNames
from sip.testing import SimNetwork
from sip.tokens import FlowTokens
from sip.transaction.client import ClientTransaction

NODE, THERE = "192.0.2.1", "192.0.2.2"
PIDF = b"application/pidf+xml"
ALICE, EVE = "sip:alice@ims.test", "sip:eve@other.test"


class Follower:
    def __init__(self) -> None:
        self.states: list[State] = []

    def told(self, uri: str, state: State, now: float) -> None:
        assert uri == EVE
        self.states.append(state)


class There:
    """The other server: answers SUBSCRIBEs with `status` and notifies as it is told."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.node = network.node("there", THERE, user=self)
        self.status = 200
        self.asked: list[Request] = []
        self.answers: list[int] = []
        self.dialog: Dialog | None = None

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.asked.append(request)
        server_tx = self.node.endpoint.accept(request, flow, now)
        lines = (
            b"Expires: " + (request.get("expires") or b""),
            b"Contact: <sip:rls@192.0.2.2:5060>",
        )
        if self.status == 200 and not request.to_tag:
            self.dialog = uas_dialog(request, self.node.endpoint.to_tag(request))
        elif self.dialog is not None:
            assert accept_request(self.dialog, request) == 0
        self.node.endpoint.respond(server_tx, self.status, now, None, lines)

    def notify(
        self, state: bytes, body: bytes = b"", tag: bytes = b"", content_type: bytes = PIDF
    ) -> int:
        """Send a NOTIFY and return the status of its answer."""
        assert self.dialog is not None
        uri, fields = next_request(self.dialog, "NOTIFY")
        if tag:
            fields = [
                (name, b"<sip:eve@other.test>;tag=" + tag if name == b"From" else value)
                for name, value in fields
            ]
        fields += [
            (b"Event", b"presence"),
            (b"Subscription-State", state),
            (b"Contact", b"<sip:rls@192.0.2.2:5060>"),
        ]
        if body:
            fields.append((b"Content-Type", content_type))
        endpoint, network = self.node.endpoint, self.network
        branch = endpoint.ids.branch()
        flow = self.node.transport.flow_to("UDP", NODE, 5060, network.now)
        assert flow is not None
        name, _, via = flow.via_line(branch).partition(b": ")
        data = build_request("NOTIFY", uri, [(name, via), (b"Max-Forwards", b"70"), *fields], body)
        before = len(self.answers)
        endpoint.create_client(data, "NOTIFY", branch, flow, self, network.now)
        network.run_until(lambda: len(self.answers) > before, 40.0)
        return self.answers[-1]

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        self.answers.append(response.status)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        self.answers.append(408)

    @property
    def expires(self) -> list[bytes | None]:
        return [one.get("expires") for one in self.asked]


class World:
    """This node, with nothing but back-end subscriptions."""

    def __init__(self, most: int = 10) -> None:
        self.network = SimNetwork(1, latency=(0.005, 0.005))
        self.node = self.network.node("node", NODE, user=self)
        endpoint = self.node.endpoint
        self.proxy = Proxy(
            endpoint,
            OwnNames(endpoint.own, ["ims.test"]),
            FlowTokens(b"k" * 32),
            lambda host, port: True,
        )
        self.reachable = True
        self.backend = BackendSubscriptions(self.proxy, self.way, {"presence": PIDF}, most, 500)
        self.there = There(self.network)
        self.follower = Follower()

    def way(self, host: str, now: float) -> Flow | None:
        if host != "other.test" or not self.reachable:
            return None
        return self.node.transport.flow_to("UDP", THERE, 5060, now)

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if not self.backend.notified(request, flow, now):
            self.node.endpoint.reply(request, flow, 481, now)

    def follow(self, follower: Follower | None = None) -> None:
        self.backend.follow("presence", EVE, ALICE, follower or self.follower, self.network.now)
        self.network.run(0.1)

    def leave(self, follower: Follower | None = None) -> None:
        self.backend.leave("presence", EVE, ALICE, follower or self.follower, self.network.now)
        self.network.run(0.1)

    @property
    def told(self) -> list[tuple[str, str, bytes]]:
        return [(one.state, one.reason, one.content) for one in self.follower.states]


def test_what_is_notified_is_told_and_the_last_who_leaves_ends_it() -> None:
    world = World()
    world.follow()
    (asked,) = world.there.asked
    assert (asked.get("from") or b"").startswith(b"<sip:alice@ims.test>;tag=")
    assert asked.get("accept") == PIDF
    assert not asked.has("p-asserted-identity")
    assert world.there.notify(b"pending;expires=600") == 200
    assert world.there.notify(b"active;expires=600", b"<one/>") == 200
    other = Follower()
    world.follow(other)
    assert other.states == world.follower.states[-1:]
    world.leave()
    assert world.there.notify(b"active", b"<two/>") == 200
    assert world.told == [("pending", "", b""), ("active", "", b"<one/>")]
    assert other.states[-1].content == b"<two/>"
    world.leave(other)
    assert world.there.expires == [b"3600", b"0"]
    assert world.there.notify(b"terminated;reason=timeout") == 200
    assert len(world.backend) == 0


def test_it_is_refreshed_before_it_ends() -> None:
    world = World()
    world.follow()
    assert world.there.notify(b"active", b"<one/>") == 200
    world.network.run(2_900)
    assert world.there.expires == [b"3600", b"3600"]
    assert world.there.asked[1].to_tag


def test_what_a_notify_says_of_its_end_holds() -> None:
    """RFC 6665 4.1.3: "expires" of Subscription-State is the authority."""
    world = World()
    world.follow()
    assert world.there.notify(b"active;expires=100", b"<one/>") == 200
    world.network.run(79)
    assert len(world.there.asked) == 1
    world.network.run(2)
    assert world.there.asked[1].to_tag


def test_without_a_notify_it_is_over_after_64_t1() -> None:
    """Timer N (RFC 6665 4.1.2.2, 4.1.2.4)."""
    world = World()
    world.follow()
    world.network.run(33)
    assert world.told == []
    assert world.there.notify(b"active", b"<late/>") == 481
    world.network.run(60)
    first, second = world.there.asked
    assert first.call_id != second.call_id
    assert world.there.notify(b"active;expires=100", b"<one/>") == 200
    world.network.run(80 + 33)
    assert world.told == [("active", "", b"<one/>"), ("terminated", "timeout", b"")]


def test_a_refresh_that_fails_ends_what_rfc_6665_says() -> None:
    world = World()
    world.follow()
    assert world.there.notify(b"active;expires=100", b"<one/>") == 200
    world.there.status = 500
    world.network.run(99)
    assert world.there.expires == [b"3600", b"3600"]  # valid until it expires
    world.there.status = 200
    world.network.run(2)
    assert not world.there.asked[2].to_tag
    assert world.told[-1] == ("terminated", "timeout", b"")
    assert world.there.notify(b"active;expires=100", b"<two/>") == 200
    world.there.status = 481
    world.network.run(81)
    assert [bool(one.to_tag) for one in world.there.asked[3:]] == [
        True,
        False,
    ]  # begun anew at once
    assert world.told[-1] == ("terminated", "timeout", b"")  # and refused again


def test_a_peer_that_is_trusted_hears_who_it_is() -> None:
    world = World()
    world.proxy.trusts = lambda flow: True
    world.follow()
    assert world.there.asked[0].get("p-asserted-identity") == b"<sip:alice@ims.test>"


def test_what_ended_is_begun_anew_as_the_reason_allows() -> None:
    for reason, wait in (
        (b"deactivated", 6),
        (b"probation;retry-after=100", 101),
        (b"noresource", 3_601),
    ):
        world = World()
        world.follow()
        assert world.there.notify(b"terminated;reason=" + reason) == 200
        world.network.run(wait - 3)
        assert len(world.there.asked) == 1
        world.network.run(5)
        assert len(world.there.asked) == 2
        assert not world.there.asked[1].to_tag
        assert world.there.notify(b"active", b"<one/>") == 200
        assert [one[:2] for one in world.told] == [
            ("terminated", reason.partition(b";")[0].decode()),
            ("active", ""),
        ]


def test_refusals_and_silence() -> None:
    world = World()
    world.there.status = 404
    world.follow()
    assert world.told == [("terminated", "noresource", b"")]
    world = World()
    world.there.status = 500
    world.follow()
    world.network.run(70)
    assert world.told == []
    assert len(world.there.asked) == 2
    world.reachable = False
    world.network.run(130)
    world.reachable, world.there.status = True, 200
    world.network.run(70)
    assert len(world.there.asked) == 3


def test_notifies_that_are_not_taken() -> None:
    world = World()
    world.follow()
    assert world.there.notify(b"active", b"<one/>", content_type=b"text/plain") == 415
    assert world.there.notify(b"active", b"<one/>", tag=b"fork") == 481
    assert world.there.notify(b"") == 400
    assert world.told == []
    assert world.there.notify(b"active") == 200
    assert world.told == [("active", "", b"")]


def test_there_are_no_more_than_allowed() -> None:
    world = World(most=0)
    world.follow()
    assert world.there.asked == []
    world.leave()


def test_one_watcher_has_a_share_and_not_all_of_them() -> None:
    world = World()
    world.backend.most_of_one = 1
    world.follow()
    world.backend.follow("presence", "sip:adam@other.test", ALICE, world.follower, 0.0)
    world.backend.follow("presence", "sip:adam@other.test", "sip:bob@ims.test", world.follower, 0.0)
    world.network.run(1)
    assert [one.ruri().user for one in world.there.asked] == [b"eve", b"adam"]


def test_many_begin_one_after_the_other() -> None:
    world = World(most=1_000)
    for number in range(100):
        uri = f"sip:eve{number}@other.test"
        world.backend.follow("presence", uri, ALICE, world.follower, world.network.now)
    world.network.run(0.01)
    assert 0 < len(world.there.asked) < 60
    world.network.run(1)
    assert len({one.call_id for one in world.there.asked}) == 100


def test_states_that_take_too_much_memory_come_without_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("presence.lists.backend._OCTETS", 8)
    world = World()
    world.follow()
    assert world.there.notify(b"active", b"<four/>") == 200
    assert world.there.notify(b"active", b"<longer/>") == 200
    assert world.told == [("active", "", b"<four/>"), ("active", "", b"")]
    assert world.there.notify(b"active", b"<f/>") == 200
    assert world.told[-1][2] == b"<f/>"
