# SPDX-License-Identifier: Apache-2.0
"""Watcher information, registrations, message summaries and dialogs (RFC 3857, 3680, 3842, 4235)."""

from __future__ import annotations

from collections.abc import Callable

from imsnode.presence.service import EventSettings
from imsnode.seal import Seal
from presence.event.package import Body, Decision, EventPackage, Standing
from presence.event.subscription import Subscription
from presence.packages.dialog import DialogPackage
from presence.packages.message_summary import MessageSummaryPackage
from presence.packages.own import OwnPackage, Terrain
from presence.packages.reg import RegPackage
from presence.packages.winfo import WatcherInfoPackage
from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml
from sip.gruu import Gruus
from sip.registrar import Binding
from tests.sim.test_presence import etag, rules
from tests.support.presence_world import ALICE, BOB, Client, World

WINFO = "{urn:ietf:params:xml:ns:watcherinfo}"
REG = "{urn:ietf:params:xml:ns:reginfo}"
DIALOG = "{urn:ietf:params:xml:ns:dialog-info}"


def world_with(
    make: Callable[[World, Terrain], EventPackage], strangers: Standing = Standing.ALLOW
) -> World:
    def build(world: World) -> EventPackage:
        terrain = Terrain(lambda aor: aor.endswith("@ims.test"), lambda: world.network.now)
        return make(world, terrain)

    return World(strangers=strangers, further=[build])


def document(body: bytes) -> Element:
    """Read a body, which its schema has to allow."""
    root = parse_xml(body, "body")
    validate(root, "body")
    return root


def watchers(body: bytes) -> list[tuple[str, str, str]]:
    root = document(body)
    return [
        (one.text or "", one.get("status", ""), one.get("event", ""))
        for one in root.iter(f"{WINFO}watcher")
    ]


def test_a_user_sees_who_follows() -> None:
    world = world_with(
        lambda world, terrain: WatcherInfoPackage("presence", terrain), Standing.CONFIRM
    )
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    bob = Client(world, "bob", "198.51.100.2", BOB)
    assert alice.subscribe(event=b"presence.winfo").status == 200  # type: ignore[union-attr]
    assert bob.subscribe(event=b"presence.winfo").status == 403  # type: ignore[union-attr]
    world.run(6)
    bob.subscribe(expires=60)
    world.run(6)
    world.set_rules(ALICE, rules("allow"))
    world.run(6)
    world.set_rules(ALICE, rules("confirm"))
    world.run(70)
    bodies = alice.bodies()
    roots = [document(body) for body in bodies]
    assert [root.get("version") for root in roots] == [str(n) for n in range(len(roots))]
    assert [root.get("state") for root in roots] == ["full"] + ["partial"] * (len(roots) - 1)
    assert [watchers(body) for body in bodies] == [
        [],
        [(BOB, "pending", "subscribe")],
        [(BOB, "active", "approved")],
        [(BOB, "pending", "subscribe")],
        [(BOB, "waiting", "timeout")],
    ]
    ids = {one.get("id") for root in roots for one in root.iter(f"{WINFO}watcher")}
    assert len(ids) == 1
    world.restart()
    world.run(6)
    assert document(alice.bodies()[-1]).get("state") == "full"
    assert document(alice.bodies()[-1]).get("version") == str(len(roots))
    world.set_rules(ALICE, rules("block"))
    bob.subscribe()
    world.run(6)


def test_the_end_of_a_watcher_is_told_once() -> None:
    world = world_with(lambda world, terrain: WatcherInfoPackage("presence", terrain))
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    bob = Client(world, "bob", "198.51.100.2", BOB)
    bob.subscribe()
    alice.subscribe(event=b"presence.winfo")
    world.run(6)
    bob.refresh(0)
    world.run(6)
    assert [watchers(body) for body in alice.bodies()] == [
        [(BOB, "active", "approved")],
        [(BOB, "terminated", "timeout")],
    ]


def binding(contact: bytes, expires_at: float, cseq: int = 1) -> Binding:
    params = b';+sip.instance="<urn:x>";pn-prid=secret'
    return Binding(ALICE, contact, params, 500, expires_at, b"call", cseq)


def test_a_registration_is_told_of_the_whole_set() -> None:
    live = [binding(b"sip:alice@198.51.100.1", 1000)]
    ids = (ALICE, "tel:+491701234")
    world = world_with(
        lambda world, terrain: RegPackage(lambda aor, now: live, terrain, None, lambda aor: ids)
    )
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    alice.subscribe(event=b"reg")
    world.run(6)
    told = [
        (one.get("aor"), one.get("state"), one[0].get("event"))
        for one in document(alice.bodies()[0]).iter(f"{REG}registration")
    ]
    assert told == [(ALICE, "active", "registered"), ("tel:+491701234", "active", "created")]


def test_registrations() -> None:
    live: list[Binding] = []
    world = world_with(lambda world, terrain: RegPackage(lambda aor, now: live, terrain))
    reg = world.notifier.package("reg")
    assert isinstance(reg, RegPackage)
    alice = Client(world, "alice", "198.51.100.1", ALICE)

    def move(*now_there: Binding, by_operator: bool = False) -> None:
        before, live[:] = list(live), now_there
        reg.moved(ALICE, before, live, world.network.now, by_operator)
        world.run(6)

    alice.subscribe(event=b"reg")
    world.run(6)
    phone = binding(b"sip:alice@198.51.100.1;pn-provider=x;pn-prid=secret", 1000)
    tablet = binding(b"sip:alice@198.51.100.9", 1000)
    move(phone)
    move(phone, tablet)
    move(binding(phone.contact, 2000, 2), tablet)
    move(tablet)
    move(by_operator=True)
    roots = [document(body) for body in alice.bodies() if body]
    assert [root.get("version") for root in roots] == [str(n) for n in range(len(roots))]
    found = [
        [(c.get("state"), c.get("event")) for c in root.iter(f"{REG}contact")] for root in roots
    ]
    assert found == [
        [],
        [("active", "registered")],
        [("active", "registered")],
        [("active", "refreshed")],
        [("terminated", "unregistered")],
        [("terminated", "deactivated")],
    ]
    assert b"secret" not in b"".join(alice.bodies())
    assert b"pn-" not in b"".join(alice.bodies())
    assert b"+sip.instance" in alice.bodies()[1]
    assert alice.states()[-1] == b"terminated;reason=deactivated"


