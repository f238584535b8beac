from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsnode.config.types import (
    HostPort,
    Listener,
    duration_text,
    parse_domain,
    parse_duration,
    parse_hostport,
    parse_listener,
    parse_network,
    parse_next_hop,
    parse_optional_path,
    parse_peer_address,
    parse_peer_name,
    parse_size,
    size_text,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (4, 4.0),
        (0.5, 0.5),
        ("4", 4.0),
        ("4s", 4.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("30d", 2592000.0),
        ("1.5 h", 5400.0),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["", "s", "-1s", "1y", "1 2s", "٣s", "1e3", True, None, [1]])
def test_bad_durations_say_what_is_expected(written: object) -> None:
    with pytest.raises(ValueError, match='^is not a duration: give .*"30d"$'):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "octets"),
    [(1300, 1300), ("1300", 1300), ("64KiB", 65536), ("2 MiB", 2097152), ("1GiB", 1073741824)],
)
def test_sizes(written: object, octets: int) -> None:
    assert parse_size(written) == octets


@pytest.mark.parametrize("written", ["", "KiB", "1.5KiB", "1kb", -1.0, 1.5, True, "²KiB", "+1"])
def test_bad_sizes(written: object) -> None:
    with pytest.raises(ValueError, match="^is not a size: give "):
        parse_size(written)


@given(st.integers(0, 10**9))
def test_sizes_survive_being_written(octets: int) -> None:
    assert parse_size(size_text(octets)) == octets


@given(st.integers(0, 10**8).map(lambda n: n / 1000))
def test_durations_survive_being_written(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds)


def test_addresses_and_how_they_are_written() -> None:
    assert parse_hostport("127.0.0.1:8080") == HostPort("127.0.0.1", 8080)
    assert parse_hostport("[::1]:0") == HostPort("::1", 0)
    assert str(parse_hostport("[0:0::1]:80")) == "[::1]:80"
    assert parse_hostport("Node.Example:80").host == "node.example"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "8080",
        "host",
        ":80",
        "host:",
        "host:65536",
        "host:٣",
        "::1:80",
        "[::g]:1",
        "a b:1",
        "x:-1",
    ],
)
def test_bad_addresses(written: str) -> None:
    with pytest.raises(ValueError, match=": write it as "):
        parse_hostport(written)


def test_listeners_and_how_they_are_written() -> None:
    assert parse_listener("udp:127.0.0.1:5060") == Listener("UDP", "127.0.0.1", 5060)
    assert str(parse_listener("tls:[::1]:5061")) == "tls:[::1]:5061"
    known = Listener("TCP", "127.0.0.1", 0)
    assert parse_listener(known) is known


@pytest.mark.parametrize(
    "written", ["", "UDP:127.0.0.1:1", "ws:127.0.0.1:1", "udp", "udp:127.0.0.1"]
)
def test_bad_listeners(written: str) -> None:
    with pytest.raises(ValueError, match=r'write it as "udp:127\.0\.0\.1:5060"'):
        parse_listener(written)


def test_a_next_hop_needs_its_port() -> None:
    assert parse_next_hop("udp:10.0.0.2:5060").port == 5060
    with pytest.raises(ValueError, match="has port 0"):
        parse_next_hop("udp:10.0.0.2:0")


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("IMS.Test", "ims.test"),
        ("ims.test.", "ims.test"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_domains(written: str, domain: str) -> None:
    assert parse_domain(written) == domain


@pytest.mark.parametrize(
    "written",
    ["", ".", "a..b", "-a.b", "a-.b", "bücher.example", "a b", "a/b", "a@b", "x" * 64, "\u212a"],
)
def test_bad_domains(written: str) -> None:
    with pytest.raises(ValueError, match="^is not "):
        parse_domain(written)


def test_networks() -> None:
    assert str(parse_network("192.0.2.7")) == "192.0.2.7/32"
    network = parse_network("10.0.0.0/8")
    assert parse_network(network) is network
    with pytest.raises(ValueError, match="is not an address or a network"):
        parse_network("10.0.0.1/8")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1:5060", "10.0.0.1:5060"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
    ],
)
def test_peer_addresses(written: str, address: str) -> None:
    assert parse_peer_address(written) == address


@pytest.mark.parametrize(
    "written", ["", "peer.example", "peer.example:5060", "10.0.0.1/8", "10.0.0.1:x"]
)
def test_peers_are_known_by_address_only(written: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_peer_address(written)


def test_peer_names() -> None:
    assert parse_peer_name("core-1.west") == "core-1.west"
    for bad in ("", "-a", "a b", "a\n", "x" * 65):
        with pytest.raises(ValueError, match="is not a name"):
            parse_peer_name(bad)


def test_an_empty_path_is_none() -> None:
    assert parse_optional_path("") is None
    assert parse_optional_path(None) is None
    assert str(parse_optional_path("a/b")) == "a/b"
