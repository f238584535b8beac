# SPDX-License-Identifier: Apache-2.0
"""The Date header: ``Sat, 13 Nov 2010 23:29:00 GMT`` (RFC 3261 20.17, RFC 2616 rfc1123-date).

Beside it the form that contents use: ``2010-11-13T23:29:00Z`` (RFC 3339).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (
    b"Jan",
    b"Feb",
    b"Mar",
    b"Apr",
    b"May",
    b"Jun",
    b"Jul",
    b"Aug",
    b"Sep",
    b"Oct",
    b"Nov",
    b"Dec",
)
_DIGITS = frozenset(b"0123456789")


@lru_cache(maxsize=8)
def format_date(wall: float) -> bytes:
    """Print epoch seconds, for years 1970 to 9999; the last few results are remembered."""
    at = datetime.fromtimestamp(wall, UTC)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        _DAYS[at.weekday()],
        at.day,
        _MONTHS[at.month - 1],
        at.year,
        at.hour,
        at.minute,
        at.second,
    )


def format_timestamp(wall: float) -> bytes:
    """Print epoch seconds as RFC 3339 has it, in whole seconds of UTC."""
    return datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def parse_date(value: bytes) -> float | None:
    """Read a Date value to epoch seconds.

    Returns: None for anything but the one form RFC 3261 allows; the name of the day is not
        compared with the date.
    """
    if len(value) != 29 or value[3:5] != b", " or value[:3] not in _DAYS:
        return None
    if (value[7:8], value[11:12], value[16:17]) != (b" ", b" ", b" "):
        return None
    if value[19:20] != b":" or value[22:23] != b":" or value[25:] != b" GMT":
        return None
    numbers = (value[5:7], value[12:16], value[17:19], value[20:22], value[23:25])
    if not _DIGITS.issuperset(b"".join(numbers)) or value[8:11] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(number) for number in numbers)
    if year < 1970:
        return None
    try:
        # A leap second is counted as the one before it: POSIX time has no other name for it.
        at = datetime(
            year, _MONTHS.index(value[8:11]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC
        )
    except ValueError:
        return None
    return at.timestamp() if second <= 60 else None
