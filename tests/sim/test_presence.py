# SPDX-License-Identifier: Apache-2.0
"""PUBLISH, SUBSCRIBE and NOTIFY of presence over a virtual network: RFC 3903, 6665, 3856."""

from __future__ import annotations

import pytest

from imsnode.presence.service import EventSettings
from presence.event.package import Standing
from presence.event.settings import NotifierSettings
from presence.event.states import WatcherEvent
from presence.publication.compositor import CompositorSettings
from tests.support.presence_world import ALICE, BOB, Client, World, pidf

ALLOW_BOB = b"""<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
<rule id="a"><conditions><identity><one id="sip:bob@ims.test"/></identity></conditions>
<actions><pr:sub-handling>allow</pr:sub-handling></actions>
<transformations><pr:provide-services><pr:all-services/></pr:provide-services>
<pr:provide-all-attributes/></transformations></rule></ruleset>"""


def rules(handling: str) -> bytes:
    return ALLOW_BOB.replace(b">allow<", b">%b<" % handling.encode())


def pair(world: World) -> tuple[Client, Client]:
    return Client(world, "alice", "198.51.100.1", ALICE), Client(world, "bob", "198.51.100.2", BOB)


def etag(answer: object) -> bytes:
    assert answer is not None
    value: bytes = answer.get("sip-etag")  # type: ignore[attr-defined]
    assert value
    return value


def watched(world: World) -> tuple[Client, Client, bytes]:
    """Alice has published and Bob follows her."""
    alice, bob = pair(world)
    tag = etag(alice.publish(pidf("here")))
    bob.subscribe()
    world.run(6)
    assert bob.states() == [b"active"]
    return alice, bob, tag


# ------------------------------------------------------------------------- PUBLISH


def test_what_one_publishes_the_other_sees() -> None:
    world = World()
    alice, bob = pair(world)
    first = alice.publish(pidf("here"))
    assert first is not None
    assert (first.status, first.get("expires")) == (200, b"600")
    assert len(first.get_all("sip-etag")) == 1
    answer = bob.subscribe()
    assert answer is not None
    assert (answer.status, answer.get("expires")) == (200, b"600")
    assert answer.contacts()
    world.run(6)
    assert bob.states() == [b"active"]
    assert b"here" in bob.bodies()[0]
    second = alice.publish(pidf("gone"), etag=etag(first))
    assert etag(second) != etag(first)
    world.run()
    assert bob.states() == [b"active", b"active"]
    assert b"gone" in bob.bodies()[1]
    (notify,) = bob.notifies[1:]
    assert notify.get("event") == b"presence"
    assert notify.from_uri.aor == ALICE
    assert notify.to_uri.aor == BOB
    assert notify.uri == b"sip:bob@198.51.100.2:5060"
    assert [n.cseq for n in bob.notifies] == sorted({n.cseq for n in bob.notifies})


def test_refresh_keeps_the_document_and_every_answer_has_a_new_tag() -> None:
    world = World()
    alice, bob, tag = watched(world)
    tags = [tag]
    for _ in range(3):
        tags.append(etag(alice.publish(etag=tags[-1])))
        world.run(6)
    assert len(set(tags)) == 4
    assert len(bob.notifies) == 1  # a refresh changes nothing
    assert alice.publish(etag=tags[-1], expires=0).status == 200  # type: ignore[union-attr]
    world.run(6)
    assert b"here" not in bob.bodies()[-1]


def test_a_publication_expires() -> None:
    world = World()
    alice, bob = pair(world)
    alice.publish(pidf("here"), expires=60)
    bob.subscribe()
    world.run(70)
    assert b"here" in bob.bodies()[0]
    assert b"here" not in bob.bodies()[-1]
    assert world.publications.rows == {}


