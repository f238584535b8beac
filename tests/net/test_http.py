# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import base64
import json
import signal
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from imsnode.control.server import (
    ControlRefused,
    ReloadResult,
    SubmitMessage,
    SubmitResult,
    make_control_app,
)
from imsnode.http.app import Readiness, make_app
from imsnode.http.limits import HttpLimits
from imsnode.http.server import HttpServer
from imsnode.metrics import Metrics
from imsnode.trace import TraceHub
from sip.aio import BindError
from sip.flow import Flow

from .conftest import until

FLOW = Flow("UDP", ("127.0.0.1", 5060), ("127.0.0.1", 40000))


class Plane:
    """Answers like a node, and notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.refuse = False

    def _note(self, call: object) -> None:
        if self.refuse:
            raise ControlRefused("not now")
        self.calls.append(call)

    async def reload(self) -> ReloadResult:
        self._note("reload")
        return ReloadResult(["log.level"], ["listen"])

    async def users_changed(self, aors: Sequence[str] | None) -> int:
        self._note(("users", aors))
        return 5 if aors is None else len(aors)

    async def tokens_changed(self) -> int:
        self._note("tokens")
        return 1

    async def services_changed(self) -> int:
        self._note("services")
        return 1

    async def remove_binding(self, aor: str, contact: str | None) -> int:
        self._note(("binding", aor, contact))
        return 1

    async def submit_message(self, request: SubmitMessage) -> SubmitResult:
        self._note(request)
        return SubmitResult("m1", 202, "stored", "nobody there")

    async def flush_ledger(self) -> None:
        self._note("flush")

    def status(self) -> Mapping[str, object]:
        if self.refuse:
            raise RuntimeError("planted: /secret/path")
        return {"ready": True}


@pytest.fixture
def readiness() -> Readiness:
    return Readiness("storage", "listeners")


@pytest.fixture
async def http(readiness: Readiness) -> AsyncIterator[httpx.AsyncClient]:
    server = HttpServer(make_app(readiness, Metrics()), host="127.0.0.1")
    address = server.bind()
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        yield client
    await server.stop()


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
def hub() -> TraceHub:
    return TraceHub(lambda tap: None, lambda: 1.0)


@pytest.fixture
async def control(plane: Plane, hub: TraceHub, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = tmp_path / "imsnode.sock"
    server = HttpServer(make_control_app(plane, hub), unix_path=path, setting="control.socket")
    server.bind()
    await server.start()
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://imsnode") as client:
        yield client
    hub.close()
    await server.stop()
    assert not path.exists()


async def test_health_readiness_metrics(http: httpx.AsyncClient, readiness: Readiness) -> None:
    assert (await http.get("/healthz")).status_code == 200
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "reasons": {"storage": "starting", "listeners": "starting"},
    }
    readiness.set("storage", None)
    readiness.set("listeners", None)
    answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": {}}
    scrape = await http.get("/metrics")
    assert scrape.headers["content-type"].startswith("text/plain")
    assert "imsnode_process_cpu_seconds_total" in scrape.text
    assert "server" not in scrape.headers


@pytest.mark.parametrize("method", ["POST", "TRACE", "CONNECT", "DELETE"])
async def test_other_methods_are_refused(http: httpx.AsyncClient, method: str) -> None:
    assert (await http.request(method, "/healthz")).status_code == 405


async def test_limits(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz?" + "x" * 9000)).status_code == 414
    assert (await http.get("/healthz", headers={"x": "y" * 17000})).status_code in (400, 431)
    assert (await http.post("/healthz", content=b"x" * (600 * 1024))).status_code == 413


async def test_body_without_announced_size_is_bounded(tmp_path: Path, plane: Plane) -> None:
    app = make_control_app(plane, TraceHub(lambda tap: None, lambda: 1.0))
    server = HttpServer(app, host="127.0.0.1", limits=HttpLimits(body_bytes=1000))
    address = server.bind()
    await server.start()

    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.split(":")[1]))
        head = b"POST /messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n0\r\n\r\n")
        async with asyncio.timeout(5):
            assert b" 413 " in await reader.readline()
        writer.close()
    finally:
        await server.stop()


async def test_two_lengths_are_refused(http: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    writer.write(
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()


async def test_who_says_nothing_and_who_comes_too_often(readiness: Readiness) -> None:
    """A head that does not come to its end ends the connection; another one has room then."""
    limits = HttpLimits(per_source=1, head_s=0.2)
    server = HttpServer(make_app(readiness, Metrics()), host="127.0.0.1", limits=limits)
    port = int(server.bind().rpartition(":")[2])
    await server.start()
    async with asyncio.timeout(5):
        silent, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in await silent.readline()
        refused, second = await asyncio.open_connection("127.0.0.1", port)
        assert await refused.read() == b""
        first.write(b"GET /healthz HTTP/1.1\r\n")
        assert (await silent.read()).endswith(b"ok\n")
        assert (server.connections.refused, server.connections.slow) == (1, 1)
        heard, third = await asyncio.open_connection("127.0.0.1", port)
        third.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await heard.read()).endswith(b"ok\n")
    for writer in (first, second, third):
        writer.close()
    await server.stop(0.3)


async def test_taken_port_names_the_setting(http: httpx.AsyncClient) -> None:
    port = http.base_url.port
    assert port is not None
    server = HttpServer(make_app(Readiness(), Metrics()), host="127.0.0.1", port=port)
    with pytest.raises(BindError) as caught:
        server.bind()
    assert caught.value.setting == "http.listen"
    assert f"127.0.0.1:{port}" in str(caught.value)


async def test_signals_stay_with_the_node(http: httpx.AsyncClient) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_stop_ends_in_time_with_an_open_connection(readiness: Readiness) -> None:
    server = HttpServer(make_app(readiness, Metrics()), host="127.0.0.1")
    address = server.bind()
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    async with asyncio.timeout(3):
        await server.stop(0.3)
        await server.stop(0.3)
        assert await reader.read() == b""
    writer.close()


async def test_commands(control: httpx.AsyncClient, plane: Plane) -> None:
    answer = await control.post("/reload", json={})
    assert answer.json() == {"applied": ["log.level"], "needs_restart": ["listen"]}
    answer = await control.post("/users/changed", json={"aors": ["sip:a@ims.test"]})
    assert answer.json() == {"count": 1}
    assert (await control.post("/users/changed", json={"aors": None})).json() == {"count": 5}
    answer = await control.post("/bindings/remove", json={"aor": "sip:a@ims.test"})
    assert answer.json() == {"removed": 1}
    await control.post("/bindings/remove", json={"aor": "sip:a@ims.test", "contact": "sip:a@h"})
    assert (await control.post("/tokens/changed", json={})).json() == {"count": 1}
    assert (await control.post("/ledger/flush", json={})).json() == {"flushed": True}
    assert (await control.get("/status")).json() == {"ready": True}
    assert plane.calls == [
        "reload",
        ("users", ["sip:a@ims.test"]),
        ("users", None),
        ("binding", "sip:a@ims.test", None),
        ("binding", "sip:a@ims.test", "sip:a@h"),
        "tokens",
        "flush",
    ]


async def test_messages(control: httpx.AsyncClient, plane: Plane) -> None:
    people = {"from": "sip:a@ims.test", "to": "sip:b@ims.test"}
    answer = await control.post("/messages", json={**people, "text": "grüß dich"})
    assert answer.json() == {
        "message_id": "m1",
        "status": 202,
        "outcome": "stored",
        "detail": "nobody there",
    }
    encoded = base64.b64encode(b"\x00\x01").decode()
    body = {**people, "content_type": "application/octet-stream", "body_base64": encoded}
    assert (await control.post("/messages", json=body)).status_code == 200
    assert plane.calls == [
        SubmitMessage(
            "sip:a@ims.test", "sip:b@ims.test", "text/plain;charset=UTF-8", "grüß dich".encode()
        ),
        SubmitMessage("sip:a@ims.test", "sip:b@ims.test", "application/octet-stream", b"\x00\x01"),
    ]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/messages", b"not json"),
        ("/messages", b"[]"),
        ("/messages", b'{"from":"a"}'),
        ("/messages", b'{"from":"a","to":"b","text":1}'),
        ("/messages", b'{"from":"a","to":"b","text":"\\ud800"}'),
        ("/messages", b'{"from":"a","to":"b","content_type":"a/b","body_base64":"*"}'),
        ("/messages", b'{"from":"a","to":"b","content_type":"a\\r\\nX: y","body_base64":"AA=="}'),
        ("/users/changed", b'{"aors":"a"}'),
        ("/users/changed", b'{"aors":[1]}'),
        ("/bindings/remove", b"{}"),
        ("/bindings/remove", b'{"aor":"a","contact":3}'),
        ("/users/changed", b"\xff"),
    ],
)
async def test_bad_bodies(
    control: httpx.AsyncClient, plane: Plane, route: str, body: bytes
) -> None:
    answer = await control.post(route, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert plane.calls == []


async def test_refusals_and_faults(control: httpx.AsyncClient, plane: Plane) -> None:
    plane.refuse = True
    answer = await control.post("/reload", json={})
    assert (answer.status_code, answer.json()) == (409, {"error": "not now"})
    answer = await control.get("/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_trace_stream(control: httpx.AsyncClient, hub: TraceHub) -> None:
    async with control.stream("GET", "/trace?bodies=1&contains=c1") as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.aiter_lines()
        assert json.loads(await anext(lines)) == {"trace": "started"}
        hub.wire("in", FLOW, b"OPTIONS sip:a SIP/2.0\r\nCall-ID: c2\r\n\r\n", 1.0)
        hub.wire("in", FLOW, b"OPTIONS sip:a SIP/2.0\r\nCall-ID: c1\r\n\r\nbody", 1.0)
        event = json.loads(await anext(lines))
        assert event["call_id"] == "c1"
        assert event["text"].endswith("body")
    await until(lambda: not hub.active)


async def test_too_many_traces(control: httpx.AsyncClient, hub: TraceHub) -> None:
    for _ in range(8):
        hub.subscribe()
    assert (await control.get("/trace")).status_code == 503


async def test_stop_ends_traces(plane: Plane, hub: TraceHub, tmp_path: Path) -> None:
    path = tmp_path / "imsnode.sock"
    server = HttpServer(make_control_app(plane, hub), unix_path=path)
    server.bind()
    await server.start()
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://imsnode") as client,
        client.stream("GET", "/trace") as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        async with asyncio.timeout(3):
            hub.close()
            await server.stop()
            assert [line async for line in lines] == []


async def test_socket_belongs_to_one_node_and_one_user(
    plane: Plane, hub: TraceHub, tmp_path: Path
) -> None:
    path = tmp_path / "imsnode.sock"
    app = make_control_app(plane, hub)
    first = HttpServer(app, unix_path=path, setting="control.socket")
    first.bind()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(BindError, match="another node is running"):
        HttpServer(app, unix_path=path, setting="control.socket").bind()
    await first.stop()
    assert not path.exists()


async def test_socket_of_a_dead_node_is_replaced(
    plane: Plane, hub: TraceHub, tmp_path: Path
) -> None:
    path = tmp_path / "imsnode.sock"
    app = make_control_app(plane, hub)
    dead = HttpServer(app, unix_path=path)
    dead.bind()
    assert dead._socket is not None
    dead._socket.close()
    assert path.exists()
    heir = HttpServer(app, unix_path=path)
    heir.bind()
    await dead.stop()
    assert path.exists(), "a predecessor must not remove its successor's socket"
    await heir.stop()


async def test_other_files_are_not_touched(plane: Plane, hub: TraceHub, tmp_path: Path) -> None:
    path = tmp_path / "imsnode.sock"
    path.write_text("mine")
    with pytest.raises(BindError):
        HttpServer(make_control_app(plane, hub), unix_path=path).bind()
    assert path.read_text() == "mine"
