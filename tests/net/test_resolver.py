"""Names looked up at a real name server, and at one that says nothing."""

from __future__ import annotations

import asyncio

import pytest

from imsnode.resolver import Resolver
from tests.support.names import NameServer

RECORDS = {
    ("both.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("both.test", "AAAA"): ["2001:db8::1"],
    ("_msrps._tcp.relays.test", "SRV"): [
        "20 0 2856 spare.test.",
        "10 1 9000 one.relays.test.",
    ],
    ("_msrps._tcp.closed.test", "SRV"): ["0 0 0 ."],
}


async def test_addresses_and_services() -> None:
    with NameServer(RECORDS) as server:
        resolver = Resolver([server.address])
        found = await resolver.addresses("both.test")
        assert found[0] == "2001:db8::1"
        assert sorted(found[1:]) == ["192.0.2.1", "192.0.2.2"]
        assert await resolver.services("_msrps._tcp", "relays.test") == [
            ("one.relays.test", 9000),
            ("spare.test", 2856),
        ]
        assert await resolver.services("_msrps._tcp", "closed.test") == []
        assert await resolver.services("_msrps._tcp", "both.test") == []
        with pytest.raises(OSError, match="name not found"):
            await resolver.addresses("nobody.test")


async def test_a_silent_server_stops_nobody_else() -> None:
    """Many ask it at once; who asks another is served meanwhile, and all of them are told in time."""
    with NameServer(silent=True) as silent, NameServer(RECORDS) as server:
        lost = Resolver([silent.address], lifetime_s=0.3)
        waiting = [asyncio.ensure_future(lost.addresses(f"n{number}.test")) for number in range(30)]
        await asyncio.sleep(0)
        assert len(await Resolver([server.address]).addresses("both.test")) == 3
        assert await lost.addresses("localhost")
        assert not any(each.done() for each in waiting)
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, OSError)
