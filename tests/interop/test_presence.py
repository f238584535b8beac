# SPDX-License-Identifier: Apache-2.0
"""Presence between softphones that nobody in this project wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.clients import DOMAIN, Baresip, Bench, Pjsua, Sipp

User = Callable[[], str]


@pytest.mark.peer("pjsua2")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pjsua2_publishes_and_pjsua2_sees_it(bench: Bench, user: User, transport: str) -> None:
    """Before and after the subscription began; unsubscribing ends it."""
    alice = Pjsua(bench, user(), transport, "--publish")
    bob = Pjsua(bench, user(), transport)
    alice.program.say("publish away here")
    bob.program.say(f"sub sip:{alice.user}@{DOMAIN}")
    bob.event("buddy", online=True, state="ACTIVE", note="here")
    alice.program.say("publish busy talking")
    bob.event("buddy", online=True, note="talking")
    bob.program.say(f"unsub sip:{alice.user}@{DOMAIN}")
    bob.event("buddy", state="TERMINATED")
    assert alice.events("error") == bob.events("error") == []


@pytest.mark.peer("baresip", "pjsua2")
def test_baresip_and_pjsua2_see_each_other(bench: Bench, user: User) -> None:
    """Each publishes, and follows the other."""
    bob = Pjsua(bench, user(), "udp", "--publish")
    bob.program.say("publish online here")
    alice = Baresip(bench, user(), contact=bob.user, presence=True)
    alice.program.until("CSeq: 1 NOTIFY")
    alice.command("/contacts")
    alice.hears("Online")
    bob.program.say(f"sub sip:{alice.user}@{DOMAIN}")
    alice.command("/presence_online")
    bob.event("buddy", online=True, state="ACTIVE")
    alice.command("/presence_offline")
    bob.event("buddy", online=False)


@pytest.mark.peer("sipp", "pjsua2")
def test_sipp_is_told_who_follows_it(bench: Bench, user: User) -> None:
    alice, bob = Sipp(bench, user()), Pjsua(bench, user())
    watching = alice.follow_watchers()
    bob.program.say(f"sub sip:{alice.user}@{DOMAIN}")
    assert watching.result() == 0, watching.text()[-3000:]


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_follows_a_list(bench: Bench, user: User, transport: str) -> None:
    Sipp(bench, user(), transport).follow_list(user())
