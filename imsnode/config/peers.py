# SPDX-License-Identifier: Apache-2.0
"""Settings of other servers: who hands requests in, and who takes those for elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from .errors import Problem
from .problems import toml_value
from .table import HOUR, Table, live
from .types import (
    DomainName,
    HostName,
    Listener,
    NextHop,
    PeerAddress,
    PeerName,
    Seconds,
    parse_domain,
    parse_next_hop,
)

__all__ = ["NumberRange", "Peer", "Route", "parse_domain_range", "parse_number_range", "unfinished"]

_NUMBER = re.compile(r"\+[0-9]{1,15}")


def parse_number_range(value: object) -> str:
    """Read the first digits of numbers, as "+49" or "+49 30", or "+" for all."""
    text = re.sub(r"[-.() ]", "", str(value))
    if text != "+" and not _NUMBER.fullmatch(text):
        raise ValueError('is not the beginning of global numbers: write "+49" or "+4930"')
    return text


def parse_domain_range(value: object) -> str:
    """Read a domain, or all below one as "*.example.org"."""
    text = str(value)
    wild = text.startswith("*.")
    try:
        return ("*." if wild else "") + parse_domain(text[2:] if wild else text)
    except ValueError:
        raise ValueError('is not a domain: write "example.org" or "*.example.org"') from None


def parse_header_change(value: object) -> str:
    """Read one change of headers; see `imsnode.peers.headerrules`."""
    from imsnode.peers.headerrules import parse_header_rule

    parse_header_rule(str(value))
    return str(value)


def _each(value: object) -> object:
    """Let one entry stand for a list of one."""
    return (value,) if isinstance(value, str | Listener) else value


def _hop_text(hop: Listener) -> str:
    return str(hop)


Addresses = Annotated[tuple[PeerAddress, ...], BeforeValidator(_each)]
Target = Annotated[
    Listener,
    BeforeValidator(parse_next_hop),
    PlainSerializer(_hop_text, return_type=str),
    WithJsonSchema({"type": "transport:host:port"}),
]
NumberRange = Annotated[
    str, BeforeValidator(parse_number_range), WithJsonSchema({"type": "number"})
]
DomainRange = Annotated[
    str, BeforeValidator(parse_domain_range), WithJsonSchema({"type": "domain"})
]


HeaderChange = Annotated[
    str, BeforeValidator(parse_header_change), WithJsonSchema({"type": "change"})
]


class Peer(Table):
    """Another server: hands requests in, takes those for its domains and numbers, or both."""

    name: PeerName = live(..., "Name in logs, metrics and the ledger.")
    address: Addresses = live(
        (),
        "Where its requests come from: an address, an address with a port, a network, or a list "
        "of these. Without it the addresses of its targets.",
    )
    transport: Literal["any", "udp", "tcp", "tls"] = live(
        "any",
        "Transport its requests must come over. any: over TLS all the same when tls_name is set "
        "and all its targets are reached by TLS.",
    )
    trust: Literal["asserted", "none"] = live(
        "none",
        "asserted: its requests need no digest, and the sender is who P-Asserted-Identity or else "
        "From says; none: it is treated like any client, except that its rate is not limited.",
    )
    relay: bool = live(
        False, "Whether it may address domains and numbers that lead to other peers."
    )
    role: Literal["any", "s-cscf", "as"] = live(
        "any",
        'What it is in an IMS, with trust = "asserted". s-cscf: this node is its application '
        "server; its REGISTERs tell who is registered there, and its requests go back to it. as: "
        "an application server that filter criteria may name.",
    )
    targets: tuple[Target, ...] = live(
        (),
        "Where requests for it go, each as transport:host:port, in the order in which they are "
        "tried.",
    )
    tls_name: HostName | None = live(
        None,
        "Domain that its certificate must name: when it is dialled (without this the host of the "
        "target), and when it connects over TLS and listeners ask for certificates. Without "
        "addresses, and with targets that are names, the certificate alone tells who it is.",
    )
    domains: tuple[DomainRange, ...] = live(
        (), 'Domains it takes; "*.example.org" are all below one. The longest match decides.'
    )
    numbers: tuple[NumberRange, ...] = live(
        (), "First digits of the numbers it takes, with + and country. The longest match decides."
    )
    priority: int = live(
        10, "Among peers for the same range the lowest is tried first.", ge=0, le=1000
    )
    weight: int = live(
        10, "Share of the requests among peers of the same range and priority.", ge=1, le=1000
    )
    rate: float = live(
        0.0, "Requests a second that are sent there; 0: no limit.", ge=0, le=1_000_000
    )
    concurrent: int = live(
        0, "Requests there that may wait for an answer at a time; 0: no limit.", ge=0, le=1_000_000
    )
    hide: bool = live(
        False,
        "Whether it is kept from what is behind this node: other Via values, routes, contacts and "
        "Call-IDs.",
    )
    headers: tuple[HeaderChange, ...] = live(
        (),
        'Changes of headers at the border, in order: "out remove NAME", "out add NAME: VALUE", '
        '"in set NAME: VALUE", "out domain NAME FROM TO", "in prefix NAME FROM TO"; Request-URI '
        "stands for itself.",
    )
    ping: Seconds = live(
        30.0,
        "How often a target is asked with OPTIONS whether it is there; one that is not is left "
        "out until it answers. 0: never.",
        ge=0,
        le=HOUR,
    )


def unfinished(peer: Peer) -> Iterator[Problem]:
    """Find what a peer lacks to be of any use; keys are those of its table."""
    proves = peer.transport == "tls" and peer.tls_name is not None
    if not (peer.address or peer.targets or proves):
        yield Problem("address", "", "is not set, and neither are targets", "set one of them")
    if peer.targets:
        return
    for key, ranges in (("domains", peer.domains), ("numbers", peer.numbers)):
        if ranges:
            value = toml_value(ranges)
            yield Problem(key, value, "leads nowhere", 'add targets = ["udp:HOST:PORT"]')


class Route(Table):
    """Where requests for another domain go: a peer with one target, in short."""

    domain: DomainName = live(..., "The other domain.")
    next_hop: NextHop = live(..., "Transport, host and port of the server that takes them.")
