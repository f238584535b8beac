# SPDX-License-Identifier: Apache-2.0
"""Requests for one device of a user, which a GRUU or a PURR names (RFC 5627 6, RFC 8599 6)."""

from __future__ import annotations

from collections.abc import Sequence

from sip.forward import Target
from sip.gruu import Gruu, Gruus, device_of
from sip.message import Request
from sip.routing import Refusal, Routed
from sip.uri import Uri, parse_uri

from .identity.accounts import LocalNames
from .location import Location
from .push.dialogs import Dialogs

__all__ = ["Aiming"]

_FLOW_FAILED = 430


class Aiming:
    """Finds the device that a Request-URI names. dialogs: those with devices that may sleep."""

    def __init__(self, gruus: Gruus, names: LocalNames, location: Location) -> None:
        self.gruus = gruus
        self.dialogs: Dialogs | None = None
        self._names = names
        self._location = location

    def aim(self, request: Request, routed: Routed, uri: Uri, now: float) -> Uri:
        """Return where a request goes, the same URI when it names no device."""
        if "gr" in uri.params:
            return self._aim_by_gruu(request, routed, uri, now)
        if self.dialogs is not None and "pn-purr" in uri.params:
            self.dialogs.aim(request, routed, uri, now)
        return uri

    def _aim_by_gruu(self, request: Request, routed: Routed, uri: Uri, now: float) -> Uri:
        """Return where a request for a GRUU goes, the same URI when it is none of ours.

        Within a dialog of ours that is the device's contact, over the flow it has now, whatever the
        dialog began on; else the address of record, with `Routed.device`.
        """
        if uri.port is not None or not self._names.is_local(uri.host):
            return uri
        gruu = self.gruus.read(uri)
        if gruu is None:
            return uri
        device = self._device(gruu, now)
        if not device:
            return uri
        if routed.dialog_proven and request.to_tag:
            self._redirect(routed, gruu.aor, device, now)
            return parse_uri(routed.uri)
        routed.device = device
        return parse_uri(gruu.aor.encode())

    def targets(self, aor: str, device: str, now: float) -> list[Target]:
        """Return where one device of a user can be reached: one target or none."""
        location = self._location
        return [t for t in location.targets(aor, now) if location.device_of(t) == device]

    def refusal(self, aor: str, device: str, now: float) -> Refusal:
        """Say why no device is there: it is away (480), or there never was one (404)."""
        known = device in self._location.absent_devices(aor, now)
        return Refusal(480, b"The device is not registered") if known else Refusal(404)

    def _device(self, gruu: Gruu, now: float) -> str:
        if gruu.temporary:
            return device_of(gruu, self._location.bindings(gruu.aor, now))
        return gruu.instance

    def _redirect(self, routed: Routed, aor: str, device: str, now: float) -> None:
        """Send a request within a dialog to where the device is now.

        What a Path says is left alone where the dialog has a route of its own (RFC 5627 6.1).
        """
        targets: Sequence[Target] = self.targets(aor, device, now)
        if not targets:
            routed.refusal = self.refusal(aor, device, now)
            return
        target = targets[0]
        routed.uri = target.uri
        if routed.refusal is not None and routed.refusal.status == _FLOW_FAILED:
            routed.refusal = None
        if routed.routes:
            return
        routed.flow = target.flow
        if target.routes:
            routed.routes = list(target.routes)
