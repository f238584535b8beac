# SPDX-License-Identifier: Apache-2.0
"""Who a request is from, and what only a trusted sender may say about that."""

from __future__ import annotations

__all__ = ["UNTRUSTED_HEADERS", "Principal"]

UNTRUSTED_HEADERS = frozenset(
    {
        "imsnode-carbon",
        "p-asserted-identity",
        "p-asserted-service",
        "p-charging-function-addresses",
        "p-charging-vector",
        "p-preferred-identity",
        "p-served-user",
        "p-visited-network-id",
        "remote-party-id",
        "service-route",
        "x-asserted-identity",
        "x-identity",
        "x-p-asserted-identity",
        "x-preferred-identity",
    }
)
"""Headers to drop from a request of a sender that is no trusted peer.

They claim what only a trusted server or this node may say (RFC 3325 section 5, RFC 7315). Path is
not among them: it means something in REGISTER only, and there the registrar judges it.
"""


class Principal:
    """Who a request is from.

    how: "digest", "asserted" (stated by the peer ``peer``), or "certified" (a server whose
    certificate names the sender's domain says so).

    hidden: From does not say so, it names nobody. identity: the public identity the user acts
    under.
    """

    __slots__ = ("aor", "hidden", "how", "identity", "peer")

    def __init__(
        self, aor: str, how: str, peer: str = "", hidden: bool = False, identity: str = ""
    ) -> None:
        self.aor = aor
        self.identity = identity or aor
        self.hidden = hidden
        self.how = how
        self.peer = peer

    def __repr__(self) -> str:
        return f"Principal({self.aor!r}, {self.how!r}, {self.peer!r})"
