"""Clients of three makers call each other through a real node."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.clients import DOMAIN, WAIT_S, Baresip, Bench, Pjsua, Sipp
from tests.support.running import eventually

User = Callable[[], str]


def talk(caller: Pjsua, callee: str) -> None:
    """Call and wait until both ends agree that the call stands."""
    caller.program.say(f"call sip:{callee}@{DOMAIN}")
    caller.event("call", state="CONFIRMED")


def hung_up(party: Pjsua) -> int:
    return sum(event["state"] == "DISCONNECTED" for event in party.events("call"))


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp", "udp6"])
def test_sipp_calls_sipp(bench: Bench, user: User, transport: str) -> None:
    """INVITE with digest, 180, 200, ACK and BYE along the node's Record-Route."""
    alice, bob = Sipp(bench, user(), transport), Sipp(bench, user(), transport)
    bob.stay("call_uas")
    alice.call(bob.user)
    bob.await_log("call_uas", "CALL ENDED")


@pytest.mark.peer("pjsua2")
@pytest.mark.parametrize("caller_hangs_up", [True, False])
@pytest.mark.parametrize(("near", "far"), [("udp", "udp"), ("udp", "tcp"), ("tls", "udp")])
def test_pjsua2_calls_pjsua2(
    bench: Bench, user: User, near: str, far: str, caller_hangs_up: bool
) -> None:
    alice, bob = Pjsua(bench, user(), near), Pjsua(bench, user(), far)
    talk(alice, bob.user)
    bob.event("call", state="CONFIRMED")
    (alice if caller_hangs_up else bob).program.say("hangup")
    for party in (alice, bob):
        party.event("call", state="DISCONNECTED")


@pytest.mark.peer("pjsua2", "baresip")
def test_pjsua2_and_baresip_call_each_other(bench: Bench, user: User) -> None:
    name, other = user(), user()
    alice = Pjsua(bench, name, "tcp")
    bob = Baresip(bench, other, "udp", contact=name)
    talk(alice, other)
    bob.program.until("Call established")
    alice.program.say("hangup")
    alice.event("call", state="DISCONNECTED")
    bob.program.until("session closed")
    bob.command(f"/dial sip:{name}@{DOMAIN}")
    alice.event("call_in")
    bob.program.until("Call established", 2)
    bob.command("/hangup")
    eventually(lambda: hung_up(alice) == 2, WAIT_S, "baresip to hang up")


@pytest.mark.peer("pjsua2", "sipp")
def test_sipp_calls_pjsua2(bench: Bench, user: User) -> None:
    alice, bob = Sipp(bench, user()), Pjsua(bench, user(), "tcp")
    alice.call(bob.user)
    assert bob.event("call_in")["frm"] == f"<sip:{alice.user}@{DOMAIN}>"
    bob.event("call", state="DISCONNECTED")


@pytest.mark.peer("pjsua2")
def test_a_call_to_nobody(bench: Bench, user: User) -> None:
    """A user without a binding: 480 at the caller."""
    alice = Pjsua(bench, user())
    alice.program.say(f"call sip:{user()}@{DOMAIN}")
    assert alice.event("call", state="DISCONNECTED")["code"] == 480
