# SPDX-License-Identifier: Apache-2.0
"""Date: a SIP-date, always in GMT (RFC 3261 20.17)."""

from __future__ import annotations

from typing import Final

_DAYS: Final = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun",
                  b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")  # fmt: skip
_MONTH_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _days_before(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to this date; years are counted from March, so leap days end them."""
    if month <= 2:
        year -= 1
        month += 12
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * month - 457) // 5 + day - 719469


def parse_date(value: bytes) -> float | None:
    """Read ``Sat, 13 Nov 2010 23:29:00 GMT``.

    Returns: epoch seconds, or None when the value is no SIP-date (another zone, a bad number).
    """
    words = value.split(b" ")
    if len(words) != 6 or words[5] != b"GMT" or words[0][:3] not in _DAYS or words[0][3:] != b",":
        return None
    day, year, clock = words[1], words[3], words[4].split(b":")
    if words[2] not in _MONTHS or len(clock) != 3 or len(day) != 2 or len(year) != 4:
        return None
    if not (day + year + b"".join(clock)).isdigit() or not all(len(part) == 2 for part in clock):
        return None
    month = _MONTHS.index(words[2]) + 1
    hour, minute, second = int(clock[0]), int(clock[1]), int(clock[2])
    if not 1 <= int(day) <= _MONTH_DAYS[month - 1] or hour > 23 or minute > 59 or second > 60:
        return None
    if int(year) < 1970:
        return None
    days = _days_before(int(year), month, int(day))
    return float(days * 86400 + hour * 3600 + minute * 60 + second)


def format_date(wall: float) -> bytes:
    """Return epoch seconds as a SIP-date."""
    days, rest = divmod(int(wall), 86400)
    # Inverse of _days_before, by 400-year cycles of 146097 days that start on 1 March.
    shifted = days + 719468
    cycle, in_cycle = divmod(shifted, 146097)
    in_year = (in_cycle - in_cycle // 1460 + in_cycle // 36524 - in_cycle // 146096) // 365
    year = in_year + cycle * 400
    day_of_year = in_cycle - (365 * in_year + in_year // 4 - in_year // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    if month <= 2:
        year += 1
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _DAYS[(days + 3) % 7], day, _MONTHS[month - 1], year,
        rest // 3600, rest // 60 % 60, rest % 60,
    )  # fmt: skip
