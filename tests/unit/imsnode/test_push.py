"""Who sleeps, who is woken by what, and what a REGISTER is told of it (RFC 8599)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from imsnode.push.bucket import Bucket
from imsnode.push.capability import Capability
from imsnode.push.device import device_behind
from imsnode.push.push import Push, PushSettings
from imsnode.push.reference import References
from imsnode.push.refresher import Refresher
from imsnode.push.sender import Notification, SenderError, load_sender
from imsnode.seal import Seal
from sip.flow import Flow
from sip.forward import Target
from sip.registrar import Binding, RegisterRefused, plan_register
from sip.timers import TimerQueue
from tests.unit.sip.test_fork_flows import World as ForkWorld
from tests.unit.sip.test_registrar import FLOW, register

AOR = "sip:alice@ims.test"
PUSHED = "sip:alice@192.0.2.7;pn-provider=FCM;pn-prid=ab%3Acd;pn-param=proj"
TCP = ("TCP", "192.0.2.7", 5060)
UDP = ("UDP", "192.0.2.7", 5060)


def binding(
    contact: str = PUSHED,
    instance: str = "<i>",
    received: tuple[str, str, int] = UDP,
    expires_at: float = 3600.0,
    params: bytes = b"",
) -> Binding:
    flow = Flow(received[0], ("192.0.2.1", 5060), received[1:])
    return Binding(
        AOR, contact.encode(), params, 1000, expires_at, b"c", 1, instance, 0, (), flow, received
    )


class World:
    """Push over bindings that the test gives, with a sender that keeps what it gets."""

    def __init__(self, *live: Binding) -> None:
        self.live: list[Binding] = list(live)
        self.sent: list[tuple[Notification, Callable[[str], None]]] = []
        self.full = False
        self.timers = TimerQueue()
        self.targets: list[Target] = []
        self.bucket = Bucket(lambda aor, now: self.targets, lambda t: "", self.timers, 10.0, 2)
        settings = PushSettings(frozenset({"fcm"}), 30.0, 5.0, 120.0)
        numbers = iter(range(1000))
        self.push = Push(
            lambda aor, now: self.live, self, self.bucket, settings, lambda: str(next(numbers)),
            lambda: 0.0,
        )  # fmt: skip

    def send(self, notification: Notification, done: Callable[[str], None]) -> bool:
        if not self.full:
            self.sent.append((notification, done))
        return not self.full

    def wake(self, now: float) -> int:
        return len(self.push.wake(self.push.sleepers(AOR, now).values(), "message", now))

    def moved(self, *live: Binding, now: float = 0.0) -> None:
        old, self.live = tuple(self.live), list(live)
        self.push.moved(AOR, old, live, now)

    def reasons(self) -> list[str]:
        return [notification.reason for notification, _ in self.sent]


class TestSleep:
    def test_what_a_contact_says(self) -> None:
        device = device_behind(binding())
        assert device is not None
        assert (device.provider, device.prid, device.param) == ("fcm", "ab:cd", "proj")
        assert device_behind(binding("sip:alice@192.0.2.7;pn-provider=fcm")) is None
        assert device_behind(binding("sip:alice@192.0.2.7")) is None

    def test_over_udp_a_device_is_awake_for_a_while(self) -> None:
        world = World()
        one = binding()
        assert world.push.asleep(one, 0.0)
        world.moved(one)
        assert not world.push.asleep(one, 29.0)
        assert world.push.asleep(one, 30.0)

    def test_a_connection_is_a_device_that_is_awake(self) -> None:
        one = binding(received=TCP)
        world = World(one)
        assert world.push.sleepers(AOR, 0.0) == {}
        assert one.flow is not None
        one.flow.closed = True
        assert list(world.push.sleepers(AOR, 0.0)) == [(AOR, "<i>")]

    def test_another_flow_of_the_device_is_enough(self) -> None:
        gone = binding(received=TCP)
        assert gone.flow is not None
        gone.flow.closed = True
        assert World(gone, binding(received=TCP)).push.sleepers(AOR, 0.0) == {}

    @pytest.mark.parametrize("contact", ["sip:alice@192.0.2.7", PUSHED.replace("FCM", "apns")])
    def test_other_devices_never_sleep(self, contact: str) -> None:
        assert not World().push.asleep(binding(contact), 0.0)


class TestWaking:
    def test_one_notification_for_all_that_comes_at_once(self) -> None:
        world = World(binding())
        assert (world.wake(100.0), world.wake(104.0), world.wake(105.0)) == (1, 1, 1)
        assert len(world.sent) == 2
        stats = world.push.stats
        assert (stats.sent, stats.joined, stats.woken) == (2, 1, 0)
        world.moved(binding(), now=106.0)
        assert world.push.stats.woken == 1

    def test_a_failure_lets_the_next_try(self) -> None:
        world = World(binding())
        world.wake(100.0)
        world.sent[0][1]("no such device")
        assert world.wake(101.0) == 1
        assert (len(world.sent), world.push.stats.failed) == (2, 1)

    def test_too_many_at_a_time(self) -> None:
        world = World(binding())
        world.full = True
        assert world.wake(100.0) == 0
        assert world.push.stats.dropped == 1

    def test_only_one_device(self) -> None:
        world = World(binding(), binding(PUSHED.replace("ab", "xy"), "<j>"))
        assert list(world.push.sleepers(AOR, 100.0, "<j>")) == [(AOR, "<j>")]

    def test_nothing_is_kept_of_a_device_that_left(self) -> None:
        world = World()
        world.moved(binding())
        world.wake(100.0)
        world.moved()
        world.live = [binding()]
        assert world.push.sleepers(AOR, 1.0)

    def test_before_a_registration_ends(self) -> None:
        world = World(binding(expires_at=1000.0), binding("sip:alice@192.0.2.8", "<j>", UDP, 500.0))
        refresher = Refresher(world.push, lambda aor, now: world.live, world.timers)
        refresher.start([AOR], 0.0)
        refresher.watch(AOR, 10.0)
        assert world.timers.next_deadline() == pytest.approx(880.0, abs=0.1)
        for at, target, kind in list(world.timers.pop_due(881.0)):
            target.on_timer(kind, max(at, 880.0))
        assert world.reasons() == ["refresh"]


class TestBucket:
    def test_who_registers_gets_what_waited(self) -> None:
        world, forks = World(binding()), ForkWorld()
        fork = forks.start("INVITE", 1)
        world.bucket.hold(fork, AOR, "", 0.0)
        world.bucket.arrived(AOR, 1.0)
        assert world.bucket.count == 1
        world.targets = [forks.target(("198.51.100.2", 5060))]
        world.bucket.arrived(AOR, 2.0)
        assert (world.bucket.count, world.bucket.released, len(fork.branches)) == (0, 1, 1)

    def test_who_does_not_come_in_time(self) -> None:
        world, forks = World(binding()), ForkWorld()
        world.bucket.hold(forks.start("INVITE", 1), AOR, "", 0.0)
        for _at, target, kind in list(world.timers.pop_due(10.1)):
            target.on_timer(kind, 10.1)
        assert forks.to_alice() == [100, 480]
        assert (world.bucket.count, world.bucket.given_up) == (0, 1)

    def test_who_cannot_be_woken_is_not_waited_for(self) -> None:
        world, forks = World(binding()), ForkWorld()
        fork = forks.start("INVITE", 1)
        world.wake(100.0)
        world.bucket.hold(fork, AOR, "", 100.0)
        world.sent[0][1]("the webhook answered 410")
        assert forks.to_alice() == [100, 480]
        assert world.bucket.count == 0

    def test_one_user_takes_a_part_of_the_places(self) -> None:
        world, forks = World(binding()), ForkWorld()
        world.bucket.most = 4
        assert world.push.expect(forks.start("INVITE", 1), AOR, "call", 100.0) == 1
        world.bucket.hold(forks.start("OPTIONS", 1), AOR, "", 100.0)
        assert world.push.expect(forks.start("MESSAGE", 1), AOR, "message", 100.0) == 0
        assert not world.bucket.is_full("sip:bob@ims.test")

    def test_a_request_for_one_device_does_not_give_up_because_of_another(self) -> None:
        world, forks = World(binding(), binding(instance="<other>")), ForkWorld()
        world.bucket.hold(forks.start("INVITE", 1), AOR, "<i>", 0.0)
        world.wake(100.0)
        for notification, done in world.sent:
            if notification.device.instance == "<other>":
                done("the webhook answered 410")
        assert (forks.to_alice(), world.bucket.count) == ([100], 1)


class TestRegister:
    def ask(self, uri: str, *more: bytes, params: str = "", expires: int = 3600) -> list[bytes]:
        world = World()
        capability = Capability(world.push, lambda one: b"purr")
        contact = f"<{uri}>;expires={expires}{params}".encode()
        request = register(contact, more=more)
        plan = plan_register(request, AOR, (), FLOW, 0.0)
        capability.check(request, plan, 0.0)
        self.world, self.plan = world, plan
        return capability.lines(request, plan)

    def test_a_device_that_is_woken(self) -> None:
        assert self.ask(PUSHED) == [b'Feature-Caps: *;+sip.pns="fcm";+sip.pnspurr="purr"']

    def test_a_device_that_wakes_itself_is_told_when(self) -> None:
        line = b'Feature-Caps: *;+sip.pns="fcm";+sip.pnsreg="130";+sip.pnspurr="purr"'
        assert self.ask(PUSHED, params=";+sip.pnsreg") == [line]

    @pytest.mark.parametrize("asked", ["pn-provider", "pn-provider=fcm"])
    def test_a_device_that_only_asks(self, asked: str) -> None:
        assert self.ask(f"sip:alice@192.0.2.7;{asked}") == [b'Feature-Caps: *;+sip.pns="fcm"']

    def test_a_device_without_any_of_it(self) -> None:
        assert self.ask("sip:alice@192.0.2.7") == []

    def test_a_service_that_nobody_reaches(self) -> None:
        with pytest.raises(RegisterRefused) as caught:
            self.ask(PUSHED.replace("FCM", "apns"))
        assert (caught.value.status, caught.value.lines) == (
            555,
            (b'Feature-Caps: *;+sip.pns="fcm"',),
        )

    def test_a_registration_that_ends_before_it_can_be_refreshed(self) -> None:
        with pytest.raises(RegisterRefused) as caught:
            self.ask(PUSHED, expires=149)
        assert (caught.value.status, caught.value.lines) == (423, (b"Min-Expires: 150",))

    def test_a_device_that_a_proxy_wakes(self) -> None:
        assert self.ask(PUSHED, b'Feature-Caps: *;+sip.pns="fcm"') == []
        assert not self.world.push.asleep(self.plan.bindings[0], 1e6)


def test_a_reference_tells_nothing_and_leads_back() -> None:
    live: Sequence[Binding] = [binding(), binding(PUSHED.replace("ab", "xy"), "")]
    references = References(Seal(b"k" * 64), lambda aor, now: live if aor == AOR else ())
    made = [references.of(one) for one in live]
    assert [references.find(text, 0.0) for text in made] == list(live)
    assert b"alice" not in b"".join(made)
    assert references.find(made[0][:-4] + b"AAAA", 0.0) is None
    assert references.find(b"x" * 900, 0.0) is None
    assert references.find(b"!", 0.0) is None


@pytest.mark.parametrize(
    ("uses", "problem"),
    [
        ("nobody", "entry point of imsnode.push_senders"),
        ("imsnode.push.nowhere:make", "cannot be loaded"),
        ("imsnode.push.push:Push", "refuses its options"),
    ],
)
def test_a_sender_that_is_none(uses: str, problem: str) -> None:
    with pytest.raises(SenderError, match=problem):
        load_sender(uses, {})
