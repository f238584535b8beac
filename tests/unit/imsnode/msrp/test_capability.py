"""What devices say in their Contact (RFC 3840, OMA CPM)."""

from __future__ import annotations

import pytest

from imsnode.msrp.capability import Capability, capability


@pytest.mark.parametrize(
    ("params", "sessions", "messages"),
    [
        (b"", None, True),
        (b';methods="INVITE,MESSAGE"', None, True),
        (b';methods="invite, bye"', True, False),
        (b";methods=MESSAGE", False, True),
        (b';methods="MESSAGE";message', False, True),
        (b";message", True, True),
        (b";+g.oma.sip-im", True, True),
        (b';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"', True, True),
        (b';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"', None, True),
        (b';methods="unfinished', None, True),
    ],
)
def test_what_a_contact_says(params: bytes, sessions: bool | None, messages: bool) -> None:
    said = capability(params)
    assert said == Capability(sessions, messages)
    assert said.only_sessions == (sessions is True and not messages)
