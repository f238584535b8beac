"""Which calls the node takes itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from imsnode.msrp.deferring import Deferring, DeferringSettings
from pager import LedgerEntry, PagerSettings, StoreMode
from sip.flow import Flow
from sip.forward import Target
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message
from sip.registrar import Binding
from tests.support.talk_world import OFFER

BOB = "sip:bob@ims.test"
BOTH = DeferringSettings(deferred=True, interwork=True)
CALL = b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n"


def deferring(settings: DeferringSettings, mode: StoreMode = StoreMode.PROXY) -> Deferring:
    none: Any = None
    pager: Any = SimpleNamespace(settings=PagerSettings(mode), bridged=set())
    return Deferring(none, pager, none, none, none, none, none, none, none, none, settings)


def invite(body: bytes, kind: bytes = b"application/sdp", tag: bytes = b"") -> Request:
    fields = [
        (b"Via", b"SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1"),
        (b"From", b"<sip:alice@ims.test>;tag=a"),
        (b"To", b"<sip:bob@ims.test>" + tag),
        (b"Call-ID", b"c1"),
        (b"CSeq", b"1 INVITE"),
        (b"Max-Forwards", b"70"),
        (b"Content-Type", kind),
    ]
    request = parse_message(build_request("INVITE", BOB.encode(), fields, body), Limits())
    assert isinstance(request, Request)
    return request


def device(params: bytes) -> Target:
    flow = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.7", 5060))
    return Target(b"sip:bob@192.0.2.7", flow, None, 1000,
                  Binding(BOB, b"sip:bob@192.0.2.7", params, 1000, 9e9, b"", 1))  # fmt: skip


SINGLE, ANY = device(b";methods=MESSAGE"), device(b"")


@pytest.mark.parametrize(
    ("settings", "targets", "taken"),
    [
        (BOTH, [], True),
        (DeferringSettings(deferred=True), [], True),
        (DeferringSettings(interwork=True), [], False),
        (BOTH, [SINGLE], True),
        (DeferringSettings(deferred=True), [SINGLE], False),
        (BOTH, [SINGLE, ANY], False),
    ],
)
def test_by_the_devices_there_are(
    settings: DeferringSettings, targets: list[Target], taken: bool
) -> None:
    assert deferring(settings).wants(invite(OFFER), BOB, targets) is taken


@pytest.mark.parametrize(
    "request_",
    [
        invite(b""),
        invite(CALL),
        invite(OFFER + CALL[5:]),
        invite(OFFER.replace(b"message 7777", b"message 0")),
        invite(OFFER, b"text/plain"),
        invite(OFFER, tag=b";tag=b"),
    ],
)
def test_nothing_but_a_session_of_messages(request_: Request) -> None:
    assert not deferring(BOTH).wants(request_, BOB, [])


def test_where_nothing_is_stored_nothing_is_taken() -> None:
    assert not deferring(BOTH, StoreMode.OFF).wants(invite(OFFER), BOB, [])


@pytest.mark.parametrize(
    ("status", "taken", "there"),
    [(480, True, False), (408, True, False), (503, True, False), (488, True, True),
     (405, True, True), (486, False, False), (487, False, False), (603, False, False)],
)  # fmt: skip
def test_by_what_devices_answered(status: int, taken: bool, there: bool) -> None:
    assert deferring(BOTH).takes_over(BOB, status) == (taken, there)


def test_who_has_a_device_that_takes_sessions_alone() -> None:
    node = deferring(BOTH)
    only = device(b";methods=INVITE").binding
    assert isinstance(only, Binding)
    node.moved(BOB, (), (only,), 0.0)
    assert node._pager.bridged == {BOB}
    node.moved(BOB, (only,), (), 0.0)
    assert node._pager.bridged == set()


@pytest.mark.parametrize(
    ("status", "reason", "rule"),
    [
        (200, "hung up", "hung-up"),
        (200, "connection: reset", "connection-lost"),
        (200, "the session timer ended", "session-timer"),
        (200, "nothing passed for too long", "session-idle"),
        (200, "the node stops", "node-stopped"),
        (488, "No MSRP listener for this transport", ""),
    ],
)
def test_the_ledger_says_how_a_session_ended(status: int, reason: str, rule: str) -> None:
    entries: list[LedgerEntry] = []
    node = deferring(BOTH)
    node._ledger = SimpleNamespace(note=entries.append)
    node._clock = SimpleNamespace(now=lambda: 9.0, wall=lambda: 100.0)
    talk: Any = SimpleNamespace(id="t1", call_id=b"c1", began=2.0)
    user: Any = SimpleNamespace(caller="a", called="b", octets=7, verdict="", rule="nobody-there")
    node.ended(talk, user, status, reason)
    assert [entry.steps[-1][4] for entry in entries] == ([rule] if rule else [])
