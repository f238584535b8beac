"""Clients that know outbound and GRUU: JsSIP and PJSIP (RFC 5626, RFC 5627)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.interop.browser import Page
from tests.interop.clients import DOMAIN, Bench, Pjsua

User = Callable[[], str]


@pytest.mark.peer("pjsua2", "chromium", "jssip")
def test_a_page_is_found_by_its_gruus(bench: Bench, user: User) -> None:
    """The page's own addresses, public and temporary, lead to it from a softphone."""
    name = user()
    bob = Pjsua(bench, user(), "udp")
    with Page(bench, name, f"wss://{bench.node.https}/sip") as page:
        known = page.event("registered")
        assert known["pub"].startswith(f"sip:{name}@{DOMAIN};gr=urn:uuid:")
        assert known["temp"].startswith("sip:tgruu.")
        for kind in ("pub", "temp"):
            bob.program.say(f"send {known[kind]} to the {kind}")
            page.event("message", body=f"to the {kind}")
            bob.event("msg_status", code=200, body=f"to the {kind}")
        page.command("stop")
        page.event("unregistered")


@pytest.mark.peer("pjsua2")
def test_pjsua2_keeps_a_flow(bench: Bench, user: User) -> None:
    """Over a connection PJSIP registers with outbound, and goes on when that was granted."""
    alice, bob = Pjsua(bench, user(), "udp"), Pjsua(bench, user(), "tcp")
    listed = bench.node.command("binding", "list", f"sip:{bob.user}@{DOMAIN}", "--format", "json")
    (binding,) = json.loads(listed.stdout)
    assert binding["reg_id"] == 1
    assert binding["instance"].startswith("<urn:uuid:")
    assert alice.send(bob.user, "over the flow") == 200
    alice.program.say(f"call sip:{bob.user}@{DOMAIN}")
    alice.event("call", state="CONFIRMED")
    bob.program.say("hangup")
    alice.event("call", state="DISCONNECTED")
