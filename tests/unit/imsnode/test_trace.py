# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from imsnode.trace import TraceFull, TraceHub, masked_message
from sip.aio import Tap
from sip.flow import Flow

FLOW = Flow("UDP", ("127.0.0.1", 5060), ("::1", 40000))
MESSAGE = (
    b"MESSAGE sip:bob@ims.test SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0\r\n"
    b"f: <sip:alice@ims.test>;tag=1\r\nTo: <sip:bob@ims.test>\r\ni: c1\r\nCSeq: 1 MESSAGE\r\n"
    b'Authorization: Digest username="alice", realm="ims.test", nonce="n0nce",\r\n'
    b' uri="sip:bob@ims.test", response="0123", cnonce="c", nc=00000001, qop=auth\r\n'
    b"c: text/plain\r\nContent-Length: 6\r\n\r\nsecret"
)


class Wire:
    tap: Tap | None = None

    def set_tap(self, tap: Tap | None) -> None:
        self.tap = tap


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def hub(wire: Wire) -> TraceHub:
    return TraceHub(wire.set_tap, lambda: 1_700_000_000.5, max_subscribers=2, queue=3)


async def read(hub: TraceHub, subscription: Any) -> list[dict[str, Any]]:
    subscription.close()
    return [json.loads(line) async for line in subscription]


async def test_nothing_is_attached_without_subscribers(hub: TraceHub, wire: Wire) -> None:
    assert wire.tap is None
    one, two = hub.subscribe(), hub.subscribe()
    assert wire.tap == hub.wire
    one.close()
    assert hub.active
    two.close()
    two.close()
    assert wire.tap is None
    assert not hub.active


async def test_fields_and_mask(hub: TraceHub) -> None:
    subscription = hub.subscribe()
    hub.wire("in", FLOW, MESSAGE, 1.0)
    (event,) = await read(hub, subscription)
    text = event.pop("text")
    assert event == {
        "at": 1_700_000_000.5,
        "dir": "in",
        "transport": "UDP",
        "local": "127.0.0.1:5060",
        "remote": "[::1]:40000",
        "start": "MESSAGE sip:bob@ims.test SIP/2.0",
        "call_id": "c1",
        "cseq": "1 MESSAGE",
        "branch": "z9hG4bK1",
        "from": "<sip:alice@ims.test>;tag=1",
        "to": "<sip:bob@ims.test>",
        "size": len(MESSAGE),
    }
    for secret in ("secret", "n0nce", "0123", 'cnonce="c"'):
        assert secret not in text
    for shown in ('username="alice"', 'realm="ims.test"', "nc=00000001", "[6 octets text/plain]"):
        assert shown in text


async def test_bodies_on_request(hub: TraceHub) -> None:
    subscription = hub.subscribe(bodies=True)
    hub.wire("out", FLOW, MESSAGE, 1.0)
    (event,) = await read(hub, subscription)
    assert event["text"] == MESSAGE.decode()


async def test_filter_looks_at_the_head_only(hub: TraceHub) -> None:
    hits, misses = hub.subscribe(contains="alice@"), hub.subscribe(contains="secret")
    hub.wire("in", FLOW, MESSAGE, 1.0)
    assert len(await read(hub, hits)) == 1
    assert await read(hub, misses) == []


async def test_slow_reader_loses_lines_and_is_told(hub: TraceHub) -> None:
    subscription = hub.subscribe()
    for _ in range(10):
        hub.wire("in", FLOW, MESSAGE, 1.0)
    events = await read(hub, subscription)
    assert len(events) == 4
    assert events[-1] == {"lost": 7}


async def test_reader_waits_for_the_next_line(hub: TraceHub) -> None:
    subscription = hub.subscribe()

    async def first() -> bytes:
        return await anext(aiter(subscription))

    task = asyncio.create_task(first())
    await asyncio.sleep(0)
    assert not task.done()
    hub.wire("in", FLOW, MESSAGE, 1.0)
    assert json.loads(await task)["call_id"] == "c1"


async def test_subscribers_are_bounded_and_can_be_ended(hub: TraceHub) -> None:
    one = hub.subscribe()
    hub.subscribe()
    with pytest.raises(TraceFull):
        hub.subscribe()
    hub.close()
    assert [line async for line in one] == []


@pytest.mark.parametrize(
    "line",
    [
        b'Proxy-Authorization: Digest response="0123"',
        b"authorization : Digest response=0123",
        b"Authorization:\tDigest response=0123",
        b"Authorization: Digest\r\n response=0123",
        b"X: a\nAuthorization: Digest response=0123",
        b"X: a\rAuthorization: Digest response=0123",
        b"Authorization: Basic 0123",
        b"Authorization: 0123",
        b'Authorization: Digest username="a, response=0123',
        b"Authentication-Info: rspauth=0123",
        b'WWW-Authenticate: Digest realm="r", opaque=0123',
    ],
)
def test_secrets_are_masked_however_they_are_written(line: bytes) -> None:
    assert b"0123" not in masked_message(b"OPTIONS sip:a SIP/2.0\r\n" + line, b"\r\n\r\n", b"")


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\xff\xfe", b":\r\n:\r\n\r\n", b"v:\r\n\r\nx"])
async def test_any_octets_can_be_shown(hub: TraceHub, data: bytes) -> None:
    masked, plain = hub.subscribe(), hub.subscribe(bodies=True)
    hub.wire("in", FLOW, data, 1.0)
    assert len(await read(hub, masked)) == 1
    assert len(await read(hub, plain)) == 1
