"""List subscriptions over the wire: one dialog, the states of many, each as its rules allow."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

from presence.event.package import Standing
from presence.lists.choose import ListChooser
from presence.lists.members import ListLimits
from presence.lists.package import ListPackage
from presence.lists.ports import Service, State
from presence.lists.services import read_services
from presence.packages.own import Terrain
from presence.packages.winfo import WatcherInfoPackage
from sip.bodies.multipart import parse_multipart
from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml
from sip.message import Request
from sip.testing import SimNetwork
from tests.sim.test_event_packages import watchers
from tests.support.presence_world import ALICE, BOB, CAROL, Client, World, pidf

LIST = "sip:alice-friends@ims.test"
EVE = "sip:eve@other.test"
NAMESPACES = (
    'xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"'
)
KNOWS = ((b"Supported", b"eventlist"),)
BROUGHT = (
    *KNOWS,
    (b"Require", b"recipient-list-subscribe"),
    (b"Content-Type", b"application/resource-lists+xml"),
    (b"Content-Disposition", b"recipient-list"),
)
CONFIRM = b"""<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules">
<rule id="r"><actions><p:sub-handling>confirm</p:sub-handling></actions></rule></ruleset>"""


class Elsewhere:
    """Members that other servers serve; the test says what becomes of them."""

    def __init__(self) -> None:
        self.followers: list[object] = []

    def follow(self, package: str, uri: str, watcher: str, follower: object, now: float) -> None:
        assert (package, uri, watcher) == ("presence", EVE, ALICE)
        self.followers.append(follower)

    def leave(self, package: str, uri: str, watcher: str, follower: object, now: float) -> None:
        self.followers.remove(follower)


class Documents:
    """The list services of alice."""

    def __init__(self) -> None:
        self.members: list[str] = [BOB, CAROL]

    def service(self, uri: str) -> Service | None:
        entries = "".join(f'<rl:entry uri="{one}"/>' for one in self.members)
        body = f'<rls-services {NAMESPACES}><service uri="{LIST}"><list>{entries}</list></service></rls-services>'
        return {one.uri: one for one in read_services(body.encode(), ALICE)}.get(uri)

    def element(self, reference: str, owner: str) -> Element | None:
        return None


class ListWorld(World):
    """A node with list packages."""

    def __init__(self, network: SimNetwork | None = None) -> None:
        self.documents = Documents()
        self.elsewhere = Elsewhere()
        super().__init__(further=[_lists, _winfo], network=network)

    def _begin(self) -> None:
        super()._begin()
        lists = self.notifier.package("presence+list")
        assert isinstance(lists, ListPackage)
        self.lists = lists
        self.server.subscribes.choose = ListChooser({"presence": lists}, self.documents)


def _winfo(world: World) -> WatcherInfoPackage:
    terrain = Terrain(lambda aor: aor.endswith("@ims.test"), lambda: world.network.now)
    return WatcherInfoPackage("presence", terrain)


def _lists(world: World) -> ListPackage:
    assert isinstance(world, ListWorld)
    return ListPackage(
        world.presence,
        world.documents,
        lambda uri: uri.endswith("@ims.test"),
        world.elsewhere,
        ListLimits(),  # type: ignore[arg-type]
    )


def told(notify: Request) -> tuple[int, bool, dict[str, str]]:
    """Return version, whether it is full, and per member what is shown of it."""
    assert notify.get("require") == b"eventlist"
    parts = parse_multipart(notify.get("content-type") or b"", notify.body)
    root = parse_xml(parts[0].content, "rlmi")
    validate(root, "rlmi")
    states: dict[str, str] = {}
    for resource in root.iter("{*}resource"):
        instance = resource.find("{*}instance")
        shown = "" if instance is None else instance.get("state", "")
        if instance is not None and (cid := instance.get("cid")):
            part = next(one for one in parts if one.get(b"content-id") == f"<{cid}>".encode())
            document = parse_xml(part.content, "state")
            validate(document, "state")
            shown += " " + (
                document.findtext(".//{*}note") or document.findtext(".//{*}basic") or ""
            )
        states[resource.get("uri", "")] = shown
    return int(root.get("version", "")), root.get("fullState") == "true", states


def subscribed(
    world: ListWorld,
    to: str = LIST,
    headers: Sequence[tuple[bytes, bytes]] = KNOWS,
    body: bytes = b"",
) -> Client:
    alice = Client(world, "alice", "192.0.2.10", ALICE)
    answer = alice.subscribe(to, headers=headers, body=body)
    assert answer is not None
    assert answer.status == 200
    assert answer.get("require") == b"eventlist"
    world.run()
    return alice


def test_a_list_shows_its_members_as_their_rules_allow() -> None:
    world = ListWorld()
    world.rules[CAROL] = CONFIRM
    bob = Client(world, "bob", "192.0.2.11", BOB)
    bob.publish(pidf("here", BOB))
    alice = subscribed(world)
    assert told(alice.notifies[-1]) == (0, True, {BOB: "active here", CAROL: "pending"})
    world.run(6)
    bob.publish(pidf("away", BOB))
    world.run(6)
    assert told(alice.notifies[-1]) == (1, False, {BOB: "active away"})
    world.set_rules(CAROL, CONFIRM.replace(b"confirm", b"polite-block"))
    world.run(6)
    assert told(alice.notifies[-1]) == (2, False, {CAROL: "active closed"})
    alice.refresh(headers=KNOWS)
    world.run(6)
    assert told(alice.notifies[-1]) == (3, True, {BOB: "active away", CAROL: "active closed"})
    assert len(alice.notifies) == 4


def test_a_rule_that_ends_by_itself_is_noticed() -> None:
    world = ListWorld()
    until = datetime.fromtimestamp(world.network.wall + 100, UTC).isoformat()
    validity = f"<conditions><validity><from>2000-01-01T00:00:00Z</from><until>{until}</until></validity></conditions>"
    polite = CONFIRM.replace(b"confirm", b"polite-block")
    world.rules[BOB] = polite.replace(b'<rule id="r">', f'<rule id="r">{validity}'.encode())
    world.strangers = Standing.BLOCK
    alice = subscribed(world)
    assert told(alice.notifies[-1])[2][BOB] == "active closed"
    world.run(110)
    assert told(alice.notifies[-1]) == (1, False, {BOB: "terminated"})


def test_what_changes_nothing_for_the_watcher_is_not_told() -> None:
    world = ListWorld()
    world.rules[BOB] = CONFIRM.replace(b"confirm", b"polite-block")
    alice = subscribed(world)
    world.run(6)
    Client(world, "bob", "192.0.2.11", BOB).publish(pidf("secret", BOB))
    world.run(12)
    assert len(alice.notifies) == 1


def test_a_restart_goes_on_with_the_list() -> None:
    world = ListWorld()
    bob = Client(world, "bob", "192.0.2.11", BOB)
    alice = subscribed(world)
    world.run(6)
    world.restart()
    bob.publish(pidf("back", BOB))
    world.run(12)
    version, _, states = told(alice.notifies[-1])
    assert version == len(alice.notifies) - 1
    assert states[BOB] == "active back"


def test_a_list_that_changes_is_told_at_once() -> None:
    world = ListWorld()
    alice = subscribed(world)
    world.run(6)
    world.documents.members = [CAROL]
    world.lists.lists_changed(ALICE, world.network.now, world.network.wall)
    world.run(6)
    assert told(alice.notifies[-1]) == (1, True, {CAROL: "active closed"})


def test_members_elsewhere_stand_beside_ours() -> None:
    world = ListWorld()
    world.documents.members = [BOB, EVE]
    alice = subscribed(world)
    assert told(alice.notifies[-1])[2] == {BOB: "active closed", EVE: ""}
    world.run(6)
    (follower,) = world.elsewhere.followers
    follower.told(
        EVE,
        State("active", "", b"application/pidf+xml", pidf("there", EVE), b"1"),
        world.network.now,
    )  # type: ignore[attr-defined]
    world.run(6)
    assert told(alice.notifies[-1]) == (1, False, {EVE: "active there"})
    alice.refresh(expires=0, headers=KNOWS)
    world.run()
    assert world.elsewhere.followers == []


def test_a_list_that_comes_with_the_request_compressed_as_linphone_sends_it() -> None:
    world = ListWorld()
    body = f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="{BOB}"/></list></resource-lists>'
    headers = (*BROUGHT, (b"Content-Encoding", b"deflate"))
    alice = subscribed(world, "sip:rls@ims.test", headers, zlib.compress(body.encode()))
    assert told(alice.notifies[-1]) == (0, True, {BOB: "active closed"})


def test_whom_lists_are_refused() -> None:
    world = ListWorld()
    alice = Client(world, "alice", "192.0.2.10", ALICE)
    bob = Client(world, "bob", "192.0.2.11", BOB)
    answers = [
        alice.subscribe(LIST),
        bob.subscribe(LIST, headers=KNOWS),
        alice.subscribe(LIST, headers=KNOWS, accept=b"application/pidf+xml"),
        alice.subscribe("sip:rls@ims.test", headers=BROUGHT, body=b"<x/>"),
        alice.subscribe(
            "sip:rls@ims.test", headers=(*BROUGHT, (b"Content-Encoding", b"br")), body=b"<x/>"
        ),
    ]
    assert [None if one is None else one.status for one in answers] == [421, 403, 406, 400, 415]
    assert answers[0] is not None
    assert answers[0].get("require") == b"eventlist"
    assert answers[-1] is not None
    assert answers[-1].get("accept-encoding") == b"deflate, gzip, identity"


def test_one_watcher_follows_so_many_members() -> None:
    world = ListWorld()
    world.lists.limits = ListLimits(followed=3)
    alice = subscribed(world)  # there are two
    answer = alice.subscribe(LIST, headers=KNOWS)
    assert answer is not None
    assert answer.status == 403


def test_a_list_in_a_later_subscribe_is_refused() -> None:
    """RFC 5367 5.1; a refresh without a body goes on with the list."""
    world = ListWorld()
    headers = (*KNOWS, (b"Require", b"recipient-list-subscribe"), (b"Content-Disposition", b"recipient-list"),
               (b"Content-Type", b"application/resource-lists+xml"))  # fmt: skip
    lists = (
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>'
        f'<entry uri="{BOB}"/></list></resource-lists>'
    ).encode()
    alice = subscribed(world, "sip:mine@ims.test", headers, lists)
    for body in (lists, lists.replace(b"bob", b"carol")):
        refused = alice.refresh(headers=headers, body=body)
        assert refused is not None
        assert refused.status == 415
    fine = alice.refresh(headers=KNOWS)
    assert fine is not None
    assert fine.status == 200
    world.run(6)
    assert list(told(alice.notifies[-1])[2]) == [BOB]


def test_whom_a_list_follows_is_told_who_asks() -> None:
    """RFC 3857: a watcher stays a watcher behind a list, and can be decided about."""
    world = ListWorld()
    world.rules[CAROL] = CONFIRM
    carol = Client(world, "carol", "192.0.2.12", CAROL)
    carol.subscribe(CAROL, event=b"presence.winfo")
    alice = subscribed(world)
    world.run(6)
    assert watchers(carol.bodies()[-1]) == [(ALICE, "pending", "subscribe")]
    world.set_rules(CAROL, CONFIRM.replace(b"confirm", b"allow"))
    world.run(6)
    assert watchers(carol.bodies()[-1]) == [(ALICE, "active", "approved")]
    alice.refresh(expires=0, headers=KNOWS)
    world.run(6)
    assert watchers(carol.bodies()[-1]) == [(ALICE, "terminated", "timeout")]


def test_who_left_a_list_undecided_is_waited_for() -> None:
    """RFC 3857 4.7: the resource's owner hears of a watcher whom nobody decided about."""
    world = ListWorld()
    world.rules[CAROL] = CONFIRM
    carol = Client(world, "carol", "192.0.2.12", CAROL)
    carol.subscribe(CAROL, event=b"presence.winfo")
    alice = subscribed(world)
    world.run(6)
    alice.refresh(expires=0, headers=KNOWS)
    world.run(6)
    assert (ALICE, "waiting", "timeout") in watchers(carol.bodies()[-1])
    alice.subscribe(LIST, headers=KNOWS)
    world.run(6)
    assert (ALICE, "pending", "subscribe") in watchers(carol.bodies()[-1])
    assert not world.notifier.waiting("presence", CAROL)
