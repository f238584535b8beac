# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sip.aio import BindError, Bound
from sip.aio.connections import Bans
from sip.aio.listener import can_be_target, literal, local_address, open_socket
from sip.sources import source_of


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (Bound("UDP", "127.0.0.1", 5060), "udp:127.0.0.1:5060"),
        (Bound("TLS", "::1", 5061), "tls:[::1]:5061"),
    ],
)
def test_bound_reads_like_the_setting(bound: Bound, text: str) -> None:
    assert str(bound) == text


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("localhost", "127.0.0.1"),
        ("example.org", None),
        ("127.1", None),
        ("127.0.0.1 ", None),
        ("", None),
    ],
)
def test_literal(host: str, address: str | None) -> None:
    assert literal(host) == address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_nobody_is_there(host: str) -> None:
    assert not can_be_target(host)


def test_one_address_can_be_a_target() -> None:
    assert can_be_target("127.0.0.1")
    assert can_be_target("2001:db8::1")


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("example.org", 5060, "the address must be an IP address"),
        ("127.0.0.1", 70000, "the port must be 0..65535"),
        ("192.0.2.77", 5060, "cannot assign requested address"),
    ],
)
def test_errors_name_address_and_setting(host: str, port: int, reason: str) -> None:
    with pytest.raises(BindError) as caught:
        open_socket("UDP", host, port, "listen")
    assert caught.value.reason == reason
    assert caught.value.address == f"udp:{host}:{port}"
    assert str(caught.value) == f"cannot open udp:{host}:{port} (setting listen): {reason}"


def test_wildcard_becomes_the_address_on_the_way_to_the_peer() -> None:
    assert local_address(Bound("TCP", "0.0.0.0", 5060), "127.0.0.1") == ("127.0.0.1", 5060)
    assert local_address(Bound("TCP", "10.0.0.1", 5060), "127.0.0.1") == ("10.0.0.1", 5060)


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_source(host: str, source: str) -> None:
    assert source_of(host) == source


def test_bans_end_and_are_bounded() -> None:
    bans = Bans()
    assert not bans
    bans.add("10.0.0.1", 100.0)
    assert bans.active("10.0.0.1", 99.0)
    assert not bans.active("10.0.0.1", 100.0)
    assert not bans
    for i in range(5000):
        bans.add(f"s{i}", 200.0)
    assert len(bans) == 4096
    assert not bans.active("s0", 100.0)
    assert bans.active("s4999", 100.0)
