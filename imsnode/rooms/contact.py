# SPDX-License-Identifier: Apache-2.0
"""What the addresses of a request mean to a room: how to reach it, who asks, what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sip.message import Request
from sip.privacy import asked, is_anonymous
from sip.routing import Refusal

__all__ = ["FEATURES", "contact_for", "hidden_as", "unsupported"]

#: What a Contact says of a focus (RFC 3840, RFC 4579 4).
FEATURES: Final = b';isfocus;automata;message;event="conference"'

_ALWAYS: Final = frozenset((b"timer", b"norefersub", b"path"))


def contact_for(request: Request, aor: str) -> bytes:
    """Return the Contact of a room: at the host by which the client has found this node."""
    uri = request.ruri()
    user = aor.partition(":")[2].rpartition("@")[0].encode()
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    port = b"" if uri.port is None else b":%d" % uri.port
    transport = uri.param("transport")
    more = b"" if transport is None else b";transport=" + transport
    return b"<%b:%b@%b%b%b>%b" % (
        uri.scheme.encode(), user, host.encode(), port, more, FEATURES,
    )  # fmt: skip


def hidden_as(request: Request, room: str, new_name: Callable[[], str]) -> str:
    """Return the URI under which to show who asked for privacy (RFC 7701 5.2), "" for others."""
    if not is_anonymous(request) and asked(request).isdisjoint((b"id", b"user")):
        return ""
    return f"sip:anonymous-{new_name()}@{room.rpartition('@')[2]}"


def unsupported(request: Request, supported: frozenset[bytes] = frozenset()) -> Refusal | None:
    """Refuse extensions that a room does not know (RFC 3261 8.2.2.3)."""
    if "require" not in request.names:
        return None
    known = _ALWAYS | supported
    unknown = [tag for tag in request.items("require") if tag.lower() not in known]
    if not unknown:
        return None
    return Refusal(420, None, (b"Unsupported: " + b", ".join(unknown),))
