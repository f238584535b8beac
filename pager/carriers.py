# SPDX-License-Identifier: Apache-2.0
"""Several ways to devices beside the MESSAGE, asked one after another."""

from __future__ import annotations

from sip.forward import Target

from .ports import Carried, Carrier
from .values import StoredMessage

__all__ = ["Carriers"]


class Carriers:
    """`pager.ports.Carrier` that is several: the first that takes a message has it."""

    def __init__(self, *carriers: Carrier) -> None:
        self._carriers = carriers

    def wants(self, message: StoredMessage, target: Target, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        return any(carrier.wants(message, target, now) for carrier in self._carriers)

    def carry(self, message: StoredMessage, target: Target, carried: Carried, now: float) -> bool:
        """See `pager.ports.Carrier`."""
        return any(carrier.carry(message, target, carried, now) for carrier in self._carriers)