def test_gruus_are_told_with_the_device() -> None:
    gruus = Gruus(Seal(b"k" * 64))
    phone = binding(b"sip:alice@198.51.100.1", 1000)
    phone.instance = "<urn:uuid:1>"
    make = lambda world, terrain: RegPackage(lambda aor, now: [phone], terrain, gruus)  # noqa: E731
    world = world_with(make)
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    alice.subscribe(event=b"reg")
    world.run(6)
    space = "{urn:ietf:params:xml:ns:gruuinfo}"
    (contact,) = document(alice.bodies()[0]).iter(f"{REG}contact")
    found = [(e.tag.removeprefix(space), e.get("uri"), e.get("first-cseq")) for e in contact[-2:]]
    assert found == [
        ("pub-gruu", gruus.public(phone).decode(), None),
        ("temp-gruu", gruus.temporary(phone).decode(), "1"),
    ]


def test_message_summary() -> None:
    count = [0]
    world = world_with(lambda world, terrain: MessageSummaryPackage(lambda aor: count[0], terrain))
    package = world.notifier.package("message-summary")
    assert isinstance(package, MessageSummaryPackage)
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    alice.subscribe(event=b"message-summary", accept=b"application/simple-message-summary")
    world.run(6)
    count[0] = 2
    package.counted(ALICE, world.network.now)
    world.run(6)
    package.counted(ALICE, world.network.now)
    world.run(6)
    assert [body.splitlines()[0] for body in alice.bodies()] == [
        b"Messages-Waiting: no",
        b"Messages-Waiting: yes",
    ]
    assert b"Text-Message: 2/0\r\n" in alice.bodies()[1]


def dialogs(state: str, entity: str = ALICE) -> bytes:
    return (
        f'<dialog-info xmlns="{DIALOG[1:-1]}" version="0" state="full" entity="{entity}">'
        f'<dialog id="a"><state>{state}</state></dialog></dialog-info>'
    ).encode()


def test_calls_of_softphones() -> None:
    world = world_with(
        lambda world, terrain: DialogPackage(
            lambda *asked: world.presence.authorise(*asked), terrain
        )
    )
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    desk = Client(world, "desk", "198.51.100.4", ALICE)
    bob = Client(world, "bob", "198.51.100.2", BOB)
    kind = b"application/dialog-info+xml"
    bob.subscribe(event=b"dialog")
    tag = etag(alice.publish(dialogs("early"), event=b"dialog", content_type=kind))
    world.run(6)
    desk.publish(dialogs("confirmed"), event=b"dialog", content_type=kind)
    world.run(6)
    alice.publish(event=b"dialog", etag=tag, expires=0)
    world.run(6)
    assert alice.publish(dialogs("early", BOB), event=b"dialog", content_type=kind).status == 403  # type: ignore[union-attr]
    roots = [document(body) for body in bob.bodies()]
    assert [root.get("version") for root in roots] == ["0", "1", "2", "3"]
    states = [[one.text for one in root.iter(f"{DIALOG}state")] for root in roots]
    assert states == [[], ["early"], ["early", "confirmed"], ["confirmed"]]
    world.set_rules(ALICE, rules("polite-block"))
    world.notifier.authorise_again("dialog", ALICE, world.network.now)
    world.run()
    assert [one.text for one in document(bob.bodies()[-1]).iter(f"{DIALOG}state")] == []


class Room(OwnPackage):
    """A package of another part of the node: `conference` (RFC 4575) of one room."""

    topic = b"none"

    def __init__(self, terrain: Terrain) -> None:
        super().__init__("conference", b"application/conference-info+xml", terrain)

    def admits(self, resource: str) -> bool:
        return resource == "sip:room@ims.test"

    def authorise(self, resource: str, watcher: str, wall: float) -> Decision:
        return Decision(Standing.ALLOW, None, "members")

    def render(self, sub: Subscription, wall: float) -> Body | None:
        return Body(self.types[0], self.topic)


def test_another_part_of_the_node_adds_a_package_for_its_resources() -> None:
    world = World(settings=EventSettings(passed_on=frozenset(("conference",))))
    room = Room(Terrain(lambda aor: True, lambda: world.network.now))
    world.server.host(room)
    bob = Client(world, "bob", "198.51.100.2", BOB)
    answer = bob.subscribe("sip:room@ims.test", event=b"conference")
    assert answer is not None
    assert answer.status == 200
    world.run(6)
    room.topic = b"lunch"
    world.notifier.changed("conference", "sip:room@ims.test", world.network.now)
    world.run(6)
    assert bob.bodies() == [b"none", b"lunch"]
    (served,) = world.notifier
    assert served.resource == "sip:room@ims.test"
    # What is no room of the node's still goes to the devices.
    bob.subscribe(ALICE, event=b"conference", wait=False)
    world.run(6)
    assert list(world.notifier) == [served]
