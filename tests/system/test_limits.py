"""Bounds on what users and strangers may do, on a running node (threats.md sections 1, 4, 6)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode, eventually

SETTINGS = """
[pager]
mailbox_messages = 3
[limits]
message_rate = 1
message_burst = 6
connections = 12
connections_per_source = 6
first_message = "1s"
partial_message = "1s"
"""
STRICT = """
[auth]
failures = 4
failure_delay = "2s"
[limits]
exempt = []
source_rate = 5
source_burst = 40
source_ban = "2s"
"""
USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("limits") / "node"
    with RunningNode(folder, extra=SETTINGS, users=USERS) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that counts what comes from this machine too."""
    folder = tmp_path_factory.mktemp("strict") / "node"
    with RunningNode(folder, extra=STRICT) as running:
        yield running


def phone(node: RunningNode, user: str, transport: str = "UDP", **kw: str) -> Phone:
    return Phone(("127.0.0.1", node.ports[transport.lower()]), user, transport=transport, **kw)


def phone_at(node: RunningNode, user: str, address: str) -> Phone:
    """Return a phone with a source address of its own."""
    made = phone(node, user)
    made.socket.close()
    made.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.socket.bind((address, 0))
    made.socket.connect(made.server)
    made.host, made.port = made.socket.getsockname()
    return made


def is_well(one: Phone, seconds: float = 2.0) -> bool:
    """Tell whether an OPTIONS is answered (threats.md G2)."""
    one.send(one.request("OPTIONS", "sip:ims.test"))
    reply = one.receive(seconds)
    return reply is not None and reply.status == 200


def is_closed(one: Phone) -> bool:
    """Tell whether the node has closed a connection, or does soon."""
    one.socket.settimeout(5)
    try:
        return one.socket.recv(65535) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def assert_later(answer: Reply) -> None:
    assert answer.status == 503
    assert int(answer.get("retry-after")) > 0


# ------------------------------------------------------------------------ users


def test_a_user_above_its_rate_is_told_when_to_go_on(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob, phone(node, "carol") as carol:
        assert carol.register().status == 200
        answers = [alice.message("sip:echo@ims.test", "x") for _ in range(12)]
        statuses = [answer.status for answer in answers]
        assert statuses[0] < 300
        assert 503 in statuses
        assert_later(next(answer for answer in answers if answer.status == 503))
        # It is about alice, about nobody else and nothing else.
        assert bob.message("sip:echo@ims.test", "x").status < 300
        assert alice.register().status == 200
        eventually(lambda: alice.message("sip:echo@ims.test", "x").status < 300)


def test_a_user_that_registers_all_the_time_is_told_when_to_go_on(node: RunningNode) -> None:
    with phone(node, "grace") as grace:
        answers = [grace.register() for _ in range(12)]
        assert answers[0].status == 200
        assert_later(next(answer for answer in answers if answer.status != 200))
        eventually(lambda: grace.register().status == 200)


def test_a_full_mailbox_is_said_and_room_is_used_again(node: RunningNode) -> None:
    with phone(node, "bob") as bob, phone(node, "dave") as dave:
        assert [bob.message("dave", f"m{number}").status for number in range(3)] == [202] * 3
        refused = bob.message("dave", "one too many")
        assert refused.status == 480
        assert "full" in refused.start.lower()
        assert dave.register().status == 200
        assert dave.collect(3) == [b"m0", b"m1", b"m2"]
        assert dave.register(expires=0).status == 200
        eventually(lambda: bob.message("dave", "room").status == 202)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_body_that_is_too_long_is_413(node: RunningNode, transport: str) -> None:
    with phone(node, "erin", transport) as erin:
        assert erin.message("dave", b"x" * (32 * 1024 + 1)).status == 413
        assert is_well(erin)
        assert erin.message("sip:echo@ims.test", b"x" * (32 * 1024)).status < 300


def test_a_message_that_is_too_large_as_a_whole_is_513(node: RunningNode) -> None:
    """Threats section 6: 80 KiB for a message, 16 KiB for its headers."""
    with phone(node, "erin", "TCP") as erin:
        padding = tuple(f"X-{number}: {'x' * 4000}" for number in range(5))
        answer = erin.answer_to(erin.request("MESSAGE", "sip:dave@ims.test", None, padding, b"x"))
        assert answer.status == 513
    with phone(node, "erin", "TCP") as erin:
        erin.send(erin.request("MESSAGE", "sip:dave@ims.test", None, (), b"x" * (80 * 1024)))
        refused = erin.receive()
        assert refused is None or refused.status in (413, 513)
    with phone(node, "erin") as erin:
        assert is_well(erin)


def test_what_has_expired_is_not_delivered(node: RunningNode) -> None:
    """PM-09: the sender's Expires ends the waiting; the ledger says so."""
    with phone(node, "carol") as carol, phone(node, "frank") as frank:
        before = node.metric("imsnode_pager_expired_total")
        answer = carol.message("frank", "gone by then", ("Expires: 1",), call_id="expiring")
        assert answer.status == 202
        assert carol.message("frank", "still good", ("Expires: 600",)).status == 202
        eventually(lambda: node.metric("imsnode_pager_expired_total") == before + 1, 15)
        assert frank.register().status == 200
        assert frank.collect(2, 2) == [b"still good"]
        assert "expired" in node.command("why", "expiring").stdout.lower()


# ------------------------------------------------------------------ connections


def test_connections_of_one_source_are_bounded(node: RunningNode) -> None:
    held = [phone(node, "alice", "TCP") for _ in range(6)]
    try:
        assert all(is_well(one) for one in held)
        with phone(node, "alice", "TCP") as newest:
            assert is_closed(newest)
        assert all(is_well(one) for one in held), "the newest goes, no other"
        held.pop().close()

        def room() -> bool:
            with phone(node, "alice", "TCP") as another:
                return is_well(another)

        eventually(room)
    finally:
        for one in held:
            one.close()


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"OPTIONS sip:ims.test SIP/2.0\r\nVia: SIP"])
def test_a_connection_that_says_nothing_useful_is_closed(node: RunningNode, said: bytes) -> None:
    with phone(node, "alice", "TCP") as idle:
        if said:
            idle.send(said)
        idle.socket.settimeout(10)
        data = b""
        while part := idle.socket.recv(65535):
            data += part
        assert data in (b"", b"\r\n") or data.startswith(b"SIP/2.0 408")


