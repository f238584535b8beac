# SPDX-License-Identifier: Apache-2.0
"""What several packages decide alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sip.errors import ParseError

from ..documents.filters import FilterSet, parse_filters
from ..event.package import Refused
from ..event.subscription import Subscription

__all__ = ["Wishes", "choose_type", "take_filters"]

_NONE: Final = FilterSet()
_BETWEEN: Final = b"\0"
_BODIES: Final = 65_536  # octets of the bodies that brought filters


def choose_type(accept: Sequence[bytes], offered: Sequence[bytes]) -> bytes:
    """Return the first of `offered` that Accept allows; the first of all without Accept.

    Raises: Refused (406).
    """
    if not accept:
        return offered[0]
    for kind in offered:
        family = kind.partition(b"/")[0] + b"/*"
        if kind in accept or family in accept or b"*/*" in accept:
            return kind
    raise Refused(406, None, (b"Accept: " + b", ".join(offered),))


@dataclass(frozen=True, slots=True)
class Wishes:
    """The filters of a watcher, and the bodies that brought them, the oldest first.

    Later bodies change what earlier ones said (RFC 4660 4.1.3), so all that still matter are kept:
    between two of them stands NUL, which XML cannot hold.
    """

    filters: FilterSet = _NONE
    bodies: bytes = b""


def take_filters(sub: Subscription, before: Wishes) -> Wishes:
    """Return the filters of a subscription after a SUBSCRIBE; its terms hold all bodies then.

    Raises: Refused: 488 for filters that are not understood (RFC 4660 4.2), 413 for too many.
    """
    body = sub.terms.body
    if before.bodies and body != before.bodies and _BETWEEN not in body:
        earlier = [one for one in before.bodies.split(_BETWEEN) if one != body]
        body = _BETWEEN.join([*earlier, body])
    if len(body) > _BODIES:
        raise Refused(413, b"The filters of all requests together are too large")
    filters = FilterSet()
    try:
        for one in body.split(_BETWEEN):
            filters = filters.updated(parse_filters(one))
    except ParseError as error:
        raise Refused(error.status_hint, error.phrase) from None
    sub.terms = replace(sub.terms, body=body)
    return Wishes(filters, body)