@pytest.mark.parametrize(
    ("asked", "status", "header"),
    [
        ({"event": b""}, 489, b"allow-events"),
        ({"event": b"unknown"}, 489, b"allow-events"),
        ({"content_type": b"text/plain"}, 415, b"accept"),
        ({"body": b""}, 400, b""),
        ({"body": b"<presence"}, 400, b""),
        ({"etag": b"stale"}, 412, b""),
        ({"headers": [(b"SIP-If-Match", b"a"), (b"SIP-If-Match", b"b")]}, 400, b""),
        ({"expires": 5}, 423, b"min-expires"),
        ({"to": "sip:bob@ims.test"}, 403, b""),
    ],
)
def test_refused_publications(asked: dict[str, object], status: int, header: bytes) -> None:
    world = World()
    alice, _ = pair(world)
    body = asked.pop("body", pidf("x"))
    answer = alice.publish(body, **asked)  # type: ignore[arg-type]
    assert answer is not None
    assert answer.status == status
    if header:
        assert answer.has(header.decode())
    assert world.publications.rows == {}


def test_two_clients_race_on_one_tag() -> None:
    world = World()
    alice, _ = pair(world)
    tag = etag(alice.publish(pidf("first")))
    alice.responses.clear()
    alice.publish(pidf("one"), etag=tag, wait=False)
    alice.publish(pidf("two"), etag=tag, wait=False)
    world.run(2)
    assert sorted(answer.status for answer in alice.responses if answer) == [200, 412]
    (kept,) = world.publications.rows.values()
    assert b"one" in kept.body  # type: ignore[attr-defined]


def test_what_the_store_does_not_keep_is_not_promised() -> None:
    world = World()
    alice, bob, tag = watched(world)
    world.publications.failing = True
    answer = alice.publish(pidf("gone"), etag=tag)
    assert answer is not None
    assert (answer.status, answer.get("retry-after")) == (503, b"5")
    world.publications.failing = False
    world.run(6)
    assert len(bob.notifies) == 1
    assert alice.publish(pidf("gone"), etag=tag).status == 200  # type: ignore[union-attr]


def test_more_publications_than_one_may_have() -> None:
    settings = EventSettings(compositor=CompositorSettings(per_resource=2))
    world = World(settings=settings)
    alice, _ = pair(world)
    statuses = [alice.publish(pidf(str(n))).status for n in range(3)]  # type: ignore[union-attr]
    assert statuses == [200, 200, 403]


# ----------------------------------------------------------------------- SUBSCRIBE


@pytest.mark.parametrize(
    ("asked", "status", "header"),
    [
        ({"event": b"unknown"}, 489, "allow-events"),
        ({"event": b""}, 489, "allow-events"),
        ({"expires": 10}, 423, "min-expires"),
        ({"accept": b"text/plain"}, 406, "accept"),
        ({"to": "sip:nobody@elsewhere.test"}, 404, ""),
    ],
)
def test_refused_subscriptions(asked: dict[str, object], status: int, header: str) -> None:
    world = World()
    _, bob = pair(world)
    answer = bob.subscribe(**asked)  # type: ignore[arg-type]
    assert answer is not None
    assert answer.status == status
    assert not header or answer.has(header)
    world.run()
    assert bob.notifies == []
    assert world.subscriptions.rows == {}


def test_refresh_is_answered_by_a_notify_and_an_unknown_dialog_by_481() -> None:
    world = World()
    _, bob, _ = watched(world)
    assert bob.refresh().status == 200  # type: ignore[union-attr]
    world.run()
    assert bob.states() == [b"active", b"active"]
    assert b"here" in bob.bodies()[-1]
    assert bob.dialog is not None
    bob.dialog.remote_tag = b"another"
    assert bob.refresh().status == 481  # type: ignore[union-attr]


def test_nobody_refreshes_the_subscription_of_another() -> None:
    world = World()
    alice, bob, _ = watched(world)
    alice.dialog, bob.dialog = bob.dialog, None
    assert alice.dialog is not None
    alice.dialog.local_uri = b"<sip:alice@ims.test>"
    assert alice.refresh(0).status == 403  # type: ignore[union-attr]


def test_refresh_moves_the_target() -> None:
    world = World()
    alice, bob, tag = watched(world)
    host = b"198.51.100.2"
    bob.name = b"bob2"
    bob.refresh()
    alice.publish(pidf("later"), etag=tag)
    world.run(6)
    assert bob.notifies[-1].uri == b"sip:bob2@%b:5060" % host


