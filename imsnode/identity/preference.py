# SPDX-License-Identifier: Apache-2.0
"""Under which of a user's public identities a request is sent (RFC 3325 6, TS 24.229 5.2.6.3)."""

from __future__ import annotations

from sip.errors import BadMessage
from sip.headers.address import parse_address
from sip.message import Request

from .accounts import Account

__all__ = ["preferred"]


def preferred(request: Request, account: Account) -> str:
    """The identity that a user prefers, else that of From, else the default one.

    Only an identity that is the user's and not barred counts.
    """
    own = {account.aor, *(one.uri for one in account.identities if not one.barred)}
    if request.has("p-preferred-identity"):
        try:
            for item in request.items("p-preferred-identity"):
                wanted = parse_address(item, "P-Preferred-Identity").uri.aor
                if wanted in own:
                    return wanted
        except BadMessage:
            return account.aor
    shown = request.from_uri.aor
    return shown if shown in own else account.aor
