# SPDX-License-Identifier: Apache-2.0
"""Users who are registered at an S-CSCF, as its third-party REGISTERs tell.

Such a user has one binding here: the contact is the public identity and the path leads to the
S-CSCF. So whatever the node does for users (messages that waited, NOTIFYs, invitations) reaches
them as it reaches any device, and forking is the S-CSCF's.

Spec: TS 24.229 5.7.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip.errors import BadMessage
from sip.flow import Flow
from sip.headers.address import Address
from sip.limits import Limits
from sip.message import Request
from sip.nexthop import next_hop
from sip.registrar import Binding
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction

from ..location import AorRecord
from .third_party import ThirdParty, read_third_party

if TYPE_CHECKING:
    from ..node import Node

__all__ = ["Registrations", "is_third_party"]

_FOREIGN: Final = Refusal(404, b"User is not served here", ())
_NOT_FEATURES: Final = frozenset((b"expires", b"q", b"+sip.instance", b"reg-id"))
_FEATURE_OCTETS: Final = 1_000


def is_third_party(binding: Binding) -> bool:
    """Tell a user who is registered at an S-CSCF from a device that is registered here."""
    return bool(binding.path) and binding.contact == binding.aor.encode()


class Registrations:
    """Takes third-party REGISTERs.

    originating: what goes to users is a request of its sender at the S-CSCF.
    """

    def __init__(self, node: Node, limits: Limits) -> None:
        self.node = node
        self.originating = False
        self.accepted = 0
        self._limits = limits

    def register(self, request: Request, flow: Flow, charging: bytes, now: float) -> None:
        """Answer one from a trusted S-CSCF, after the commit.

        Args: charging: value of P-Charging-Vector for the answer.
        """
        node = self.node
        try:
            told = read_third_party(request, self._limits)
        except BadMessage as error:
            node.refuse(request, flow, Refusal(error.status_hint, error.phrase, ()), now)
            return
        aor = node.names.aor_of(told.identity)
        if told.identity.is_sip and not node.names.is_local(told.identity.host):
            node.refuse(request, flow, _FOREIGN, now)
            return
        transaction = node.endpoint.accept(request, flow, now)
        transaction.charging = charging
        _Change(self, transaction, told, aor, flow).begin(now)

    def binding(self, told: ThirdParty, aor: str, request: Request, flow: Flow) -> Binding:
        """Return the binding of a registered user, without its lifetime."""
        return Binding(
            aor,
            aor.encode(),
            _features(told.contacts),
            1000,
            0.0,
            request.call_id,
            request.cseq,
            path=(self._path(told, flow),),
            flow=flow,
            received=(flow.transport, flow.remote[0], flow.remote[1]),
        )

    def _path(self, told: ThirdParty, flow: Flow) -> bytes:
        """Return the Route value to the S-CSCF: its Contact, or where it sent from.

        A name that nobody here looks up, or an address requests may not go to, is of no use.
        """
        orig = b";orig" if self.originating else b""
        uri = told.server
        if uri is not None:
            hop = next_hop(uri)
            if hop is not None and self.node.proxy.may_send_to(hop.host, hop.port):
                lr = b"" if "lr" in uri.params else b";lr"
                return b"<%b%b%b>" % (uri.raw, lr, orig)
        host, port = flow.remote
        literal = b"[%b]" % host.encode() if ":" in host else host.encode()
        transport = flow.transport.lower().encode()
        return b"<sip:%b:%d;transport=%b;lr%b>" % (literal, port, transport, orig)


class _Change:
    """One third-party REGISTER on its way through the commit."""

    __slots__ = ("aor", "flow", "record", "registrations", "remaining", "told", "transaction")

    def __init__(
        self,
        registrations: Registrations,
        transaction: ServerTransaction,
        told: ThirdParty,
        aor: str,
        flow: Flow,
    ) -> None:
        self.registrations = registrations
        self.transaction = transaction
        self.told = told
        self.aor = aor
        self.flow = flow
        self.record: AorRecord | None = None
        self.remaining: tuple[Binding, ...] = ()

    def begin(self, now: float) -> None:
        """Hand the outcome to the journal, or wait for the change before this one."""
        location = self.registrations.node.location
        record = location.claim(self.aor, self.begin)
        if record is None:
            return
        self.record = record
        kept = tuple(one for one in record.bindings if not is_third_party(one))
        told = self.told
        if told.lifetime_s:
            new = self.registrations.binding(told, self.aor, self.transaction.request, self.flow)
            new.expires_at = now + told.lifetime_s
            self.remaining = (*kept, new)
        elif told.contacts:
            self.remaining = record.bindings  # one device left, others are still registered
        else:
            self.remaining = kept
        wall = self.registrations.node.clock.wall()
        try:
            location.commit(record, self.remaining, now, wall, self.committed)
        except Exception:
            location.release(record, now)  # a fault of ours must not lock the user out
            raise

    def committed(self, durable: bool) -> None:
        """Answer with the expiry that was asked for; then deliver what waited."""
        node = self.registrations.node
        record = self.record
        assert record is not None
        now, wall = node.clock.now(), node.clock.wall()
        if not durable:
            node.location.release(record, now)
            node.endpoint.respond(
                self.transaction, 503, now, b"Registration cannot be kept now", node.retry_after()
            )
            return
        self.registrations.accepted += 1
        node.location.apply(record, self.remaining, now, wall)
        lines = [b"Expires: %d" % self.told.lifetime_s]
        contact = self.transaction.request.line("contact")
        if contact is not None and self.told.lifetime_s:
            lines.append(contact)
        node.endpoint.respond(self.transaction, 200, now, None, lines)
        if self.told.lifetime_s:
            node.registrar.registered(self.aor, now)


def _features(contacts: tuple[Address, ...]) -> bytes:
    """Return what the user's devices can do, as Contact parameters: what any of them can."""
    features: dict[bytes, bytes | None] = {}
    for contact in contacts:
        for name, value in contact.params:
            if name not in _NOT_FEATURES:
                features.setdefault(name, value)
    text = b"".join(
        b";" + name + (b"" if value is None else b"=" + value) for name, value in features.items()
    )
    return text if len(text) <= _FEATURE_OCTETS else b""