def test_unsubscribe_and_fetch_end_with_the_state() -> None:
    world = World()
    alice, bob, _ = watched(world)
    assert bob.refresh(0).status == 200  # type: ignore[union-attr]
    world.run()
    assert bob.states() == [b"active", b"terminated;reason=timeout"]
    assert b"expires" not in (bob.notifies[-1].get("subscription-state") or b"")
    assert world.subscriptions.rows == {}
    answer = bob.subscribe(expires=0)
    assert answer is not None
    assert (answer.status, answer.get("expires")) == (200, b"0")
    world.run()
    assert bob.states()[2:] == [b"terminated;reason=timeout"]
    assert b"here" in bob.bodies()[-1]
    alice.publish(pidf("more"))
    world.run(6)
    assert len(bob.notifies) == 3


def test_a_subscription_expires() -> None:
    world = World()
    _, bob = pair(world)
    bob.subscribe(expires=60)
    world.run(65)
    assert bob.states() == [b"active", b"terminated;reason=timeout"]
    assert (len(world.notifier), world.subscriptions.rows) == (0, {})


def test_event_id_comes_back() -> None:
    world = World()
    _, bob = pair(world)
    bob.subscribe(event=b"presence;id=7")
    world.run()
    assert bob.notifies[0].get("event") == b"presence;id=7"
    assert bob.refresh(event=b"presence;id=8").status == 481  # type: ignore[union-attr]
    assert bob.refresh(event=b"presence;id=7").status == 200  # type: ignore[union-attr]


def test_limits_of_watchers_and_targets() -> None:
    settings = EventSettings(notifier=NotifierSettings(per_watcher=2, per_resource=3))
    world = World(settings=settings)
    alice, bob = pair(world)
    assert [bob.subscribe().status for _ in range(3)] == [200, 200, 403]  # type: ignore[union-attr]
    assert [alice.subscribe().status for _ in range(2)] == [200, 503]  # type: ignore[union-attr]


# -------------------------------------------------------------------------- NOTIFY


@pytest.mark.parametrize("status", [404, 405, 410, 416, 480, 481, 483, 485, 489, 501, 604])
def test_answers_that_end_a_subscription(status: int) -> None:
    world = World()
    alice, bob, tag = watched(world)
    bob.answer = status
    tag = etag(alice.publish(pidf("two"), etag=tag))
    world.run(6)
    alice.publish(pidf("three"), etag=tag)
    world.run(60)
    assert len(bob.notifies) == 2
    assert (len(world.notifier), world.subscriptions.rows) == (0, {})


@pytest.mark.parametrize("status", [400, 403, 486, 500, 503, 600])
def test_answers_that_do_not_end_a_subscription(status: int) -> None:
    world = World()
    alice, bob, tag = watched(world)
    bob.answer, bob.answer_lines = status, (b"Retry-After: 40",)
    alice.publish(pidf("two"), etag=tag)
    world.run(10)
    bob.answer = 200
    count = len(bob.notifies)
    world.run(20)
    assert len(bob.notifies) == count  # not before it may
    world.run(20)
    assert len(bob.notifies) == count + 1
    assert b"two" in bob.bodies()[-1]


@pytest.mark.parametrize("suspend", [False, True])
def test_a_watcher_that_is_silent(suspend: bool) -> None:
    world = World(settings=EventSettings(notifier=NotifierSettings(suspend=suspend)))
    alice, bob, tag = watched(world)
    bob.silent = True
    alice.publish(pidf("two"), etag=tag)
    world.run(70)
    assert len(world.notifier) == int(suspend)
    bob.silent = False
    world.run(70)
    assert (b"two" in bob.bodies()[-1]) is suspend


def test_a_dead_watcher_delays_nobody() -> None:
    world = World()
    alice, bob, tag = watched(world)
    carol = Client(world, "carol", "198.51.100.3", "sip:carol@ims.test")
    carol.subscribe()
    world.run(6)
    bob.silent = True
    for note in ("two", "three", "four"):
        tag = etag(alice.publish(pidf(note), etag=tag))
        world.run(0.1)
        count = len(carol.notifies)
        world.run(5)
        assert len(carol.notifies) in (count, count + 1)
        assert note.encode() in carol.bodies()[-1]


