# SPDX-License-Identifier: Apache-2.0
"""The header fields of RFC 6665 and RFC 6446: Event, Accept, Expires, Subscription-State."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip.bodies.mime import media_type
from sip.errors import ParseError
from sip.grammar import is_token, parse_params
from sip.message import Message

__all__ = ["Event", "SubscriptionState", "accepted_types", "expires_of", "icid_of",
           "parse_event",
           "parse_state"]  # fmt: skip

_FOREVER: Final = 2**32 - 1
_LONGEST_RATE: Final = 24


@dataclass(frozen=True, slots=True)
class Event:
    """An Event value: package in lower case, `id`, and rates per second (0.0 for none)."""

    package: str
    id: bytes = b""
    max_rate: float = 0.0
    min_rate: float = 0.0
    adaptive_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A Subscription-State value; expires and retry_after in seconds, -1 where there is none."""

    state: str
    reason: str = ""
    expires: int = -1
    retry_after: int = -1


def parse_event(value: bytes) -> Event:
    """Read an Event or, for the package alone, an Allow-Events item.

    Raises: ParseError. Spec: RFC 6665 8.2.1, RFC 6446 9.2.
    """
    name, params = _parameters(value, "Event")
    return Event(
        name.decode("ascii").lower(),
        params.get(b"id") or b"",
        _rate(params.get(b"max-rate")),
        _rate(params.get(b"min-rate")),
        _rate(params.get(b"adaptive-min-rate")),
    )


def parse_state(value: bytes) -> SubscriptionState:
    """Read a Subscription-State. Raises: ParseError. Spec: RFC 6665 8.2.3."""
    name, params = _parameters(value, "Subscription-State")
    return SubscriptionState(
        name.decode("ascii").lower(),
        (params.get(b"reason") or b"").decode("ascii", "replace").lower(),
        _seconds(params.get(b"expires")),
        _seconds(params.get(b"retry-after")),
    )


def accepted_types(message: Message) -> tuple[bytes, ...] | None:
    """Return the media types of Accept, lower case, without those of q=0; None without Accept.

    Raises: ParseError.
    """
    if not message.has("accept"):
        return None
    types: list[bytes] = []
    for item in message.items("accept"):
        _, semicolon, rest = item.partition(b";")
        weight = dict(parse_params(semicolon + rest, "Accept")).get(b"q")
        if weight is None or weight.strip(b"0."):
            types.append(media_type(item))
    return tuple(types)


def expires_of(message: Message, default: int) -> int:
    """Return the seconds of Expires, `default` without it. Raises: ParseError."""
    value = message.get("expires")
    if value is None:
        return default
    seconds = _seconds(value)
    if seconds < 0:
        raise ParseError("Expires", "Expires is not a number of seconds")
    return seconds


def icid_of(message: Message) -> bytes:
    """Return the icid-value of P-Charging-Vector as it is written, b"" for none (RFC 7315 5.6).

    From a peer that is not trusted the header does not get here.
    """
    value = message.get("p-charging-vector")
    if value is None:
        return b""
    try:
        return dict(parse_params(b";" + value, "P-Charging-Vector")).get(b"icid-value") or b""
    except ParseError:
        return b""


def _parameters(value: bytes, where: str) -> tuple[bytes, dict[bytes, bytes | None]]:
    name, semicolon, rest = value.partition(b";")
    name = name.strip(b" \t")
    if not is_token(name):
        raise ParseError(where, f"{where} has no name")
    return name, dict(parse_params(semicolon + rest, where))


def _seconds(value: bytes | None) -> int:
    if value is None or not value.isdigit():
        return -1
    return min(int(value), _FOREVER) if len(value) <= 10 else _FOREVER


def _rate(value: bytes | None) -> float:
    """Read `1*2DIGIT ["." 1*10DIGIT]` (RFC 6446 10); anything else is no rate."""
    if not value or len(value) > _LONGEST_RATE:
        return 0.0
    whole, _, fraction = value.partition(b".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        return 0.0
    return float(value)
