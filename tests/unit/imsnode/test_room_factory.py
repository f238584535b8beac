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
LIST = b"""<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>%b</list>
</resource-lists>"""


def ask(*people: str) -> Any:
    """Return an INVITE of alice to the factory, with a list of people."""
    entries = b"".join(b'<entry uri="%b"/>' % who.encode() for who in people)
    body = b"--b1\r\nContent-Type: application/resource-lists+xml\r\n\r\n%b\r\n--b1--\r\n"
    fields = [
        (b"Via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        (b"From", b"<sip:alice@ims.test>;tag=1"),
        (b"To", b"<sip:conference-factory@ims.test>"),
        (b"Call-ID", b"c"),
        (b"CSeq", b"1 INVITE"),
        (b"Content-Type", b"multipart/mixed;boundary=b1"),
    ]
    made = build_request("INVITE", FACTORY.encode(), fields, body % (LIST % entries))
    return parse_message(made, Limits())


class Workshop:
    """A factory; what it has stored waits in ``making``."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.making: list[Any] = []
        self.rooms: list[Any] = []
        talk = SimpleNamespace(refuse=lambda status, reason: self.answers.append(status))
        parts: Any = SimpleNamespace(
            reply=lambda request, flow, status, *_: self.answers.append(status),
            take=lambda *_, **__: talk,
            limits=SimpleNamespace(msrp=MsrpLimits()),
            owned=lambda aor: 0,
            change=self.change,
            wall=lambda: 0.0,
        )
        self.factory = Factory(
            FactorySettings(user_rooms=2), parts, parts, parts, parts, parts, parts, parts,
            lambda uri: uri.aor, lambda aor: True, lambda aor: "elsewhere" in aor,
            lambda who, whom: 480 if "carol" in whom else 0, lambda: "new", lambda: None,
        )  # fmt: skip

    def change(self, aor: str, edit: Any, done: Any, actor: str) -> None:
        self.rooms.append(edit(None))
        self.making.append(done)

    def request(self, request: Any) -> None:
        flow: Any = None
        self.factory.request(request, flow, "sip:alice@ims.test", FACTORY, 0.0)


def test_rooms_that_are_being_made_count() -> None:
    shop = Workshop()
    for _ in range(3):
        shop.request(ask())
    assert (shop.answers, len(shop.making)) == ([403], 2)
    shop.making[0](Changed(None, None, "the store cannot be written now"))
    shop.request(ask())
    assert (shop.answers, len(shop.making)) == ([403, 503], 3)


def test_whoever_does_not_want_to_hear_from_the_maker_is_left_out() -> None:
    """And whoever is elsewhere has to have agreed to be on lists (RFC 5360)."""
    shop = Workshop()
    shop.request(ask("sip:bob@ims.test", "sip:carol@ims.test"))
    assert list(shop.rooms[0].members) == ["sip:bob@ims.test", "sip:alice@ims.test"]
    shop.request(ask("sip:bob@ims.test", "sip:dave@elsewhere.test"))
    assert shop.answers == [470]


def test_rooms_made_on_demand_end() -> None:
    """What is never empty for too long would not count either."""
    with pytest.raises(ValidationError):
        Rooms(factory_idle=0)