def test_changes_are_gathered_and_the_last_one_wins() -> None:
    world = World()
    alice, bob, tag = watched(world)
    started = len(bob.notifies)
    for number in range(10):
        tag = etag(alice.publish(pidf(f"n{number}"), etag=tag))
    world.run(12)
    assert len(bob.notifies) - started <= 2
    assert b"n9" in bob.bodies()[-1]


def test_rates_that_a_watcher_asks_for() -> None:
    world = World()
    alice, bob = pair(world)
    tag = etag(alice.publish(pidf("n")))
    bob.subscribe(event=b"presence;max-rate=0.1;min-rate=0.02")
    world.run(11)
    assert bob.states() == [b"active;max-rate=0.1000;min-rate=0.0200"]
    for number in range(12):
        tag = etag(alice.publish(pidf(f"n{number}"), etag=tag))
        world.run(1)
    assert len(bob.notifies) == 3
    world.run(100)  # nothing changes, but the least rate wants to be kept
    assert len(bob.notifies) == 5  # what was held back, and one after 50 s


def test_state_that_the_watcher_has_is_not_sent_again() -> None:
    world = World()
    alice, bob, tag = watched(world)
    have = bob.notifies[0].get("sip-etag")
    assert have
    match = [(b"Suppress-If-Match", have)]
    answer = bob.refresh(headers=match)
    assert answer is not None
    assert (answer.status, answer.get("expires")) == (204, b"600")
    world.run(6)
    assert len(bob.notifies) == 1
    alice.publish(pidf("new"), etag=tag)
    world.run(6)
    assert bob.refresh(headers=match).status == 200  # type: ignore[union-attr]
    world.run()
    assert b"new" in bob.bodies()[-1]
    again = bob.notifies[-1].get("sip-etag")
    bob.subscribe(headers=[(b"Suppress-If-Match", again or b"")])
    world.run()
    assert (bob.notifies[-1].body, bob.notifies[-1].get("sip-etag")) == (b"", again)
    assert bob.refresh(headers=[(b"Suppress-If-Match", b"*")]).status == 204  # type: ignore[union-attr]


# --------------------------------------------------------------------------- rules


def test_a_stranger_waits_and_is_told_when_the_user_decides() -> None:
    world = World(strangers=Standing.CONFIRM)
    alice, bob = pair(world)
    alice.publish(pidf("here"))
    assert bob.subscribe().status == 200  # type: ignore[union-attr]
    world.run()
    assert (bob.states(), bob.bodies()) == ([b"pending"], [b""])
    world.set_rules(ALICE, rules("allow"))
    world.run(0.1)
    assert bob.states() == [b"pending", b"active"]
    assert b"here" in bob.bodies()[-1]
    world.set_rules(ALICE, rules("polite-block"))
    world.run(0.1)
    assert bob.states()[2:] == [b"active"]
    assert b"here" not in bob.bodies()[-1]
    assert b"closed" in bob.bodies()[-1]
    world.set_rules(ALICE, rules("confirm"))
    world.run(0.1)
    assert (bob.states()[-1], bob.bodies()[-1]) == (b"pending", b"")
    world.set_rules(ALICE, rules("block"))
    world.run(0.1)
    assert bob.states()[-1] == b"terminated;reason=rejected"
    assert bob.subscribe().status == 403  # type: ignore[union-attr]
    assert len(world.notifier) == 0


def test_an_undecided_watcher_who_left_is_remembered_until_the_user_decides() -> None:
    world = World(strangers=Standing.CONFIRM)
    _, bob = pair(world)
    bob.subscribe(expires=60)
    world.run(70)
    assert [one.watcher for one in world.notifier.waiting("presence", ALICE)] == [BOB]
    world.restart()
    assert [one.watcher for one in world.notifier.waiting("presence", ALICE)] == [BOB]
    world.set_rules(ALICE, rules("block"))
    world.run()
    assert world.notifier.waiting("presence", ALICE) == ()
    assert world.subscriptions.rows == {}


