"""kill -9 at any moment under load: nothing acknowledged is lost, nothing arrives twice (threats.md 11).

One database goes through all cycles. ``IMSNODE_KILL_CYCLES`` says how many kills at random moments
there are; every fail point of the commit path is added to them. ``IMSNODE_KILL_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imsnode.storage.failpoints import POINTS
from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode, eventually
from tests.support.traffic import TRUST, Traffic

CYCLES = int(os.environ.get("IMSNODE_KILL_CYCLES", "50"))
SEED = int(os.environ.get("IMSNODE_KILL_SEED", "0")) or random.SystemRandom().getrandbits(32)
SETTINGS = """
[pager]
defer_after = "300ms"
retry_min = "1s"
mailbox_messages = 100000
"""
SENDERS = ("sue", "sam", "sid")
#: Present all the time; coming and going; away until the end.
RECIPIENTS = {"home": False, "hopper": True, "hermit": True}
LONGEST_LIFE_S = 0.4
SETTLE_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * CYCLES)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    users = (*SENDERS, *RECIPIENTS)
    with RunningNode(tmp_path / "node", extra=TRUST + SETTINGS, users=users) as running:
        yield running


@pytest.mark.parametrize("there", [False, True], ids=["stored", "relayed"])
def test_a_message_repeated_over_a_kill_is_seen_once(tmp_path: Path, there: bool) -> None:
    """The sender's credentials are of the run that died; another CSeq would be another message."""
    with RunningNode(tmp_path / "node") as node:
        server = ("127.0.0.1", node.ports["udp"])
        with Phone(server, "alice") as alice, Phone(server, "bob") as bob:
            if there:
                assert bob.register().status == 200
            else:
                node.kill()
                start_with(node, {"IMSNODE_FAIL_POINT": "after_commit_before_callback"})
            request = alice.request("MESSAGE", "sip:bob@ims.test", body=b"once")
            challenge = alice._transact(request, 20)
            assert challenge.status == 407
            request = alice.with_credentials(request, challenge)
            alice.send(request)
            if there:
                assert bob.receive() is not None
                bob.inbox.clear()
            else:
                assert node.process is not None
                assert node.process.wait(60) == -9
            node.kill()
            start_with(node, {})
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(bob.collect, int(there))
                assert alice._transact(request, 20).status == (200 if there else 202)
                waiting.result()
            assert bob.register().status == 200
            assert bob.collect(2, 2) == [b"once"]
            if there:
                (got,) = bob.messages()
                assert got.get("cseq") == Reply(request).get("cseq")


def start_with(node: RunningNode, environment: dict[str, str]) -> None:
    node.environment = environment
    node.start()


def check(traffic: Traffic, when: str) -> None:
    """What must hold at every moment."""
    assert traffic.failure is None, when
    assert traffic.doubled() == [], when
    assert traffic.disordered() == [], when
    assert traffic.refused() == [], when


def test_no_acknowledged_message_is_lost_or_seen_twice(node: RunningNode) -> None:
    chance = random.Random(SEED)
    lives = ["", *sorted(POINTS), *sorted(POINTS)] + [""] * (CYCLES - 1)
    chance.shuffle(lives)
    server = ("127.0.0.1", node.ports["udp"])
    node.kill()
    with Traffic(server, SENDERS, RECIPIENTS) as traffic:
        home, hopper, hermit = (traffic.devices[user] for user in RECIPIENTS)
        home.wanted = 3600
        for number, point in enumerate(lives):
            when = f"seed {SEED}, life {number} of {len(lives)}, ended by {point or 'a kill'}"
            hopper.wanted = chance.choice((0, 3600))
            home.answer = chance.choice((200, 200, 200, 480, 0))
            before = traffic.acknowledged
            if point:
                start_with(node, {"IMSNODE_FAIL_POINT": f"{point}:{chance.randint(1, 60)}"})
                assert node.process is not None
                assert node.process.wait(60) == -9, when
            else:
                start_with(node, {})
                # Not a life without traffic: the first answer, then a random while.
                eventually(lambda before=before: traffic.acknowledged > before, 60, when)
                time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            node.kill()
            check(traffic, when)
        start_with(node, {})
        traffic.sending.clear()
        home.answer = 200
        hermit.wanted = hopper.wanted = 3600
        eventually(traffic.settled, SETTLE_S, f"seed {SEED}: every sender has its answer")
        eventually(lambda: not traffic.missing(), SETTLE_S, f"seed {SEED}: {traffic.missing()[:5]}")
        check(traffic, f"seed {SEED}, at the end")
        total = traffic.acknowledged
        repeats = sum(device.repeats for device in traffic.devices.values())
    print(f"seed {SEED}: {len(lives)} kills, {total} messages, {repeats} repeats")  # noqa: T201
    assert total >= len(lives)
    assert node.command("db", "check", "--full").returncode == 0
