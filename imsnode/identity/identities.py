# SPDX-License-Identifier: Apache-2.0
"""Public identities: further addresses of users (TS 23.228 4.3.3).

The identities of an account are one implicit registration set: who registers one has registered
all, and what is for one is for the user. The account's own AoR is the default one. A barred
identity serves to register and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sip.uri import Uri, parse_uri

from .numbering import NumberPlan, dialled

__all__ = ["Identities", "PublicIdentity"]


class PublicIdentity(NamedTuple):
    """uri: canonical, "sip:ann@ims.test" or "tel:+4917012345"."""

    uri: str
    barred: bool = False


class Identities:
    """Whose each public identity is. `imsnode.identity.accounts.Directory` keeps it up to date.

    Args: has: says whether an address of record is an account's.
    public, barred: account by identity; the two never have one in common.
    """

    def __init__(self, has: Callable[[str], bool]) -> None:
        self._has = has
        self.public: dict[str, str] = {}
        self.barred: dict[str, str] = {}
        self._lines: dict[str, bytes] = {}
        self.plans: dict[str, NumberPlan] = {}
        self.first = ""

    def configure(self, plans: Mapping[str, NumberPlan], first: str) -> None:
        """Take the number plans by domain; first: the domain of numbers that name none."""
        self.plans.clear()  # whoever holds it sees the new ones
        self.plans.update(plans)
        self.first = first

    def add(self, aor: str, identities: tuple[PublicIdentity, ...]) -> None:
        """Take note of the identities of an account."""
        for one in identities:
            (self.barred if one.barred else self.public)[one.uri] = aor
        shown = [aor, *(one.uri for one in identities if not one.barred)]
        line = b"P-Associated-URI: " + b", ".join(b"<%b>" % uri.encode() for uri in shown)
        self._lines[aor] = line

    def remove(self, aor: str, identities: tuple[PublicIdentity, ...]) -> None:
        """Forget them."""
        for one in identities:
            held = self.barred if one.barred else self.public
            if held.get(one.uri) == aor:  # not somebody else's by now
                del held[one.uri]
        self._lines.pop(aor, None)

    def account_of(self, uri: Uri, aor: str) -> str:
        """Return the account a URI is for; ``aor`` when it is no identity's."""
        account = self.public.get(aor)
        if account is not None:
            return account
        number = self.number_of(uri)
        return self.public.get(f"tel:{number}", aor) if number else aor

    def number_of(self, uri: Uri) -> str:
        """Return the global number a URI stands for, by the plan of its domain; "" for none."""
        digits, context = dialled(uri)
        if not digits:
            return ""
        plan = self.plans.get(context or self.first) or self._of_country(context)
        return (plan or NumberPlan()).worldwide(digits)

    def routable(self, uri: Uri) -> Uri:
        """Return how a number is looked for: as a user of ours, in its global form.

        What is no number, and what is a user's name, stays (TS 24.229 5.4.3.2).
        """
        if uri.is_sip and (uri.user is None or uri.user.startswith(b"+") or self._known(uri)):
            return uri
        number = self.number_of(uri)
        if not number:
            return uri
        domain = uri.host if uri.is_sip else self.first
        return parse_uri(f"sip:{number}@{domain};user=phone".encode())

    def associated(self, aor: str) -> bytes:
        """Return the line that tells a terminal its identities (RFC 7315 4.1), b"" for none."""
        return self._lines.get(aor, b"")

    def shown(self, aor: str) -> list[str]:
        """Return the identities of an account that others may know, the default one first."""
        return [aor, *(uri for uri, account in self.public.items() if account == aor)]

    def _known(self, uri: Uri) -> bool:
        return uri.aor in self.public or self._has(uri.aor)

    def _of_country(self, context: str) -> NumberPlan | None:
        """The plan that a global phone-context such as +49 means (RFC 3966 5.1.5)."""
        for plan in self.plans.values():
            if plan.country and context == f"+{plan.country}":
                return plan
        return None
