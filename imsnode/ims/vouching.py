# SPDX-License-Identifier: Apache-2.0
"""What requests of the node's own tell inside the trust domain.

Deliveries from the store, receipts, invitations, NOTIFYs: whose they are (P-Asserted-Identity), and
under which identity they are accounted for. Spec: TS 24.229 5.7.3; RFC 3325 5; RFC 7315 4.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from sip.errors import BadMessage
from sip.forward import Draft, Target
from sip.grammar import is_token
from sip.headers.address import parse_address
from sip.headers.charging import ChargingVector, read_charging_vector
from sip.uri import Uri

from ..identity.accounts import LocalNames
from .charges import Charges
from .served_user import ServedUser, SessionCase

__all__ = ["Vouching"]

Field = tuple[bytes, bytes]


class Vouching:
    """`sip.forward.Vouch` of a node."""

    def __init__(self, names: LocalNames, charges: Charges) -> None:
        self._names = names
        self._charges = charges

    def __call__(self, draft: Draft, target: Target) -> Sequence[Field]:
        """Return the header fields of a request with what only the trusted may know."""
        fields: list[Field] = []
        sender: Uri | None = None
        charged: ChargingVector | None = None
        asserted = False
        for name, value in draft.headers:
            lower = name.lower()
            if lower == b"p-charging-vector":
                charged = _read(value)
                continue
            if lower in (b"from", b"f"):
                sender = self._own(value)
            asserted = asserted or lower == b"p-asserted-identity"
            fields.append((name, value))
        if sender is not None and not asserted and draft.method != "REGISTER":
            fields.append((b"P-Asserted-Identity", b"<%b>" % sender.aor.encode()))
        fields.append((b"P-Charging-Vector", self._vector(draft, charged).value()))
        if sender is not None and target.routes and b";orig" in target.routes[0]:
            line = ServedUser(sender, SessionCase.ORIGINATING, True).line()
            name, _, value = line.partition(b": ")
            fields.append((name, value))
        return fields

    def _own(self, value: bytes) -> Uri | None:
        """Return the sender when it is somebody of our domains, whom we can vouch for."""
        try:
            uri = parse_address(value, "From").uri
        except BadMessage:
            return None
        return uri if uri.is_sip and self._names.is_local(uri.host) else None

    def _vector(self, draft: Draft, charged: ChargingVector | None) -> ChargingVector:
        """Return what a request is accounted for under.

        Inside a dialog that is the dialog's identity; a delivery from the store is a transaction
        of its own, which follows from the one that brought the message.
        """
        if charged is None:
            return self._charges.sent()
        if draft.method != "MESSAGE":
            return charged
        return self._charges.sent(charged.icid if is_token(charged.icid) else b"")


def _read(value: bytes) -> ChargingVector | None:
    try:
        return read_charging_vector(value)
    except BadMessage:
        return None
