# SPDX-License-Identifier: Apache-2.0
"""What a binding says of how to wake its device (RFC 8599 section 8.7)."""

from __future__ import annotations

from dataclasses import dataclass

from sip.registrar import Binding
from sip.uri import Uri, parse_uri

__all__ = ["Device", "device_behind", "provider_of"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device that push notifications reach.

    provider: the push service, as in pn-provider ("apns", "fcm", "webpush"). prid: what the service
    knows the device by. param: what else it needs, "" for nothing. instance: "" when it gave none.
    """

    aor: str
    instance: str
    provider: str
    prid: str
    param: str


def provider_of(uri: Uri) -> str | None:
    """Return the push service that a contact names, "" when it asks which there are."""
    value = uri.param("pn-provider")
    return None if value is None else value.decode("utf-8", "replace").lower()


def device_behind(binding: Binding) -> Device | None:
    """Return the device of a binding; None where push notifications do not reach it."""
    uri = parse_uri(binding.contact)
    if not uri.params:
        return None
    provider, prid = provider_of(uri), uri.param("pn-prid")
    if not provider or not prid:
        return None
    param = uri.param("pn-param") or b""
    return Device(
        binding.aor,
        binding.instance,
        provider,
        prid.decode("utf-8", "replace"),
        param.decode("utf-8", "replace"),
    )
