# SPDX-License-Identifier: Apache-2.0
"""What a REGISTER asks for push notifications, and what its answer says (RFC 8599 5.4, 5.6.1)."""

from __future__ import annotations

from collections.abc import Callable

from sip.message import Request
from sip.registrar import Binding, RegisterRefused, Registration
from sip.uri import parse_uri

from .device import device_behind, provider_of
from .push import Push

__all__ = ["Capability"]

_SLACK_S = (
    30  # a registration lasts so much longer than the time for which a device is woken before
)
_SELF_WAKING_S = 10  # a device that wakes itself does so before it would be woken
_INDICATOR = b"+sip.pns="


class Capability:
    """Judges contacts with pn-parameters. Args: reference: the PURR of a binding (6.2.1)."""

    def __init__(self, push: Push, reference: Callable[[Binding], bytes]) -> None:
        self._push = push
        self._reference = reference

    def check(self, request: Request, plan: Registration, now: float) -> None:
        """Refuse what cannot be kept. Raises: RegisterRefused (555, 423)."""
        elsewhere: bool | None = None
        for binding in plan.updated:
            provider = _provider(binding)
            if provider is None:
                continue
            if elsewhere is None:
                elsewhere = _has_indicator(request)
            self._push.woken_elsewhere(binding, elsewhere)
            if elsewhere or not provider:
                continue
            settings = self._push.settings
            if provider not in settings.providers:
                raise RegisterRefused(555, b"Push Notification Service Not Supported", self._all())
            least = int(settings.refresh_s) + _SLACK_S
            if device_behind(binding) is not None and binding.expires_at - now < least:
                raise RegisterRefused(423, b"Interval Too Brief", (b"Min-Expires: %d" % least,))

    def lines(self, request: Request, plan: Registration) -> list[bytes]:
        """Return the Feature-Caps lines of a 200."""
        found: list[bytes] = []
        for binding in plan.updated:
            provider = _provider(binding)
            if provider is None or _has_indicator(request):
                continue
            found += self._all() if not provider else [self._line(binding, provider)]
        return list(dict.fromkeys(found))

    def _line(self, binding: Binding, provider: str) -> bytes:
        line = b'Feature-Caps: *;+sip.pns="%b"' % provider.encode()
        if device_behind(binding) is None:
            return line
        if b";+sip.pnsreg" in binding.params.lower():
            line += b';+sip.pnsreg="%d"' % (self._push.settings.refresh_s + _SELF_WAKING_S)
        return line + b';+sip.pnspurr="%b"' % self._reference(binding)

    def _all(self) -> tuple[bytes, ...]:
        providers = sorted(self._push.settings.providers)
        return tuple(b'Feature-Caps: *;+sip.pns="%b"' % one.encode() for one in providers)


def _provider(binding: Binding) -> str | None:
    if b";pn-" not in binding.contact:
        return None
    return provider_of(parse_uri(binding.contact))


def _has_indicator(request: Request) -> bool:
    """Say whether a proxy before this node wakes the device (RFC 6809, RFC 8599 5.6.1.1)."""
    return any(_INDICATOR in value.lower() for value in request.get_all("feature-caps"))
