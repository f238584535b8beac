# SPDX-License-Identifier: Apache-2.0
"""A binding lives exactly as long as its REGISTER was told (RFC 3261 10.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imsnode.location import Location
from imsnode.registration import Registrar
from imsnode.storage import AorState
from sip.flow import Flow
from sip.forward import Target
from sip.message import Request, Response, build_request
from sip.registrar import Binding, RegistrarLimits
from sip.testing import SimNetwork
from sip.transaction import ClientTransaction
from tests.support.pager_world import BOB, NODE, Clock, Phone, World

LATENCY_S = 0.005
COMMIT_S = 0.002


class Journal:
    """Commits a little later."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network

    def append(
        self, aor: str, state: AorState, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.network.call_at(self.network.now + COMMIT_S, lambda: done(True))

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.network.call_at(self.network.now + COMMIT_S, lambda: done(True))


class Registering(World):
    """The world with the node's own registrar instead of bindings that the test sets."""

    def _begin(self) -> None:
        endpoint = self.node.endpoint
        clock = Clock(self.network)
        self.location = Location(
            self.node.transport, endpoint.timers, Journal(self.network), 86400.0, clock.wall
        )
        super()._begin()
        self.registrar = Registrar(
            endpoint,
            self.location,
            clock,
            RegistrarLimits(),
            lambda _uri, _source: True,
            self.pager.registered,
            tuple,
        )

    def targets(self, aor: str, now: float) -> list[Target] | tuple[Target, ...]:
        return self.location.targets(aor, now)

    def device_of(self, target: Target) -> str:
        return self.location.device_of(target)

    def absent_devices(self, aor: str, now: float) -> tuple[str, ...]:
        return self.location.absent_devices(aor, now)

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "REGISTER":
            wall = self.registrar.clock.wall()
            self.registrar.register(request, flow, BOB, False, now, wall)
        else:
            super().on_request(request, flow, now)


class Registration:
    """One REGISTER of a phone, and the answer to it."""

    def __init__(self, phone: Phone, expires: int) -> None:
        network, endpoint = phone.world.network, phone.node.endpoint
        self.response: Response | None = None
        flow = phone.node.transport.flow_to("UDP", NODE, 5060, network.now)
        assert flow is not None
        branch = endpoint.ids.branch()
        name, _, via = flow.via_line(branch).partition(b": ")
        data = build_request(
            "REGISTER",
            b"sip:ims.test",
            [
                (name, via),
                (b"Max-Forwards", b"70"),
                (b"From", b"<%b>;tag=r" % BOB.encode()),
                (b"To", b"<%b>" % BOB.encode()),
                (b"Call-ID", b"registration"),
                (b"CSeq", b"1 REGISTER"),
                (b"Contact", b"<%b>" % phone.uri),
                (b"Expires", b"%d" % expires),
            ],
            b"",
        )
        endpoint.create_client(data, "REGISTER", branch, flow, self, network.now)

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        self.response = response

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        raise AssertionError("no answer to the REGISTER")


@pytest.mark.parametrize("expires", [60, 61, 3600])
def test_a_message_is_relayed_up_to_the_second_and_stored_from_then_on(expires: int) -> None:
    world = Registering()
    network = world.network
    bob = world.phone("bob", "198.51.100.2")
    begin = network.now
    registration = Registration(bob, expires)
    network.run(1.0)
    assert registration.response is not None
    assert registration.response.status == 200
    # Its lifetime counts from the arrival of the REGISTER.
    assert registration.response.get("contact") == b"<%b>;expires=%d" % (bob.uri, expires)
    end = begin + LATENCY_S + expires

    def arriving(moment: float, body: bytes) -> int:
        network.run(moment - LATENCY_S - network.now)
        call = world.alice.send(body)
        network.run(0.1)
        return world.alice.answers[call]

    assert arriving(end - 1.0, b"a second before") == 200
    assert arriving(end - 0.2, b"just before") == 200
    assert arriving(end + 0.001, b"after") == 202
    assert bob.shown == [b"a second before", b"just before"]
    assert world.location.binding_count == 0
    assert world.faults == []
