# SPDX-License-Identifier: Apache-2.0
"""RFC 3263 on a zone in a dictionary, with chance that is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from sip.locating import Answer, Naptr, NotLocated, Question, Server, Srv, in_order, locate

ALL = ("TLS", "TCP", "UDP")
OFFERS = [
    Naptr(20, 10, "s", "SIP+D2U", "udp.test"),
    Naptr(10, 20, "S", "sip+d2t", "tcp.test"),
    Naptr(10, 10, "s", "SIPS+D2T", "tls.test"),
    Naptr(5, 10, "u", "E2U+sip", ""),
]
ZONE: dict[tuple[str, str], Answer] = {
    ("naptr.test", "NAPTR"): OFFERS,
    ("udp.test", "SRV"): [Srv(0, 0, 5060, "one.test")],
    ("tcp.test", "SRV"): [Srv(0, 0, 5062, "one.test")],
    ("tls.test", "SRV"): [Srv(20, 0, 5063, "two.test"), Srv(10, 0, 5061, "one.test")],
    ("_sip._udp.srv.test", "SRV"): [Srv(0, 0, 5070, "two.test")],
    ("_sip._tcp.srv.test", "SRV"): [Srv(0, 0, 5071, "192.0.2.9")],
    ("_sip._udp.shut.test", "SRV"): [Srv(0, 0, 0, "")],
    ("shut.test", "A"): ["192.0.2.66"],
    ("foreign.test", "NAPTR"): [Naptr(1, 1, "s", "SIPS+D2T", "tls.test")],
    ("one.test", "A"): ["192.0.2.1"],
    ("one.test", "AAAA"): ["2001:db8::1"],
    ("two.test", "A"): ["192.0.2.2", "192.0.2.3"],
}


def found(
    host: str,
    port: int | None = None,
    transport: str | None = None,
    *,
    secure: bool = False,
    usable: Sequence[str] = ALL,
    zone: Mapping[tuple[str, str], Answer] = ZONE,
    below: Callable[[int], int] = lambda most: 0,
) -> list[Server]:
    """Run a search to its end, answering from a zone."""
    steps = locate(host, port, transport, secure, usable, below)
    asked: list[Question] = []
    try:
        questions = next(steps)
        while True:
            asked += questions
            questions = steps.send([zone.get(question, ()) for question in questions])
    except StopIteration as end:
        assert len(set(asked)) == len(asked)
        servers: list[Server] = end.value
        return servers


@pytest.mark.parametrize(
    ("host", "port", "transport", "secure", "servers"),
    [
        # 4.2: an address needs no question; 4.1: UDP unless something says otherwise.
        ("192.0.2.7", None, None, False, [("UDP", "192.0.2.7", 5060)]),
        ("192.0.2.7", None, None, True, [("TLS", "192.0.2.7", 5061)]),
        ("2001:db8::7", 5080, "TCP", False, [("TCP", "2001:db8::7", 5080)]),
        # A port that is named: addresses alone.
        ("one.test", 5080, None, False, [("UDP", "2001:db8::1", 5080), ("UDP", "192.0.2.1", 5080)]),
        # A transport that is named: its service, and without one the address.
        ("srv.test", None, "TCP", False, [("TCP", "192.0.2.9", 5071)]),
        ("one.test", None, "TCP", False, [("TCP", "2001:db8::1", 5060), ("TCP", "192.0.2.1", 5060)]),
        # The domain's own choice, by order and preference; its servers by priority.
        (
            "naptr.test", None, None, False,
            [("TLS", "2001:db8::1", 5061), ("TLS", "192.0.2.1", 5061), ("TLS", "192.0.2.2", 5063),
             ("TLS", "192.0.2.3", 5063)],
        ),
        # Without NAPTR the service we like best.
        ("srv.test", None, None, False, [("TCP", "192.0.2.9", 5071)]),
        ("one.test", None, None, False, [("UDP", "2001:db8::1", 5060), ("UDP", "192.0.2.1", 5060)]),
        ("one.test", None, None, True, [("TLS", "2001:db8::1", 5061), ("TLS", "192.0.2.1", 5061)]),
    ],
)  # fmt: skip
def test_where_requests_go(
    host: str, port: int | None, transport: str | None, secure: bool,
    servers: list[tuple[str, str, int]],
) -> None:  # fmt: skip
    assert found(host, port, transport, secure=secure) == servers


def test_what_we_cannot_speak_is_passed_over() -> None:
    assert found("naptr.test", usable=("TCP", "UDP"))[0] == ("TCP", "2001:db8::1", 5062)
    assert found("naptr.test", usable=("UDP",))[0] == ("UDP", "2001:db8::1", 5060)


@pytest.mark.parametrize(
    ("host", "secure", "usable"),
    [
        ("nobody.test", False, ALL),
        ("shut.test", False, ("UDP",)),  # the service is decidedly not there, whatever the A says
        ("foreign.test", False, ("UDP",)),  # offers what we have not
        ("srv.test", True, ("TCP", "UDP")),
        ("192.0.2.7", True, ("TCP", "UDP")),
    ],
)
def test_who_is_nowhere(host: str, secure: bool, usable: Sequence[str]) -> None:
    with pytest.raises(NotLocated) as caught:
        found(host, secure=secure, usable=usable)
    assert not caught.value.silent


def test_sips_takes_nothing_but_tls() -> None:
    zone = {**ZONE, ("mixed.test", "NAPTR"): OFFERS[:2], ("_sips._tcp.mixed.test", "SRV"): ()}
    with pytest.raises(NotLocated):
        found("mixed.test", secure=True, zone=zone)


def test_silence_is_told_apart_unless_something_was_found() -> None:
    silent = dict.fromkeys([("lost.test", "NAPTR"), ("lost.test", "A")])
    with pytest.raises(NotLocated) as caught:
        found("lost.test", zone=silent)
    assert caught.value.silent
    half = {**silent, ("lost.test", "AAAA"): ["2001:db8::5"]}
    assert found("lost.test", zone=half) == [("UDP", "2001:db8::5", 5060)]


def test_a_domain_cannot_make_us_work_for_ever() -> None:
    many = [Srv(0, 0, 5060, f"h{number}.test") for number in range(500)]
    zone: dict[tuple[str, str], Answer] = {("_sip._udp.many.test", "SRV"): many}
    zone |= {(each.target, "A"): [f"192.0.2.{n}" for n in range(200)] for each in many}
    assert len(found("many.test", zone=zone)) == 32


def test_weights_are_shares() -> None:
    records = [
        Srv(1, 0, 1, "zero"),
        Srv(1, 10, 1, "ten"),
        Srv(1, 30, 1, "thirty"),
        Srv(0, 0, 1, "a"),
    ]
    first = [in_order(records, lambda most, draw=draw: draw % most)[1].target for draw in range(41)]
    assert (first.count("zero"), first.count("ten"), first.count("thirty")) == (1, 10, 30)
    assert in_order(records, lambda most: 0)[0].target == "a"


def test_addresses_of_a_name_share_the_load() -> None:
    first = {
        found("two.test", usable=("UDP",), below=lambda most, at=at: at % most)[0].address
        for at in (0, 1)
    }
    assert first == {"192.0.2.2", "192.0.2.3"}
