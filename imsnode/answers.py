# SPDX-License-Identifier: Apache-2.0
"""What the gate says of the node, and what it refuses with."""

from __future__ import annotations

from sip.message import Request
from sip.routing import Refusal

__all__ = [
    "ALLOW",
    "EVENT_METHODS",
    "EVENT_OPTIONS_LINES",
    "FOREIGN",
    "INSECURE",
    "IN_DIALOG",
    "LOOPED_ROUTE",
    "NOT_FOUND",
    "NO_DIALOG",
    "OPTIONS_LINES",
    "SUPPORTED",
    "UNAVAILABLE",
    "refuse_extensions",
]

#: What the node serves or passes on; unknown methods pass too.
ALLOW = (
    b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO,"
    b" UPDATE, PRACK, PUBLISH"
)
OPTIONS_LINES = (ALLOW, b"Accept: */*", b"Supported: path, outbound, gruu")
EVENT_OPTIONS_LINES = (
    *OPTIONS_LINES[:2],
    OPTIONS_LINES[2] + b", eventlist, recipient-list-subscribe",
)
#: Methods of an established dialog, which a Route of ours lets pass.
IN_DIALOG = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "NOTIFY", "OPTIONS", "PRACK", "REFER", "SUBSCRIBE",
     "UPDATE"}
)  # fmt: skip

#: Requests about the event state of a user (RFC 6665, RFC 3903).
EVENT_METHODS = frozenset({"PUBLISH", "SUBSCRIBE"})

SUPPORTED = frozenset({b"path", b"outbound", b"gruu"})

FOREIGN = Refusal(403, b"Domain is not served here", ())
NOT_FOUND = Refusal(404, None, ())
NO_DIALOG = Refusal(481, None, ())
UNAVAILABLE = Refusal(480, b"No device is registered", ())
INSECURE = Refusal(480, b"SIPS needs TLS on every hop", ())
LOOPED_ROUTE = Refusal(403, b"Route was not set by this node", ())


def refuse_extensions(request: Request) -> Refusal | None:
    """Refuse extensions that the node as a server does not know (RFC 3261 8.2.2.3)."""
    if not (request.has("require") or request.has("proxy-require")):
        return None
    wanted = request.items("require") + request.items("proxy-require")
    unknown = [tag for tag in wanted if tag.lower() not in SUPPORTED]
    if not unknown:
        return None
    return Refusal(420, None, (b"Unsupported: " + b", ".join(unknown),))
