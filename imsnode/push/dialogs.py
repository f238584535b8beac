# SPDX-License-Identifier: Apache-2.0
"""Requests within dialogs for devices that may sleep meanwhile (RFC 8599 section 6)."""

from __future__ import annotations

from sip.message import Request
from sip.routing import Routed
from sip.uri import Uri

from ..location import Location
from .push import Push
from .reference import References

__all__ = ["Dialogs"]

_FLOW_FAILED = 430


class Dialogs:
    """Finds the device that a dialog names by a PURR (`imsnode.push.reference`)."""

    def __init__(self, push: Push, references: References, location: Location) -> None:
        self._push = push
        self._references = references
        self._location = location

    def aim(self, request: Request, routed: Routed, uri: Uri, now: float) -> None:
        """Send a request of a dialog of ours over the flow that its device has now.

        When it sleeps, `Routed.waking` says whose device has to be woken first.
        """
        if not routed.dialog_proven or not request.to_tag or routed.routes:
            return
        binding = self._references.find(uri.param("pn-purr") or b"", now)
        if binding is None or not binding.instance:
            return
        if routed.refusal is not None and routed.refusal.status == _FLOW_FAILED:
            routed.refusal = None
        if self._push.sleepers(binding.aor, now, binding.instance):
            routed.waking, routed.device = binding.aor, binding.instance
            return
        for target in self._location.targets(binding.aor, now):
            if self._location.device_of(target) == binding.instance:
                routed.flow = target.flow
                return
