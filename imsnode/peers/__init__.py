# SPDX-License-Identifier: Apache-2.0
"""Interconnection: which other servers take what, in which order they are tried, how they are."""

from __future__ import annotations

from .failover import Failover
from .interconnect import Interconnect, Way
from .partner import Hop, Partner

__all__ = ["Failover", "Hop", "Interconnect", "Partner", "Way"]
