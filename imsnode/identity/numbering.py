# SPDX-License-Identifier: Apache-2.0
"""Telephone numbers as people write them, and the one form they have in the world (RFC 3966)."""

from __future__ import annotations

from dataclasses import dataclass

from sip.uri import Uri

__all__ = ["NumberPlan", "dialled"]

_SEPARATORS = b"-.()"
_LONGEST = 15  # digits of E.164


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How a domain's users write numbers.

    country: country code; "" when only global numbers are understood. national, international:
    what is dialled in front of a number of another area and of another country. area: the area
    code, without ``national``, that numbers of neither kind belong to; "" when there are none.
    """

    country: str = ""
    national: str = "0"
    international: str = "00"
    area: str = ""

    def worldwide(self, digits: str) -> str:
        """Return a number with + and country; "" when this plan does not say what it means."""
        if digits.startswith("+"):
            return _checked(digits[1:])
        if self.international and digits.startswith(self.international):
            return _checked(digits[len(self.international) :])
        if not self.country:
            return ""
        if digits.startswith(self.national):
            return _checked(self.country + digits[len(self.national) :])
        return _checked(self.country + self.area + digits) if self.area else ""


def dialled(uri: Uri) -> tuple[str, str]:
    """Return the digits of a tel or SIP URI and the context they are meant in, "" without one.

    The digits are "" for what is no number; those of a global one begin with +. A SIP URI may be a
    user whose name looks like a number: its caller knows (RFC 3261 19.1.6).
    """
    if uri.user is None:
        return "", ""
    user, _, inside = uri.user.partition(b";")
    digits = user.translate(None, _SEPARATORS)
    if not digits.removeprefix(b"+").isdigit():
        return "", ""
    context = uri.params.get("phone-context") or b""
    if not context and inside.startswith(b"phone-context="):
        context = inside.partition(b"=")[2].partition(b";")[0]
    if not context and uri.is_sip:
        return digits.decode("ascii"), uri.host
    return digits.decode("ascii"), context.decode("ascii", "replace").lower()


def _checked(digits: str) -> str:
    fits = digits.isdigit() and digits[0] != "0" and len(digits) <= _LONGEST
    return f"+{digits}" if fits else ""
