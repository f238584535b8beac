# SPDX-License-Identifier: Apache-2.0
"""What the gate asks of a node that is part of an IMS."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip.errors import BadMessage
from sip.flow import Flow
from sip.limits import Limits
from sip.message import Request
from sip.routing import Refusal, Routed
from sip.uri import Uri

from ..identity.peers import S_CSCF
from ..identity.principal import Principal
from .announcing import Announcing
from .charges import Charges
from .criteria import ServiceProfile
from .criteria_xml import read_profiles
from .dialog_id import DialogIds
from .profiles import Profiles
from .registrations import Registrations, is_third_party
from .scscf import Scscf
from .service_control import ServiceControl
from .vouching import Vouching

if TYPE_CHECKING:
    from ..node import Node

__all__ = ["ImsSettings", "Roles"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImsSettings:
    """ioi: this operator's identifier. originating: in which case an S-CSCF gets what the node
    sends to its users. answer_within_s: how long an application server may be silent."""

    ioi: bytes
    originating: bool = False
    answer_within_s: float = 4.0


class Roles:
    """The roles of a node between S-CSCFs, application servers and users.

    has_criteria: some user has filter criteria, so that any request may concern an S-CSCF's role.
    """

    def __init__(self, node: Node, settings: ImsSettings, limits: Limits, key: bytes) -> None:
        self._node = node
        self.has_criteria = False
        first = node.names.first.encode()
        self.charges = Charges(settings.ioi, first, node.proxy.ids.token, key)
        self.registrations = Registrations(node, limits)
        self.services = ServiceControl(node, self.charges)
        self.profiles = Profiles()
        self.scscf = Scscf(node, self.charges, self.profiles, DialogIds(key))
        self.announcing = Announcing(node, self.profiles, limits)
        node.location.heed(self.announcing.moved)
        node.proxy.vouch = Vouching(node.names, self.charges)
        self.configure(settings)

    def configure(self, settings: ImsSettings) -> None:
        """Take other settings; who is registered at an S-CSCF is reached as before."""
        self.charges.ioi = settings.ioi
        self.registrations.originating = settings.originating
        self.scscf.answer_within_s = settings.answer_within_s

    def take_stored(self, documents: Mapping[str, bytes]) -> None:
        """Make what these documents say the service profiles; one that cannot be read is left out.

        Commands keep only what can be read, so that was written by another release.
        """
        profiles = {}
        for aor, document in documents.items():
            try:
                profiles[aor] = read_profiles(document)[0]
            except BadMessage as error:
                _log.error("filter criteria cannot be read", extra={"aor": aor, "why": str(error)})
        self.provide(profiles)

    def provide(self, profiles: Mapping[str, ServiceProfile]) -> None:
        """Make these the service profiles of users, all there are."""
        self.profiles.replace(profiles)
        self.has_criteria = bool(profiles)

    def request(
        self,
        request: Request,
        flow: Flow,
        routed: Routed,
        uri: Uri,
        local: bool,
        principal: Principal | None,
        now: float,
        wall: float,
    ) -> bool:
        """Take an initial request that concerns one of the roles; False for any other.

        What goes along a dialog has no principal. A To tag alone leads past no filter criteria:
        anybody can write one.
        """
        if request.has("p-charging-vector"):
            self.charges.of(request)
        if principal is None:
            return False
        if routed.routes and not request.to_tag and self._is_s_cscf(flow):
            self.services.request(request, flow, routed, principal, now, wall)
            return True
        return (
            self.has_criteria
            and not routed.routes
            and request.method not in ("ACK", "BYE", "CANCEL", "REGISTER")
            and self.scscf.request(request, flow, routed, uri, local, principal, now, wall)
        )

    def register(self, request: Request, flow: Flow, now: float) -> bool:
        """Take the REGISTER of an S-CSCF about a user; False for one of a user."""
        if not self._is_s_cscf(flow):
            if self.has_criteria:
                self.announcing.seen(request, self._node.names.registrant(request.to_uri))
            return False
        charging = self.charges.answer(self.charges.of(request))
        self.registrations.register(request, flow, charging, now)
        return True

    def settled(self, request: Request, refusal: Refusal, now: float) -> bool:
        """Refuse a request that application servers were asked about; False for any other."""
        if not self.scscf.asked:
            return False
        endpoint = self._node.endpoint
        transaction = endpoint.layer.find_server(request)
        if transaction is None:
            return False
        endpoint.respond(transaction, refusal.status, now, refusal.reason, refusal.lines)
        return True

    def serves(self, aor: str, now: float) -> bool:
        """Say whether somebody without an account here is registered at an S-CSCF."""
        return any(is_third_party(one) for one in self._node.location.bindings(aor, now))

    def _is_s_cscf(self, flow: Flow) -> bool:
        peer = self._node.peers.match(flow)
        return peer is not None and peer.asserted and peer.role == S_CSCF
