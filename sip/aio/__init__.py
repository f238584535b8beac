# SPDX-License-Identifier: Apache-2.0
"""The asyncio shell of the SIP core: sockets, one timer, connections. No SIP decisions."""

from __future__ import annotations

from .clock import SystemClock
from .driver import Driver
from .errors import BindError
from .ids import SystemIds
from .listener import Bound
from .ports import EndpointPort, Tap
from .stats import DriverStats
from .stream import StreamLimits
from .udp import UdpOptions

__all__ = [
    "BindError",
    "Bound",
    "Driver",
    "DriverStats",
    "EndpointPort",
    "StreamLimits",
    "SystemClock",
    "SystemIds",
    "Tap",
    "UdpOptions",
]