# ------------------------------------------------------------------------- restart


def test_subscriptions_and_publications_outlive_the_process() -> None:
    world = World()
    alice, bob, tag = watched(world)
    before = bob.notifies[-1].cseq
    world.restart()
    world.run(6)
    assert bob.states() == [b"active", b"active"]
    assert b"here" in bob.bodies()[-1]
    assert bob.notifies[-1].cseq > before
    assert bob.notifies[-1].call_id == bob.notifies[0].call_id
    tag = etag(alice.publish(pidf("after"), etag=tag))
    world.run(6)
    assert b"after" in bob.bodies()[-1]
    assert bob.refresh().status == 200  # type: ignore[union-attr]
    world.run(6)
    assert [n.cseq for n in bob.notifies] == sorted({n.cseq for n in bob.notifies})


def test_partial_notification_counts_on_over_a_restart() -> None:
    world = World()
    alice, bob = pair(world)
    tag = etag(alice.publish(pidf("one")))
    bob.subscribe(accept=b"application/pidf-diff+xml, application/pidf+xml;q=0.5")
    world.run(6)
    tag = etag(alice.publish(pidf("two"), etag=tag))
    world.run(6)
    world.restart()
    world.run(6)
    alice.publish(pidf("three"), etag=tag)
    world.run(6)
    bodies = bob.bodies()
    assert [f'version="{n}"'.encode() in bodies[n - 1] for n in range(1, 5)] == [True] * 4
    assert [b"pidf-full" in body for body in bodies][::2] == [True, True]
    assert b"three" in bodies[-1]


# ------------------------------------------------------------------------ attackers


def with_second_via(world: World, client: Client) -> None:
    """Subscribe with a Via and a Contact that lead to somebody else."""
    elsewhere = b"198.51.100.9"
    client.subscribe(
        headers=[
            (b"Via", b"SIP/2.0/UDP %b;branch=z9hG4bKelsewhere" % elsewhere),
            (b"Record-Route", b"<sip:%b;lr>" % elsewhere),
        ],
        wait=False,
    )
    world.run(40)


@pytest.mark.parametrize("trusted", [False, True])
def test_notifys_go_where_the_subscribe_came_from(trusted: bool) -> None:
    world = World()
    world.server.proxy.trusts = lambda flow: trusted
    _, bob = pair(world)
    third = Client(world, "third", "198.51.100.9", BOB)
    with_second_via(world, bob)
    assert bool(third.notifies) is trusted
    assert bool(bob.notifies) is not trusted


def test_an_adaptive_rate_lets_busy_times_pay_for_quiet_ones() -> None:
    """RFC 6446 7: about as many in the period, whether the state changes or not."""
    world = World()
    alice, bob = pair(world)
    tag = etag(alice.publish(pidf("0"), expires=3_600))
    bob.subscribe(event=b"presence;adaptive-min-rate=0.02", expires=3_600)
    world.run(1)
    state = bob.notifies[0].get("subscription-state") or b""
    assert b";adaptive-min-rate=0.0200" in state
    world.run(1_000)
    quiet = len(bob.notifies)
    assert 15 <= quiet <= 25
    for number in range(20):
        tag = etag(alice.publish(pidf(f"{number}"), etag=tag, expires=3_600))
        world.run(6)
    busy = len(bob.notifies)
    assert busy - quiet >= 19
    world.run(100)
    assert len(bob.notifies) - busy <= 1  # there were so many


def test_nobody_takes_all_the_room_at_a_resource() -> None:
    world = World(settings=EventSettings(notifier=NotifierSettings(per_pair=2, nameless=1)))
    _, bob = pair(world)
    carol = Client(world, "carol", "198.51.100.3", "sip:carol@ims.test")
    answers = [bob.subscribe() for _ in range(3)]
    assert [one and one.status for one in answers] == [200, 200, 403]
    assert (other := bob.subscribe(to=BOB)) is not None
    assert other.status == 200
    assert (hers := carol.subscribe()) is not None
    assert hers.status == 200


