# SPDX-License-Identifier: Apache-2.0
"""Kinds of values that settings have, and how each is written.

Every parser takes what TOML or the environment gave and raises ValueError with a sentence that
says what is expected, so that the message can stand in front of an operator as it is.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = [
    "Algorithm",
    "Asks",
    "DomainName",
    "DomainPattern",
    "EventName",
    "FileName",
    "HostName",
    "HostPort",
    "HttpAddress",
    "ListenAddress",
    "Listener",
    "MediaType",
    "Network",
    "NextHop",
    "Octets",
    "OptionalAddress",
    "OptionalName",
    "OptionalPath",
    "Origin",
    "PeerAddress",
    "PeerName",
    "Retention",
    "RuleName",
    "RuleOption",
    "Seconds",
    "Unit",
    "duration_text",
    "parse_domain",
    "parse_domain_pattern",
    "parse_duration",
    "parse_event_name",
    "parse_host",
    "parse_hostport",
    "parse_listener",
    "parse_media_type",
    "parse_network",
    "parse_next_hop",
    "parse_optional_hostport",
    "parse_optional_name",
    "parse_optional_path",
    "parse_origin",
    "parse_path",
    "parse_peer_address",
    "parse_peer_name",
    "parse_retention",
    "parse_rule_option",
    "parse_size",
    "size_text",
]

Algorithm = Literal["MD5", "SHA-256", "SHA-512-256"]
Asks = Literal["none", "ask", "require"]

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_RETENTION_S = (3600.0, 3660 * 86400.0)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/(?:\*|[a-z0-9!#$&^_.+-]{1,127})", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.ASCII)
_EVENT_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_SCHEMES = ("udp", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks a type with the unit its value has in Python, for the reference and `explain`."""

    name: str


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on or to connect to; `host` is a literal address or a name, IPv6
    without brackets; `port` 0 lets the system choose when listening."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listener:
    """One SIP listener or next hop; `transport` is "UDP", "TCP" or "TLS"."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport.lower()}:{HostPort(self.host, self.port)}"


def parse_duration(value: object) -> float:
    """Read seconds from a number, or from text like "500ms", "4s", "5m", "2h", "30d"."""
    expected = 'give seconds as a number, or text such as "500ms", "4s", "5m", "2h", "30d"'
    if isinstance(value, bool):
        raise ValueError(f"is not a duration: {expected}")
    if isinstance(value, int | float):
        return float(value)
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([a-z]{0,2})", str(value), re.ASCII)
    factor = _DURATION_UNITS.get(match.group(2) or "s") if match else None
    if match is None or factor is None:
        raise ValueError(f"is not a duration: {expected}")
    return float(match.group(1)) * factor


def parse_retention(value: object) -> str:
    """Read "none", "until-displayed", or how long something is kept, at least an hour."""
    if value in ("none", "until-displayed"):
        return str(value)
    expected = 'give "none", "until-displayed", or a time of at least an hour, such as "30d"'
    try:
        seconds = parse_duration(value)
    except ValueError:
        raise ValueError(f"is no retention: {expected}") from None
    if not _RETENTION_S[0] <= seconds <= _RETENTION_S[1]:
        raise ValueError(f"is no retention: {expected}")
    return duration_text(seconds)


def parse_size(value: object) -> int:
    """Read octets from a whole number, or from text like "64KiB", "16MiB"."""
    expected = 'give octets as a whole number, or text such as "64KiB", "16MiB"'
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]{0,3})", str(value), re.ASCII)
    factor = _SIZE_UNITS.get(match.group(2)) if match else None
    if match is None or factor is None or isinstance(value, float | bool):
        raise ValueError(f"is not a size: {expected}")
    return int(match.group(1)) * factor


def duration_text(seconds: float) -> str:
    """Write seconds the shortest way `parse_duration` reads: "30d", "5m", "500ms"."""
    for unit in ("d", "h", "m"):
        factor = _DURATION_UNITS[unit]
        if seconds and seconds % factor == 0:
            return f"{int(seconds // factor)}{unit}"
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds:.12g}s"


def size_text(octets: int) -> str:
    """Write octets the shortest way `parse_size` reads: "64KiB", "1300"."""
    for unit in ("GiB", "MiB", "KiB"):
        factor = _SIZE_UNITS[unit]
        if octets and octets % factor == 0:
            return f"{octets // factor}{unit}"
    return str(octets)


def parse_hostport(value: object) -> HostPort:
    """Read "host:port" or "[IPv6]:port"."""
    if isinstance(value, HostPort):
        return value
    expected = 'write it as "127.0.0.1:8080", "[::1]:8080" or "name:8080"'
    host, colon, port = str(value).rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError(f"is not an address with a port from 0 to 65535: {expected}")
    return HostPort(_host(host, expected), int(port))


def parse_optional_hostport(value: object) -> HostPort | None:
    """Read an address with a port; empty text stands for none."""
    return None if value is None or value == "" else parse_hostport(value)


def parse_origin(value: object) -> str:
    """Read the origin of web pages (RFC 6454 6.2), or "*"; folded to lower case."""
    text = str(value).lower()
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(
            'is not an origin: write scheme and host as in "https://phone.example.com", with the '
            "port unless it is the usual one"
        )
    return text


def parse_listener(value: object) -> Listener:
    """Read "udp:host:port", "tcp:host:port" or "tls:[IPv6]:port"."""
    if isinstance(value, Listener):
        return value
    expected = 'write it as "udp:127.0.0.1:5060", "tcp:[::1]:5060" or "tls:0.0.0.0:5061"'
    scheme, _, rest = str(value).partition(":")
    if scheme not in _SCHEMES:
        raise ValueError(f"does not start with a transport (udp, tcp, tls): {expected}")
    try:
        address = parse_hostport(rest)
    except ValueError:
        raise ValueError(f"has no usable address and port: {expected}") from None
    return Listener(scheme.upper(), address.host, address.port)


def parse_next_hop(value: object) -> Listener:
    """Read where requests are sent: as a listener, but the port cannot be 0."""
    hop = parse_listener(value)
    if hop.port == 0:
        raise ValueError('has port 0: name the port, for instance "udp:10.0.0.2:5060"')
    return hop


def parse_domain(value: object) -> str:
    """Read a domain: a host name or a literal address, folded to lower case."""
    text = str(value)
    if not text.isascii():
        raise ValueError("is not ASCII: write internationalised names in their xn-- form")
    text = text.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError('is not a domain: write a name such as "ims.example.org"')
    return text


def parse_domain_pattern(value: object) -> str:
    """Read a domain, or "*" for every domain."""
    return "*" if value == "*" else parse_domain(value)


def parse_peer_name(value: object) -> str:
    """Read a name that is safe in logs and metrics."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", str(value), re.ASCII):
        raise ValueError("is not a name: use up to 64 letters, digits, dots, dashes, underscores")
    return str(value)


