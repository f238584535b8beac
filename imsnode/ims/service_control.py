# SPDX-License-Identifier: Apache-2.0
"""Application server: requests that an S-CSCF hands in over ISC, and gets back.

The S-CSCF puts its own address, with the original dialog identifier, behind ours in the Route. What
the served user's services leave over goes back along it, as it came; what they answer is answered
in our name. So a terminating MESSAGE is stored when the user is not registered, or when the S-CSCF
reaches nobody, and a chain of application servers goes on behind this one otherwise.

Spec: TS 24.229 5.7.1, 5.7.2, 5.7.4, 5.7.5; TS 23.218.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Target
from sip.message import Request
from sip.routing import Refusal, Routed
from sip.uri import parse_uri

from ..answers import EVENT_METHODS
from ..identity.principal import Principal
from ..message_gate import about_another, limited
from .charges import Charges
from .served_user import ServedUser, served_by

if TYPE_CHECKING:
    from ..node import Node

__all__ = ["ServiceControl"]


class ServiceControl:
    """Serves users whose registrar is an S-CSCF."""

    def __init__(self, node: Node, charges: Charges) -> None:
        self._node = node
        self._charges = charges
        self.originating = 0
        self.terminating = 0

    def request(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        principal: Principal,
        now: float,
        wall: float,
    ) -> None:
        """Serve an initial request with a Route back to the S-CSCF."""
        ours = request.routes()[: -len(routed.routes or ())]
        try:
            served = served_by(request, ours, parse_uri(principal.aor.encode()))
        except BadMessage as error:
            self._node.refuse(request, flow, Refusal(400, error.phrase, ()), now)
            return
        task = _Task(self._node, request, flow, routed, principal, served, now, wall)
        vector = self._charges.of(request)
        task.charging = self._charges.answer(vector)
        # What we sent to the recipient's S-CSCF, whose criteria lead it here.
        task.returns = self._charges.is_sent(vector)
        if served.case.originating:
            self.originating += 1
            task.originate()
        else:
            self.terminating += 1
            task.terminate()


class _Task:
    """One request over ISC."""

    __slots__ = ("aor", "back", "charging", "flow", "node", "now", "principal", "request",
                 "returns", "routed", "served", "wall")  # fmt: skip

    def __init__(
        self,
        node: Node,
        request: Request,
        flow: Flow,
        routed: Routed,
        principal: Principal,
        served: ServedUser,
        now: float,
        wall: float,
    ) -> None:
        self.node = node
        self.request = request
        self.flow = flow
        self.routed = routed
        self.principal = principal
        self.served = served
        self.aor = node.names.aor_of(served.uri)
        self.now = now
        self.wall = wall
        self.charging = b""
        self.returns = False
        way = node.proxy.predetermined(request, routed, now)
        # An S-CSCF that names itself is reached where its request came from.
        self.back = way if isinstance(way, Target) else Target(routed.uri, flow, routed.routes)

    def originate(self) -> None:
        """Serve the sender: limits, own event state; the rest goes on to the recipient."""
        node, request = self.node, self.request
        if request.method == "MESSAGE":
            recipient = node.names.aor_of(request.ruri())
            if self._is_for_service(recipient) or limited(
                node, request, self.flow, self.principal.aor, recipient, self.now, self.wall
            ):
                return
        elif request.method == "PUBLISH" and self._is_event_state(self.aor):
            return
        self._pass_on()

    def terminate(self) -> None:
        """Serve the recipient: messages, event state; the rest goes on to the devices."""
        node, request = self.node, self.request
        if self._is_for_service(node.names.aor_of(request.ruri())):
            return
        if request.method == "MESSAGE" and not self.returns:
            self._message()
        elif request.method not in EVENT_METHODS or not self._is_event_state(self.principal.aor):
            self._pass_on()

    def _message(self) -> None:
        node, request, flow, now = self.node, self.request, self.flow, self.now
        sender = self.principal.aor
        if not request.is_text and about_another(node, request, flow, sender, self.aor, now):
            return
        node.endpoint.catch_up(now)
        transaction = node.endpoint.accept(request, flow, now)
        transaction.charging = self.charging
        # Who the S-CSCF says is away has no way; anybody else is reached by the way back.
        ways = () if self.served.registered is False else (self.back,)
        node.pager.submit(
            transaction, request, self.routed, sender, self.aor, now, self.wall, ways=ways
        )

    def _is_for_service(self, aor: str) -> bool:
        """Serve a request for a service of the node (echo, lists, groups); False for any other."""
        service = self.node.services.get(aor)
        if service is None:
            return False
        self.node.endpoint.catch_up(self.now)
        service.request(self.request, self.flow, self.principal.aor, aor, self.now)
        return True

    def _is_event_state(self, sender: str) -> bool:
        node = self.node
        if node.events is None:
            return False
        hidden = node.privacy.hides(self.request, self.principal)
        return node.events.request(self.request, self.flow, sender, self.aor, hidden, self.now)

    def _pass_on(self) -> None:
        """Hand it back to the S-CSCF by the Route it came with."""
        self.node.forward(self.request, self.flow, self.routed, (self.back,), self.now)
