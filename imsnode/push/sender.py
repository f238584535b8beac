# SPDX-License-Identifier: Apache-2.0
"""Who hands push notifications to the services of the devices: a webhook, or code of the operator.

The services (APNs, FCM, Web Push) want credentials and formats of their own, so the node tells
somebody who has them. Spec: RFC 8599 5.1 leaves it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Literal, Protocol

from .device import Device

__all__ = ["GROUP", "Notification", "Reason", "Sender", "SenderError", "load_sender"]

GROUP = "imsnode.push_senders"

#: Why a device is woken: something is there for it, or its registration ends.
Reason = Literal["message", "call", "request", "refresh"]


@dataclass(frozen=True, slots=True)
class Notification:
    """One push to send. id: of it alone. expires_s: for how long it is worth something."""

    id: str
    device: Device
    reason: Reason
    expires_s: float


class Sender(Protocol):
    """Sends push notifications; made by a factory that gets the options of the configuration.

    An entry point of the group ``imsnode.push_senders`` is such a factory.
    """

    async def send(self, notification: Notification) -> str:
        """Hand it to the service of the device; "" when that took it, else what went wrong.

        It is called from the node's event loop, so it must not block; it is cancelled when it
        takes too long.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds, when the node stops."""
        ...


#: make(options): what an entry point of the group is.
Factory = Callable[[Mapping[str, str]], Sender]


class SenderError(ValueError):
    """A sender cannot be loaded."""


def load_sender(uses: str, options: Mapping[str, str]) -> Sender:
    """Make a sender. uses: the name of an entry point of the group, or MODULE:ATTRIBUTE.

    Raises: SenderError for one that is not there or does not take its options.
    """
    factory = _find(uses)
    try:
        return factory(options)
    except Exception as error:
        raise SenderError(f"{uses} refuses its options: {error}") from error


def _find(uses: str) -> Factory:
    try:
        if ":" in uses:
            module, _, attribute = uses.partition(":")
            factory: Factory = getattr(import_module(module), attribute)
            return factory
        found = entry_points(group=GROUP, name=uses)
        if not found:
            raise SenderError(f"no package offers {uses} as an entry point of {GROUP}")
        return next(iter(found)).load()  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        raise SenderError(f"{uses} cannot be loaded: {error}") from error
