"""Which peer takes what, and in which order peers are tried."""

from __future__ import annotations

from collections import Counter

import pytest

from imsnode.peers import Hop, Interconnect, Partner
from sip.uri import parse_uri


def partner(name: str, *hosts: str, **settings: object) -> Partner:
    hops = tuple(Hop("UDP", host, 5060) for host in hosts or ("192.0.2.1",))
    return Partner(name, hops, **settings)  # type: ignore[arg-type]


def joined(*partners: Partner) -> Interconnect:
    interconnect = Interconnect()
    interconnect.configure(partners)
    return interconnect


def names(interconnect: Interconnect, uri: str, now: float = 0.0, source: str = "") -> list[str]:
    found = interconnect.ways(parse_uri(uri.encode()), uri.encode(), now, source)
    return [way.partner.name for way in found]


@pytest.mark.parametrize(
    ("uri", "who"),
    [
        ("sip:+4930123@ims.test", ["berlin"]),
        ("sip:+49-89-123;ext=7@ims.test;user=phone", ["germany"]),
        ("tel:+49(30)123", ["berlin"]),
        ("tel:+1555", []),
        ("tel:30123;phone-context=+49", []),
        ("sip:bob@carrier.test", ["carrier"]),
        ("sip:bob@a.b.carrier.test", ["below"]),
        ("sip:+4930123@carrier.test", ["carrier"]),
        ("sip:bob@elsewhere.test", []),
        ("sip:+49301234567890123456@ims.test", []),
    ],
)
def test_the_longest_match_decides(uri: str, who: list[str]) -> None:
    interconnect = joined(
        partner("germany", numbers=["+49"]),
        partner("berlin", numbers=["+4930"]),
        partner("carrier", domains=["carrier.test"]),
        partner("below", domains=["*.carrier.test"]),
    )
    assert names(interconnect, uri) == who
    assert interconnect.takes(parse_uri(uri.encode())) == bool(who)


def test_a_number_goes_on_as_an_address_of_who_takes_it() -> None:
    interconnect = joined(partner("p", "2001:db8::1", numbers=["+49"]))
    uri = parse_uri(b"tel:+49-30-1")
    (way,) = interconnect.ways(uri, uri.raw, 0.0)
    assert way.uri == b"sip:+49301@[2001:db8::1];user=phone"
    named = partner("q", numbers=["+43"], domains=["*.q.test", "q.test"])
    uri = parse_uri(b"sip:+431@ims.test")
    (way,) = joined(named).ways(uri, uri.raw, 0.0)
    assert way.uri == b"sip:+431@q.test;user=phone"


def test_lower_priority_first_and_each_address_in_its_order() -> None:
    interconnect = joined(
        partner("second", "192.0.2.3", domains=["x.test"], priority=20),
        partner("first", "192.0.2.1", "192.0.2.2", domains=["x.test"], priority=5),
    )
    uri = parse_uri(b"sip:x.test")
    found = [way.hop.host for way in interconnect.ways(uri, uri.raw, 0.0)]
    assert found == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_equals_take_turns_by_weight() -> None:
    interconnect = joined(
        partner("a", domains=["x.test"], weight=3), partner("b", domains=["x.test"], weight=1)
    )
    first = Counter(names(interconnect, "sip:x.test")[0] for _ in range(40))
    assert first == {"a": 30, "b": 10}


def test_nothing_goes_back_to_where_it_came_from() -> None:
    interconnect = joined(partner("a", domains=["x.test"]), partner("b", domains=["x.test"]))
    assert names(interconnect, "sip:x.test", source="a") == ["b"]


def test_who_is_down_is_left_out_until_it_answers() -> None:
    one = partner("a", "192.0.2.1", "192.0.2.2", domains=["x.test"], ping_s=30.0)
    interconnect = joined(one)
    one.states[one.hops[0]].up = False
    assert names(interconnect, "sip:x.test") == ["a"]
    one.states[one.hops[1]].up = False
    assert names(interconnect, "sip:x.test") == []
    assert (one.stats.skipped, one.up) == (1, False)


def test_an_address_nobody_asks_rests_after_a_failure() -> None:
    one = partner("a", "192.0.2.1", "192.0.2.2", domains=["x.test"])
    interconnect = joined(one)
    uri = parse_uri(b"sip:x.test")
    interconnect.failed(next(interconnect.ways(uri, uri.raw, 0.0)), 0.0)
    found = [way.hop.host for way in interconnect.ways(uri, uri.raw, 1.0)]
    assert found == ["192.0.2.2", "192.0.2.1"]
    found = [way.hop.host for way in interconnect.ways(uri, uri.raw, 31.0)]
    assert found == ["192.0.2.1", "192.0.2.2"]


def test_where_every_address_rests_they_are_tried_all_the_same() -> None:
    """A recipient who is silent says nothing about the servers on the way."""
    one = partner("a", "192.0.2.1", "192.0.2.2", domains=["x.test"])
    interconnect = joined(one, partner("b", "192.0.2.3", domains=["x.test"], priority=20))
    uri = parse_uri(b"sip:x.test")
    for way in list(interconnect.ways(uri, uri.raw, 0.0))[:2]:
        interconnect.failed(way, 0.0)
    found = [way.hop.host for way in interconnect.ways(uri, uri.raw, 1.0)]
    assert found == ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
    assert one.stats.skipped == 0


def test_capacity_is_kept_and_the_next_one_asked() -> None:
    full = partner("full", domains=["x.test"], priority=1, concurrent=1)
    slow = partner("slow", domains=["x.test"], priority=2, rate=2.0)
    interconnect = joined(full, slow)
    full.waiting = 1
    assert [names(interconnect, "sip:x.test", now=0.0) for _ in range(3)] == [
        ["slow"],
        ["slow"],
        [],
    ]
    assert names(interconnect, "sip:x.test", now=0.5) == ["slow"]
    assert (full.stats.throttled, slow.stats.throttled) == (4, 1)


def test_settings_change_without_forgetting_how_a_peer_does() -> None:
    one = partner("a", "192.0.2.1", domains=["x.test"], ping_s=30.0)
    interconnect = joined(one)
    one.states[one.hops[0]].up = False
    one.stats.requests = 7
    again = partner("a", "192.0.2.1", "192.0.2.9", domains=["y.test"], ping_s=30.0)
    interconnect.configure([again])
    assert again.stats.requests == 7
    uri = parse_uri(b"sip:y.test")
    assert [way.hop.host for way in interconnect.ways(uri, uri.raw, 0.0)] == ["192.0.2.9"]