def test_rules_for_very_many_watchers_are_looked_at_in_turns() -> None:
    world = World()
    _, bob = pair(world)
    for _ in range(3):
        bob.subscribe()
    world.run(6)
    # Every look takes longer than a turn may.
    ticking, clock = iter(range(1_000_000)), world.notifier.clock
    now = clock.now
    clock.now = lambda: now() + next(ticking)  # type: ignore[method-assign]
    settled: list[bool] = []
    world.set_rules(ALICE, rules("block"))
    world.notifier.settled(ALICE, lambda: settled.append(True))
    assert settled == []
    world.notifier.settled(BOB, lambda: settled.append(False))
    assert settled.pop() is False  # nobody waits for reviews of others
    clock.now = now  # type: ignore[method-assign]
    world.run(1)
    assert settled == [True]
    assert bob.states()[-3:] == [b"terminated;reason=rejected"] * 3
    world.notifier.settled(ALICE, lambda: settled.append(True))
    assert settled == [True, True]


def test_a_watcher_without_a_way_is_told_when_it_comes_back() -> None:
    world = World()
    alice, bob = pair(world)
    tag = etag(alice.publish(pidf("here")))
    bob.subscribe()
    world.run(6)
    (sub,) = world.notifier
    way, sub.flow, sub.origin = sub.flow, None, ("TCP", "198.51.100.2", 40_000)
    alice.publish(pidf("gone"), etag=tag)
    world.run(200)
    assert len(bob.notifies) == 1
    assert world.server.stats.unreachable == 1  # nobody asks again and again
    sub.flow = way
    world.server.delivery.came(BOB, world.network.now)
    world.run(1)
    assert b"gone" in bob.bodies()[-1]
    assert sub.live


def test_over_udp_a_notify_goes_to_the_contact_unless_a_nat_hides_it() -> None:
    world = World()
    cases = (
        (b"<sip:bob@192.0.2.20:5070>", ("192.0.2.20", 5070), False),
        (b"<sip:bob@10.0.0.1>", ("192.0.2.21", 5060), True),
    )
    for place, (contact, remote, bound) in enumerate(cases):
        watcher = Client(world, f"bob{place}", f"192.0.2.2{place}", BOB)
        fields = [(b"Contact", contact), (b"Event", b"presence"), (b"Expires", b"600")]
        answer = watcher._request("SUBSCRIBE", ALICE.encode(), fields, b"", True)
        assert answer is not None
        assert answer.status == 200
        sub = max(world.notifier, key=lambda one: one.number)
        assert sub.flow is not None
        assert (sub.flow.remote, sub.origin, sub.bound) == (remote, ("UDP", *remote), bound)


def test_a_notify_names_what_its_subscribe_is_charged_to() -> None:
    """TS 24.229 5.4.2.1.2: the ICID alone, as it came; whom nobody trusts never gets it here."""
    world = World()
    _, bob = pair(world)
    charged = (
        b"P-Charging-Vector",
        b'icid-value="a b";icid-generated-at=192.0.2.9;orig-ioi=x.test',
    )
    bob.subscribe(headers=[charged])
    world.run(6)
    assert bob.notifies[0].get("p-charging-vector") == b'icid-value="a b"'
    bob.subscribe(headers=[(b"P-Charging-Vector", b";;")])
    world.run(6)
    assert not bob.notifies[-1].has("p-charging-vector")


@pytest.mark.parametrize("event", list(WatcherEvent))
def test_an_operator_ends_a_subscription_for_any_reason(event: WatcherEvent) -> None:
    if event in (WatcherEvent.SUBSCRIBE, WatcherEvent.APPROVED):
        return
    world = World()
    _, bob = pair(world)
    bob.subscribe()
    world.run(6)
    (sub,) = world.notifier
    later = 60 if event in (WatcherEvent.PROBATION, WatcherEvent.GIVEUP) else -1
    assert world.notifier.remove(sub.number, world.network.now, event, later)
    world.run(6)
    told = b"terminated;reason=" + event.name.lower().encode()
    assert bob.states()[-1] == told + (b";retry-after=60" if later > 0 else b"")
    assert not list(world.notifier)
