"""A fork's other ways to a device, and devices that come while it waits (RFC 5626 7, RFC 8599 5.6)."""

from __future__ import annotations

import pytest

from sip.message import Request
from sip.parser import parse_message
from sip.proxy import Fork, Target
from tests.support.proxied import ALICE, BOB, BOB2, LIMITS, Noted, ProxiedNode, request_text

BOBS = b"sip:bob@10.0.0.1"


class World:
    """A proxy that Bob's one device has two flows to, or that expects a device of his."""

    def __init__(self) -> None:
        self.owner = Noted()
        self.node = ProxiedNode(None, self.owner)

    def target(self, address: tuple[str, int]) -> Target:
        return Target(BOBS, self.node.flow(address), bound=True)

    def start(self, method: str = "MESSAGE", expected: int = 0, *targets: Target) -> Fork:
        node = self.node
        request = parse_message(request_text(method), LIMITS)
        assert isinstance(request, Request)
        server_tx = node.endpoint.accept(request, node.flow(ALICE), node.now)
        fork = Fork(node.proxy, server_tx, request, self.owner)
        fork.expected = expected
        assert fork.start(targets, node.now) is None
        return fork

    def two_flows(self, method: str = "MESSAGE") -> Fork:
        first = self.target(BOB)
        first.instead = self.target(BOB2)
        return self.start(method, 0, first)

    def to_alice(self) -> list[int]:
        return self.node.statuses(ALICE)


@pytest.mark.parametrize("status", [408, 430])
def test_a_failed_flow_is_replaced_by_the_next(status: int) -> None:
    world = World()
    fork = world.two_flows()
    (sent,) = world.node.requests()
    world.node.answer(sent, status)
    (again,) = world.node.requests()
    assert (again[0].remote, again[1].uri) == (BOB2, BOBS)
    world.node.answer(again, 200)
    assert world.to_alice() == [200]
    assert (len(fork.branches), world.owner.branches) == (1, [200])


def test_a_flow_that_breaks_is_replaced() -> None:
    world = World()
    world.two_flows()
    (sent,) = world.node.requests()
    world.node.endpoint.flow_failed(sent[0], "reset", world.node.now)
    world.node.advance(0.01)
    (again,) = world.node.requests()
    assert again[0].remote == BOB2
    world.node.endpoint.flow_failed(again[0], "reset", world.node.now)
    world.node.advance(0.01)
    assert world.owner.finals == [503]


@pytest.mark.parametrize("status", [404, 480, 500, 503, 603])
def test_any_other_answer_is_the_devices_own(status: int) -> None:
    world = World()
    world.two_flows()
    world.node.answer(world.node.requests()[0], status)
    assert world.node.requests() == []
    assert world.owner.finals == [status]


def test_a_call_that_was_cancelled_is_not_tried_again() -> None:
    world = World()
    fork = world.two_flows("INVITE")
    (sent,) = world.node.requests()
    world.node.answer(sent, 180)
    fork.cancel(world.node.now)
    world.node.answer(sent, 430)
    assert world.node.requests("INVITE") == []
    assert world.owner.finals == [430]


def test_a_device_joins_when_it_is_awake() -> None:
    world = World()
    fork = world.start("INVITE", 1)
    assert world.to_alice() == [100]
    fork.join(1, [world.target(BOB)], world.node.now)
    (sent,) = world.node.requests()
    assert sent[1].get("max-breadth") == b"60"
    world.node.answer(sent, 200)
    assert world.to_alice() == [200]
    assert (fork.pending, fork.expected) == (0, 0)


def test_a_device_that_does_not_come_leaves_the_answer_to_the_others() -> None:
    world = World()
    fork = world.start("INVITE", 1, world.target(BOB2))
    world.node.answer(world.node.requests()[0], 486)
    assert world.owner.finals == []
    fork.join(1, (), world.node.now)
    assert world.owner.finals == [486]


def test_nobody_comes() -> None:
    world = World()
    fork = world.start("INVITE", 1)
    fork.join(1, (), world.node.now)
    assert world.to_alice() == [100, 480]
    fork.join(1, [world.target(BOB)], world.node.now)
    assert world.node.requests() == []


def test_the_call_is_taken_elsewhere_before_it_comes() -> None:
    world = World()
    fork = world.start("INVITE", 1, world.target(BOB2))
    world.node.answer(world.node.requests()[0], 200)
    fork.join(1, [world.target(BOB)], world.node.now)
    assert world.node.requests() == []
    assert fork.pending == 0


def test_the_caller_gives_up_before_it_comes() -> None:
    world = World()
    fork = world.start("INVITE", 1)
    fork.cancel(world.node.now)
    assert world.to_alice() == [100, 487]
    fork.join(1, [world.target(BOB)], world.node.now)
    assert world.node.requests() == []


def test_a_global_refusal_ends_the_waiting() -> None:
    world = World()
    fork = world.start("INVITE", 1, world.target(BOB2))
    world.node.answer(world.node.requests()[0], 603)
    assert world.owner.finals == [603]
    assert (fork.pending, fork.expected) == (0, 0)