def parse_optional_name(value: object) -> str:
    """Read a name as `parse_peer_name` does, or nothing."""
    return "" if value == "" else parse_peer_name(value)


def parse_media_type(value: object) -> str:
    """Read a media type, or all subtypes of one as "image/*"; folded to lower case."""
    text = str(value).lower()
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError('is not a media type: write one such as "text/plain" or "image/*"')
    return text


def parse_event_name(value: object) -> str:
    """Read the name of an event package (RFC 6665 8.2.1); folded to lower case."""
    text = str(value).lower()
    if not _EVENT_NAME.fullmatch(text):
        raise ValueError('is not an event package: write one such as "conference"')
    return text


def parse_rule_option(value: object) -> str:
    """Read NAME=VALUE."""
    name, equals, _ = str(value).partition("=")
    if not name or not equals:
        raise ValueError("is not of the form NAME=VALUE")
    return str(value)


def parse_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Read one address or a network in CIDR form."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        return ipaddress.ip_network(str(value), strict=True)
    except ValueError as error:
        raise ValueError(
            f'is not an address or a network ({error}): write "192.0.2.7" or "192.0.2.0/24"'
        ) from None


def parse_peer_address(value: object) -> str:
    """Read "10.0.0.1", "10.0.0.0/8", "10.0.0.1:5060" or "[2001:db8::1]:5060"."""
    text = str(value)
    try:
        return str(ipaddress.ip_network(text, strict=True)).removesuffix("/32").removesuffix("/128")
    except ValueError:
        pass
    try:
        address = parse_hostport(text)
        ipaddress.ip_address(address.host)
    except ValueError:
        raise ValueError(
            "is not an address, an address with a port, or a network: "
            'write "192.0.2.7", "192.0.2.7:5060", "[2001:db8::7]:5060" or "192.0.2.0/24"'
        ) from None
    return str(address)


