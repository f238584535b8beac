# SPDX-License-Identifier: Apache-2.0
"""Whatever happens in whatever order: in the end every watcher sees what rules and publications give."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from presence.event.package import Standing
from sip.testing import SimNetwork
from tests.sim.test_presence import rules
from tests.support.presence_world import ALICE, BOB, CAROL, Client, World, pidf

STEP = st.tuples(
    st.sampled_from(
        (
            "publish",
            "modify",
            "withdraw",
            "subscribe",
            "refresh",
            "leave",
            "rule",
            "restart",
            "fail",
        )
    ),
    st.integers(0, 1),
    st.sampled_from(("allow", "polite-block", "confirm", "block")),
    st.sampled_from((0.0, 0.003, 0.7, 6.0)),
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from((0.0, 0.2)), st.lists(STEP, min_size=3, max_size=25))
def test_every_watcher_ends_with_the_state(
    seed: int, loss: float, steps: list[tuple[str, int, str, float]]
) -> None:
    network = SimNetwork(seed, latency=(0.001, 0.02), loss=loss, duplicate=loss / 2)
    world = World(strangers=Standing.ALLOW, network=network)
    alice = Client(world, "alice", "198.51.100.1", ALICE)
    bob = Client(world, "bob", "198.51.100.2", BOB)
    carol = Client(world, "carol", "198.51.100.3", CAROL)
    watchers, tag = (bob, carol), b""
    for number, (what, who, handling, pause) in enumerate(steps):
        watcher = watchers[who]
        if what == "publish" or (what == "modify" and not tag):
            answer = alice.publish(pidf(f"n{number}"), expires=3000)
            tag = (answer.get("sip-etag") or tag) if answer is not None else tag
        elif what == "modify":
            answer = alice.publish(pidf(f"n{number}"), etag=tag, expires=3000)
            tag = (answer.get("sip-etag") or b"") if answer is not None else b""
        elif what == "withdraw" and tag:
            alice.publish(etag=tag, expires=0)
            tag = b""
        elif what == "subscribe":
            accept = b"application/pidf-diff+xml" if handling == "block" else b""
            if accept:
                continue  # octets are compared below; versions have tests of their own
            watcher.subscribe(expires=3000)
        elif what == "refresh" and watcher.dialog is not None:
            watcher.refresh(expires=3000)
        elif what == "leave" and watcher.dialog is not None:
            watcher.refresh(expires=0)
        elif what == "rule":
            world.set_rules(ALICE, rules(handling))
        elif what == "restart":
            world.restart()
        elif what == "fail":
            world.publications.failing = not world.publications.failing
        network.run(pause)
    network.loss = 0.0
    world.run(120)
    for sub in world.notifier:
        client = bob if sub.watcher == BOB else carol
        told = [n for n in client.notifies if n.call_id == sub.dialog.call_id]
        assert told, "a subscription that was never told anything"
        newest = max(told, key=lambda n: n.cseq)
        state = (newest.get("subscription-state") or b"").partition(b";")[0]
        assert state == sub.state.name.lower().encode()
        decision = world.presence.authorise(ALICE, sub.watcher, network.wall)
        shown = world.presence.view(ALICE, decision, network.wall)
        pending = decision.standing is Standing.CONFIRM
        assert newest.body == (b"" if pending or shown is None else shown.content)
        order = [n.cseq for n in sorted(told, key=lambda n: n.cseq)]
        assert len(set(order)) == len(order)
    assert world.faults == []
