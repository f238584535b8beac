"""Softphones that know no MSRP are in a room by single messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sip.bodies.cpim import address_uri, parse_cpim
from tests.interop.clients import Bench, Pjsua
from tests.support.running import eventually

User = Callable[[], str]


@pytest.mark.peer("pjsua2")
def test_two_pjsua2_in_a_room(bench: Bench, user: User) -> None:
    """They take the wrapper; what was said while one was away comes in order."""
    alice = Pjsua(bench, user())
    bob = user()
    room = f"room-of-{alice.user}"
    bench.node.command("room", "add", room, "--member", alice.user)
    bench.node.command("room", "member", "add", room, bob, "--pager")
    assert alice.send(room, "one") == 200
    assert alice.send(room, "two") == 200
    back = Pjsua(bench, bob)
    eventually(lambda: len(back.events("msg_in")) >= 2, what="both messages")
    assert [said(one) for one in back.events("msg_in")] == [
        (f"sip:{alice.user}@ims.test", "one"),
        (f"sip:{alice.user}@ims.test", "two"),
    ]
    assert back.send(room, "hello") == 200
    assert said(alice.event("msg_in")) == (f"sip:{bob}@ims.test", "hello")


def said(event: dict[str, object]) -> tuple[str, str]:
    """Return who said what, as the wrapper in a message has it."""
    message = parse_cpim(str(event["body"]).encode())
    return address_uri(message.get(b"From") or b"").decode(), message.part.content.decode()
