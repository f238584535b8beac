# SPDX-License-Identifier: Apache-2.0
"""Senders who do not want to be known to whom they write (RFC 3323, RFC 3325).

The operator knows them all the same: what is concealed is what leaves the node and what recipients
are told; the sender of a message stays who was authenticated.
"""

from __future__ import annotations

from pager.replay import online_draft
from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.message import Request
from sip.privacy import asked, at_most_two, conceal, unmet
from sip.proxy import Fork
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction

from .identity.peers import PeerTable
from .identity.principal import Principal
from .receipts import Errand

__all__ = ["Privacy", "limit_identities"]

_IDENTITY = frozenset(("p-asserted-identity",))


class Privacy:
    """What the gate does about identities; peers with ``trust = "asserted"`` are trusted."""

    def __init__(self, endpoint: Endpoint, proxy: Proxy, peers: PeerTable) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._peers = peers
        proxy.trusts = self.trusts

    def trusts(self, flow: Flow) -> bool:
        """Say whether the far end of a flow may know identities that others may not."""
        peer = self._peers.match(flow)
        return peer is not None and peer.asserted

    def apply(self, request: Request, principal: Principal | None) -> Request | Refusal:
        """Return a request as its recipient may see it, or why it must not go on.

        It is the same one unless it is a MESSAGE: that can leave as one of this node's own, which
        nobody else is told the way back of. Of other requests only the identity is kept.
        """
        wishes = self._wishes(request, principal)
        missing = unmet(wishes, request.method)
        if missing and b"critical" in wishes:
            return Refusal(500, b"Privacy failure: no " + b", ".join(missing), ())
        if not wishes or request.method != "MESSAGE":
            return request
        known = principal is not None and principal.how == "digest"
        identity = principal.identity.encode() if principal is not None and known else b""
        try:
            return conceal(request, wishes, identity, self._endpoint.limits)
        except BadMessage as error:
            return Refusal(error.status_hint, error.phrase, ())

    def hides(self, request: Request, principal: Principal | None) -> bool:
        """Say whether the sender of any request is not to be known to the user it is for."""
        return not self._wishes(request, principal).isdisjoint((b"id", b"user"))

    def _wishes(self, request: Request, principal: Principal | None) -> frozenset[bytes]:
        wishes = asked(request)
        if principal is not None and principal.hidden and not request.has("privacy"):
            # Who writes as nobody has said it; nothing else may tell the recipient.
            wishes = frozenset((b"id",))
        return wishes

    def relay(
        self, transaction: ServerTransaction, concealed: Request, target: Target, now: float
    ) -> None:
        """Send a MESSAGE to another domain as our own, and its answer to whoever waits."""
        errand = Errand(self._endpoint, transaction)
        draft = online_draft(concealed)
        refusal = Fork(self._proxy, None, draft, errand).start((target,), now)
        if refusal is not None:
            self._endpoint.respond(transaction, refusal.status, now, refusal.reason, refusal.lines)

    def asserted(self, principal: Principal | None, target: Target) -> tuple[bytes, ...]:
        """Return the line that tells a trusted next hop who was authenticated here."""
        if principal is None or principal.how != "digest" or not self.trusts(target.flow):
            return ()
        return (b"P-Asserted-Identity: <%b>" % principal.identity.encode(),)


def limit_identities(request: Request) -> None:
    """Leave one sip or sips URI and one tel URI of what a peer asserts (RFC 3325 9.1)."""
    values = request.get_all("p-asserted-identity")
    if len(values) == 1 and b"," not in values[0]:
        return
    try:
        kept = at_most_two(values)
    except BadMessage:
        kept = []
    lines = [b"P-Asserted-Identity: " + b", ".join(kept)] if kept else []
    request.remove_headers(_IDENTITY, lines)
