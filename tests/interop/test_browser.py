"""A browser beside a softphone: JsSIP in headless Chromium, over wss (RFC 7118)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.browser import Page
from tests.interop.clients import DOMAIN, Baresip, Bench

User = Callable[[], str]


@pytest.mark.peer("baresip", "chromium", "jssip")
def test_a_browser_and_baresip(bench: Bench, user: User) -> None:
    """Register, messages both ways, and presence."""
    name = user()
    bob = Baresip(bench, user(), contact=name, presence=True)
    with Page(bench, name, f"wss://{bench.node.https}/sip") as page:
        page.command("send", f"sip:{bob.user}@{DOMAIN}", "hello from the page")
        bob.hears("hello from the page")
        assert page.event("status", body="hello from the page")["code"] == 200
        bob.command("/message hello page")
        page.event("message", body="hello page", **{"from": f"sip:{bob.user}@{DOMAIN}"})
        page.command("follow", f"sip:{bob.user}@{DOMAIN}")
        bob.command("/presence_online")
        page.event("notify", open=True)
        page.command("stop")
        page.event("unregistered")