def parse_host(value: object) -> str:
    """Read a host name or a literal address; IPv6 with or without brackets."""
    try:
        return parse_domain(value)
    except ValueError:
        raise ValueError(
            'is not a host: write a name such as "sip.example.org" or an address'
        ) from None


def parse_path(value: object) -> Path:
    """Read a path."""
    if str(value) == "":
        raise ValueError("is empty: write the name of a file")
    return Path(str(value))


def parse_optional_path(value: object) -> Path | None:
    """Read a path; empty text stands for none."""
    if value is None or str(value) == "":
        return None
    return Path(str(value))


def _host(text: str, expected: str) -> str:
    """Check a host that stands before a port and take an IPv6 address out of its brackets."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError(f"has a bad IPv6 address in its brackets: {expected}") from None
    if not text or ":" in text:
        raise ValueError(f"has no usable host: {expected}")
    try:
        return parse_domain(text)
    except ValueError:
        raise ValueError(f"has no usable host: {expected}") from None


def _text(value: object) -> str:
    return str(value)


def _optional_text(value: object) -> str:
    return "" if value is None else str(value)


Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    Unit("seconds"),
    WithJsonSchema({"type": "duration"}),
]
Retention = Annotated[
    str,
    BeforeValidator(parse_retention),
    WithJsonSchema({"type": '"none" | "until-displayed" | duration'}),
]
Octets = Annotated[
    int, BeforeValidator(parse_size), Unit("octets"), WithJsonSchema({"type": "size"})
]
DomainName = Annotated[str, BeforeValidator(parse_domain), WithJsonSchema({"type": "domain"})]
DomainPattern = Annotated[
    str, BeforeValidator(parse_domain_pattern), WithJsonSchema({"type": 'domain | "*"'})
]
ListenAddress = Annotated[
    Listener,
    BeforeValidator(parse_listener),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "transport:host:port"}),
]
NextHop = Annotated[
    Listener,
    BeforeValidator(parse_next_hop),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "transport:host:port"}),
]
HttpAddress = Annotated[
    HostPort,
    BeforeValidator(parse_hostport),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "host:port"}),
]
OptionalAddress = Annotated[
    HostPort | None,
    BeforeValidator(parse_optional_hostport),
    PlainSerializer(_optional_text, return_type=str),
    WithJsonSchema({"type": "host:port"}),
]
Origin = Annotated[str, BeforeValidator(parse_origin), WithJsonSchema({"type": "origin"})]
Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    BeforeValidator(parse_network),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "network"}),
]
PeerAddress = Annotated[
    str, BeforeValidator(parse_peer_address), WithJsonSchema({"type": "address"})
]
HostName = Annotated[str, BeforeValidator(parse_host), WithJsonSchema({"type": "host"})]
EventName = Annotated[str, BeforeValidator(parse_event_name), WithJsonSchema({"type": "event"})]
MediaType = Annotated[str, BeforeValidator(parse_media_type), WithJsonSchema({"type": "type"})]
RuleName = Annotated[str, BeforeValidator(parse_peer_name), WithJsonSchema({"type": "name"})]
RuleOption = Annotated[
    str, BeforeValidator(parse_rule_option), WithJsonSchema({"type": "NAME=VALUE"})
]
FileName = Annotated[Path, BeforeValidator(parse_path), WithJsonSchema({"type": "path"})]
OptionalName = Annotated[
    str, BeforeValidator(parse_optional_name), WithJsonSchema({"type": "name"})
]
PeerName = Annotated[str, BeforeValidator(parse_peer_name), WithJsonSchema({"type": "name"})]
OptionalPath = Annotated[
    Path | None, BeforeValidator(parse_optional_path), WithJsonSchema({"type": "path"})
]
