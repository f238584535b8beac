# SPDX-License-Identifier: Apache-2.0
"""How many rooms somebody may make, however fast they ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from imsnode.config.rooms import Rooms
from imsnode.rooms.bounds import FactorySettings
from imsnode.rooms.factory import Factory
from session_msrp.limits import Limits as MsrpLimits
from session_msrp.rooms.ports import Changed
from sip.limits import Limits
from sip.message import build_request
from sip.parser import parse_message

FACTORY = "sip:conference-factory@ims.test"
REQUEST: Any = parse_message(
    build_request("INVITE", FACTORY.encode(), [
        (b"Via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        (b"From", b"<sip:alice@ims.test>;tag=1"),
        (b"To", b"<sip:conference-factory@ims.test>"),
        (b"Call-ID", b"c"),
        (b"CSeq", b"1 INVITE"),
    ], b""),
    Limits(),
)  # fmt: skip


def test_rooms_that_are_being_made_count() -> None:
    answers: list[int] = []
    making: list[Any] = []
    talk = SimpleNamespace(refuse=lambda status, reason: answers.append(status))
    parts: Any = SimpleNamespace(
        reply=lambda request, flow, status, *_: answers.append(status),
        take=lambda *_, **__: talk,
        limits=SimpleNamespace(msrp=MsrpLimits()),
        owned=lambda aor: 0,
        change=lambda aor, edit, done, actor: making.append(done),
        wall=lambda: 0.0,
    )
    settings = FactorySettings(user_rooms=2)
    factory = Factory(
        settings, parts, parts, parts, parts, parts, parts, parts, lambda uri: uri.aor,
        lambda aor: True, lambda: "new", lambda: None,
    )  # fmt: skip

    def ask() -> None:
        flow: Any = None
        factory.request(REQUEST, flow, "sip:alice@ims.test", FACTORY, 0.0)

    for _ in range(3):
        ask()
    assert (answers, len(making)) == ([403], 2)
    making[0](Changed(None, None, "the store cannot be written now"))
    ask()
    assert (answers, len(making)) == ([403, 503], 3)


def test_rooms_made_on_demand_end() -> None:
    """What is never empty for too long would not count either."""
    with pytest.raises(ValidationError):
        Rooms(factory_idle=0)
