"""The message centre of another maker (smpp34, a codec and server in Rust) beside the node."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode

smpp34 = pytest.importorskip("smpp34")

BOB, FAR = "+4989100", "+4917099"


@pytest.mark.peer("smpp34")
async def test_texts_and_receipts_both_ways(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = smpp34.Server("127.0.0.1", port)
    await server.start()
    node = RunningNode(
        tmp_path / "node",
        users=("alice", BOB),
        extra=f'[[smsc]]\nname = "rust"\naddress = "127.0.0.1:{port}"\nsystem_id = "node"\n'
        'long = "payload"\n',
    )
    try:
        await asyncio.to_thread(node.start)
        async with asyncio.timeout(20):
            esme = await server.next()
            assert (esme.system_id, esme.can_receive) == ("node", True)
            address = ("127.0.0.1", node.ports["udp"])
            with Phone(address, "alice") as alice, Phone(address, BOB) as bob:
                await _out(server, esme, alice)
                await _in(esme, bob)
    finally:
        await asyncio.to_thread(node.stop)
        await server.stop()


async def _out(server: smpp34.Server, esme: smpp34.Esme, alice: Phone) -> None:
    text = "ñandù €" * 40
    sent = await asyncio.to_thread(alice.message, f"sip:{FAR}@ims.test", text.encode())
    assert sent.status == 202
    submitted = await server.next()
    submitted.accept("4711")
    assert (submitted.destination_addr, submitted.source_addr) == (FAR[1:], "alice")
    payload = {tlv.tag: tlv.value for tlv in submitted.tlvs}[smpp34.TLV_MESSAGE_PAYLOAD]
    assert len(payload) == 40 * 8  # the sign for the euro takes two septets
    receipt = await esme.deliver_sm(
        "alice", b"id:4711 stat:DELIVRD", source_addr=FAR[1:], esm_class=4
    )
    assert receipt.is_success


async def _in(esme: smpp34.Esme, bob: Phone) -> None:
    assert (await asyncio.to_thread(bob.register)).status == 200
    delivering = asyncio.ensure_future(
        esme.deliver_sm(
            BOB[1:], "Ünïcode".encode("utf-16-be"), source_addr=FAR[1:], data_coding=8,
            source_addr_ton=1, dest_addr_ton=1,
        )
    )  # fmt: skip
    got = await asyncio.to_thread(bob.receive)
    assert got is not None
    assert got.body.decode() == "Ünïcode"
    bob.respond(got, 200)
    assert (await delivering).is_success