def test_users_are_served_while_large_rubbish_arrives(node: RunningNode) -> None:
    """G2: whatever strangers send."""
    with phone(node, "mallory") as mallory, phone(node, "alice") as alice:
        rubbish = [
            mallory.request("MESSAGE", "sip:bob@ims.test", None, (), b"x" * 60_000),
            mallory.request("OPTIONS", "sip:ims.test", None, ("X: " + "a" * 60_000,)),
            mallory.request("OPTIONS", "sip:ims.test", None, ("X: y",) * 9_000),
            mallory.request("OPTIONS", "sip:" + "%41" * 9_000 + "@ims.test"),
            mallory.request("OPTIONS", "sip:ims.test", None, ("Contact: " + '"\\"' * 18_000,)),
            mallory.request("OPTIONS", "sip:ims.test", None, ("Via: " + "a, " * 18_000,)),
        ]
        ending = threading.Event()

        def attack() -> None:
            while not ending.is_set():
                for data in rubbish:
                    mallory.send(data)
                ending.wait(0.01)

        attacker = threading.Thread(target=attack, daemon=True)
        attacker.start()
        try:
            for _ in range(50):
                assert alice.answer_to(alice.request("OPTIONS", "sip:ims.test")).status == 200
        finally:
            ending.set()
            attacker.join()
        assert node.metric("imsnode_faults_total") == 0


# -------------------------------------------------------------------- strangers


def test_a_stranger_above_its_rate_is_not_listened_to_for_a_while(strict: RunningNode) -> None:
    with (
        phone_at(strict, "nobody", "127.0.0.3") as stranger,
        phone_at(strict, "alice", "127.0.0.4") as alice,
    ):
        for _ in range(120):
            stranger.send(stranger.request("MESSAGE", "sip:bob@ims.test"))
        answered = 0
        while stranger.receive(0.5) is not None:
            answered += 1
        assert 40 <= answered < 80
        assert not is_well(stranger, 0.3)
        # Others are; the ban ends.
        assert is_well(alice)
        assert alice.message("bob", "hello").status == 202
        assert strict.metric("imsnode_auth_dropped_total") > 0
        eventually(lambda: is_well(stranger, 0.3))


def test_who_guesses_passwords_waits_and_the_user_does_not(strict: RunningNode) -> None:
    """A6: by source first, so that strangers cannot lock a user out."""
    with (
        phone_at(strict, "carol", "127.0.0.5") as guesser,
        phone_at(strict, "carol", "127.0.0.6") as carol,
    ):
        assert carol.register().status == 200
        guesser.password = "wrong"
        for _ in range(5):
            assert guesser.message("bob", "x").status in (401, 403, 407, 503)
        throttled = strict.metric("imsnode_auth_throttled_total")
        guesser.password = "pw-carol"
        assert guesser.message("bob", "x").status != 202, "right now, but too late"
        assert strict.metric("imsnode_auth_throttled_total") > throttled
        assert carol.message("bob", "it is me").status == 202
        eventually(lambda: guesser.message("bob", "x").status == 202, 15)
