# SPDX-License-Identifier: Apache-2.0
"""A small S-CSCF for labs: initial filter criteria decide which application servers are asked.

The sender's criteria come first, then the recipient's. Each server that is met gets the request
with a Route back, which carries the original dialog identifier (`dialog_id`); where the request
comes back by it, the criterion after that one is looked for. A server that is silent or fails
before it has handed the request back is passed over, or ends the request, as its criterion says.

Spec: TS 24.229 5.4.3.2, 5.4.3.3; TS 23.218 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip.flow import Flow
from sip.forward import Target
from sip.message import Request, Response
from sip.proxy import Branch, Fork
from sip.routing import Refusal, Routed
from sip.transaction.server import ServerTransaction
from sip.uri import Uri, parse_uri

from ..identity.peers import APPLICATION_SERVER
from ..identity.principal import Principal
from .charges import Charges
from .criteria import DefaultHandling, FilterCriteria, Occasion, SptCase
from .dialog_id import DialogId, DialogIds
from .profiles import Profiles
from .served_user import ServedUser, SessionCase, served_by

if TYPE_CHECKING:
    from ..node import Node

__all__ = ["Scscf", "own_route", "server_route"]

_SILENT: Final = 1
_NOBODY: Final = -1  # priority before the first criterion
_SERVED: Final = frozenset(("p-served-user",))
_CASES: Final = {
    SptCase.ORIGINATING_REGISTERED: SessionCase.ORIGINATING,
    SptCase.ORIGINATING_UNREGISTERED: SessionCase.ORIGINATING,
    SptCase.ORIGINATING_CDIV: SessionCase.AFTER_DIVERSION,
    SptCase.TERMINATING_REGISTERED: SessionCase.TERMINATING,
    SptCase.TERMINATING_UNREGISTERED: SessionCase.TERMINATING,
}


def server_route(uri: Uri) -> bytes:
    """Return the Route value that leads to an application server."""
    return b"<%b%b>" % (uri.raw, b"" if "lr" in uri.params else b";lr")


def own_route(flow: Flow, params: bytes = b"") -> bytes:
    """Return a Route value that leads here, for who is reached by `flow`."""
    transport = b"" if flow.transport == "UDP" else b";transport=" + flow.transport.lower().encode()
    return b"<sip:%b%b;lr%b>" % (flow.sent_by, transport, params)


class Scscf:
    """Asks application servers about requests of users and for them.

    answer_within_s: how long a server may be silent.
    """

    def __init__(self, node: Node, charges: Charges, profiles: Profiles, ids: DialogIds) -> None:
        self.node = node
        self.charges = charges
        self.profiles = profiles
        self.ids = ids
        self.answer_within_s = 4.0
        self.asked = 0
        self.passed_over = 0
        # Those under way, by mark: whether a server handed the request back.
        self.waiting: dict[str, _Passage] = {}

    def request(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        local: bool,
        principal: Principal,
        now: float,
        wall: float,
    ) -> bool:
        """Ask the next server about a request; False when there is none."""
        place = self._resumed(request, flow) or self._begun(request, flow, uri, principal, now)
        before = self.waiting.get(place.mark)
        if before is not None:
            before.returned = True
        passage = _Passage(self, request, flow, routed, uri, local, principal, place)
        return passage.ask_next(now)

    def case(self, aor: str, originating: bool, now: float) -> SptCase:
        """Return the session case of a user on one side of a request."""
        if self.node.location.bindings(aor, now):
            return SptCase.ORIGINATING_REGISTERED if originating else SptCase.TERMINATING_REGISTERED
        return SptCase.ORIGINATING_UNREGISTERED if originating else SptCase.TERMINATING_UNREGISTERED

    def _resumed(self, request: Request, flow: Flow) -> DialogId | None:
        """Return where a request stood that an application server hands back."""
        if not request.has("route") or not self._is_server(flow):
            return None
        for address in request.routes():
            value = address.uri.param("odi")
            if value is not None and self.node.proxy.own.is_own(address.uri):
                return self.ids.read(value)
        return None

    def _begun(
        self, request: Request, flow: Flow, uri: Uri, principal: Principal, now: float
    ) -> DialogId:
        """Return where a request begins: with its sender when that is a user of ours.

        What an application server sends is for its recipient, unless its Route says ``orig``.
        """
        names = self.node.names
        aor, originating = principal.aor, True
        if self._is_server(flow):
            served = served_by(request, request.routes(), parse_uri(aor.encode()))
            aor, originating = names.aor_of(served.uri), served.case.originating
        originating = originating and self.node.directory.get(aor) is not None
        if not originating:
            aor = names.aor_of(uri)
        return DialogId(aor, self.case(aor, originating, now), _NOBODY)

    def _is_server(self, flow: Flow) -> bool:
        peer = self.node.peers.match(flow)
        return peer is not None and peer.asserted and peer.role == APPLICATION_SERVER


class _Passage:
    """One request on its way past application servers; the owner of the fork to one of them."""

    __slots__ = ("criterion", "flow", "local", "over", "place", "principal", "request",
                 "returned", "routed", "scscf", "transaction", "uri")  # fmt: skip

    def __init__(
        self,
        scscf: Scscf,
        request: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        local: bool,
        principal: Principal,
        place: DialogId,
    ) -> None:
        self.scscf = scscf
        self.request = request
        self.flow = flow
        self.routed = routed
        self.uri = uri
        self.local = local
        self.principal = principal
        self.place = place
        self.criterion: FilterCriteria | None = None
        self.transaction: ServerTransaction | None = None
        self.returned = False
        self.over = False

    def ask_next(self, now: float) -> bool:
        """Ask the next server; False when none is left to ask."""
        self.criterion = criterion = self._next(now)
        if criterion is None:
            return False
        self._ask(criterion, now)
        return True

    def _next(self, now: float) -> FilterCriteria | None:
        scscf, place = self.scscf, self.place
        profile = scscf.profiles.of(place.aor)
        if profile is not None:
            found = profile.after(place.priority, Occasion(self.request, place.case))
            if found is not None:
                return found
        if _CASES[place.case] is SessionCase.TERMINATING or not (self.local and self.uri.user):
            return None
        callee = scscf.node.names.aor_of(self.uri)
        self.place = DialogId(callee, scscf.case(callee, False, now), _NOBODY)
        return self._next(now)

    def _ask(self, criterion: FilterCriteria, now: float) -> None:
        """Send the request to the server of a criterion, with the way back behind it."""
        scscf, node, request = self.scscf, self.scscf.node, self.request
        place = self.place
        mark = node.proxy.ids.token(8)
        self.place = DialogId(place.aor, place.case, criterion.priority, mark)
        self.transaction = transaction = node.endpoint.accept(request, self.flow, now)
        self.over = self.returned = False
        scscf.asked += 1
        route = server_route(parse_uri(criterion.server.uri))
        way = node.proxy.target_for(self.routed.uri, [route], now)
        if isinstance(way, Refusal):
            self._default(None, 503, now)
            return
        back = own_route(way.flow, b";odi=" + scscf.ids.make(self.place))
        target = Target(self.routed.uri, way.flow, [route, back])
        scscf.charges.of(request)
        fork = Fork(
            node.proxy, transaction, request, self, self.routed, _SERVED, self._told(),
            node.peers.match(self.flow) is not None,
        )  # fmt: skip
        scscf.waiting[mark] = self
        node.endpoint.timers.schedule(now + scscf.answer_within_s, _Patience(self, fork), _SILENT)
        refusal = fork.start((target,), now)
        if refusal is not None:
            self._end()
            fork.reply(refusal.status, now, refusal.reason, refusal.lines)

    def _told(self) -> tuple[bytes, ...]:
        """Return what a server is told: who is served, and who sends."""
        place = self.place
        user = parse_uri(place.aor.encode())
        lines = [ServedUser(user, _CASES[place.case], place.case.registered).line()]
        if self.principal.how == "digest":
            lines.append(b"P-Asserted-Identity: <%b>" % self.principal.aor.encode())
        return tuple(lines)

    # --- the owner of the fork

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: a fork to one target ends with its only branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Pass the answer on, unless it only says that the server does not work."""
        if self.over:
            return
        failed = response is None or status == 408 or 500 <= status < 600
        if failed and not self.returned and not fork.answered:
            self._default(response, status, now, fork)
            return
        self._end()
        if fork.answered:
            return
        if response is not None:
            fork.relay(response, now)
        else:
            fork.reply(status if fork.invite or status != 408 else 504, now)

    def silent(self, fork: Fork, now: float) -> None:
        """Give a server up that has said nothing; a 100 says something of a call alone."""
        ringing = fork.invite and fork.branches[0].provisional
        if self.over or self.returned or ringing:
            return
        fork.cancel(now)
        self._default(None, 408, now, fork)

    def _default(
        self, response: Response | None, status: int, now: float, fork: Fork | None = None
    ) -> None:
        """Handle a server that fails as its criterion says (IM-06)."""
        self._end()
        criterion, node = self.criterion, self.scscf.node
        transaction = self.transaction
        assert criterion is not None
        assert transaction is not None
        self.scscf.passed_over += 1
        if criterion.server.handling is DefaultHandling.SESSION_CONTINUED:
            if not self.ask_next(now):
                wall = node.clock.wall()
                node.go_on(
                    self.request, self.flow, self.routed, self.uri, self.local, self.principal,
                    now, wall,
                )  # fmt: skip
        elif response is not None and fork is not None:
            fork.relay(response, now)
        else:
            final = 408 if transaction.invite else 504
            node.endpoint.respond(transaction, final, now, b"Application server does not answer")

    def _end(self) -> None:
        self.over = True
        self.scscf.waiting.pop(self.place.mark, None)


class _Patience:
    """The end of the wait for one server."""

    __slots__ = ("fork", "passage")

    def __init__(self, passage: _Passage, fork: Fork) -> None:
        self.passage = passage
        self.fork = fork

    def on_timer(self, kind: int, now: float) -> None:
        if self.fork.owner is self.passage and self.fork.pending:
            self.passage.silent(self.fork, now)
