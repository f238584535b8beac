# SPDX-License-Identifier: Apache-2.0
"""Whose a domain or a number is: the longest match decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sip.uri import Uri

from .partner import Partner

__all__ = ["Ranges", "number_of"]

_SEPARATORS = b"-.()"
_LONGEST = 16  # the plus and the 15 digits of E.164


def number_of(uri: Uri) -> str:
    """Return the global number that a tel or SIP URI stands for, "" when it is none (RFC 3966).

    A SIP URI stands for one by its user part, parameters of the number left aside
    (RFC 3261 19.1.6).
    """
    if uri.user is None or not uri.user.startswith(b"+"):
        return ""
    digits = uri.user.partition(b";")[0][1:].translate(None, _SEPARATORS)
    return "+" + digits.decode("ascii") if digits.isdigit() and len(digits) < _LONGEST else ""


class Ranges:
    """The ranges of all partners."""

    __slots__ = ("_domains", "_longest", "_numbers")

    def __init__(self, partners: Iterable[Partner] = ()) -> None:
        self._domains: dict[str, list[Partner]] = {}
        self._numbers: dict[str, list[Partner]] = {}
        for partner in partners:
            for name in partner.domains:
                self._domains.setdefault(name, []).append(partner)
            for digits in partner.numbers:
                self._numbers.setdefault(digits, []).append(partner)
        self._longest = max(map(len, self._numbers), default=0)

    def of_domain(self, host: str) -> Sequence[Partner]:
        """Return who takes a domain: by its own name, else by the nearest domain above it."""
        found = self._domains.get(host)
        while found is None:
            _, dot, host = host.partition(".")
            if not dot:
                return ()
            found = self._domains.get(f"*.{host}")
        return found

    def of_number(self, number: str) -> Sequence[Partner]:
        """Return who takes a number that is written with + and country."""
        for length in range(min(self._longest, len(number)), 0, -1):
            found = self._numbers.get(number[:length])
            if found is not None:
                return found
        return ()
