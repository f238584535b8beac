"""Notifications (IMDN) and is-composing between clients that nobody in this project wrote."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.interop.clients import DOMAIN, WAIT_S, Bench, Pjsua
from tests.support.imdn import asking, telling, told
from tests.support.running import eventually

User = Callable[[], str]


def say(client: Pjsua, to: str, content_type: str, body: bytes) -> None:
    """Have pjsua2 send a body whose line ends are CRLF."""
    text = body.decode().replace("\r\n", "\n").replace("\n", "\\n")
    client.program.say(f"sendct {to} {content_type} {text}")


def heard(client: Pjsua) -> list[tuple[str, str, str]]:
    """Return every notification that came to a client."""
    return told([event["body"].encode() for event in client.events("msg_in")])


@pytest.mark.peer("pjsua2")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_notification_goes_there_and_back(bench: Bench, user: User, transport: str) -> None:
    """PM-14 to PM-16: asked for by one pjsua2, sent by another, with the node's own between."""
    alice, bob = Pjsua(bench, user(), transport), Pjsua(bench, user(), transport)
    author, reader = (f"sip:{one.user}@{DOMAIN}" for one in (alice, bob))
    name = f"id-{alice.user}"
    body = asking(
        name.encode(),
        "positive-delivery",
        "display",
        "processing",
        sender=author.encode(),
        recipient=reader.encode(),
    )
    say(alice, reader, "message/cpim", body)
    assert bob.event("msg_in", ctype="message/cpim")["body"].encode() == body
    eventually(lambda: heard(alice) == [(name, "processing", "processed")], WAIT_S, "processed")
    for kind, status in (("delivery", "delivered"), ("display", "displayed")):
        back = telling(
            name,
            kind,
            status,
            message_id=f"{name}-{kind}".encode(),
            sender=reader.encode(),
            recipient=author.encode(),
        )
        say(bob, author, "message/cpim", back)
        wanted = (name, kind, status)
        eventually(lambda wanted=wanted: wanted in heard(alice), WAIT_S, f"what {kind} says")
    shown = bench.node.command("why", name, "--format", "json")
    steps = [row["rule"] for row in json.loads(shown.stdout) if row["step"] == "receipt"]
    assert steps == ["processing-processed", "delivery-delivered", "display-displayed"]


@pytest.mark.peer("pjsua2")
def test_a_notification_waits_for_a_client_that_left(bench: Bench, user: User) -> None:
    """PM-17: stored like a message, and delivered when its user comes back."""
    name = user()
    alice, bob = Pjsua(bench, name), Pjsua(bench, user())
    alice.leave()
    author, reader = f"sip:{name}@{DOMAIN}", f"sip:{bob.user}@{DOMAIN}"
    back = telling(
        "id-1", "display", "displayed", sender=reader.encode(), recipient=author.encode()
    )
    say(bob, author, "message/cpim", back)
    assert bob.event("msg_status")["code"] == 202
    again = Pjsua(bench, name, "tcp")
    eventually(lambda: heard(again) == [("id-1", "display", "displayed")], WAIT_S, "it")


@pytest.mark.peer("pjsua2")
def test_is_composing_reaches_who_is_there_and_nobody_later(bench: Bench, user: User) -> None:
    """PM-18: on and off while both are there; nothing of it waits for who is away."""
    alice, bob, away = Pjsua(bench, user()), Pjsua(bench, user()), user()
    for word, on in (("on", True), ("off", False)):
        bob.program.say(f"typing sip:{alice.user}@{DOMAIN} {word}")
        assert alice.event("typing", on=on)["on"] is on
    bob.program.say(f"typing sip:{away}@{DOMAIN} on")
    assert bob.send(away, "a real message") == 202
    late = Pjsua(bench, away)
    late.event("msg_in", body="a real message")
    assert not late.events("typing")
