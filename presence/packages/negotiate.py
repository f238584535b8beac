# SPDX-License-Identifier: Apache-2.0
"""What several packages decide alike."""

from __future__ import annotations

from collections.abc import Sequence

from sip.errors import ParseError

from ..documents.filters import FilterSet, parse_filters
from ..event.package import Refused

__all__ = ["choose_type", "read_filters"]


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


def read_filters(body: bytes) -> FilterSet:
    """Return the filters in a SUBSCRIBE.

    Raises: Refused, 488 for those that are not understood (RFC 4660 4.2).
    """
    try:
        return parse_filters(body)
    except ParseError as error:
        raise Refused(error.status_hint, error.phrase) from None
