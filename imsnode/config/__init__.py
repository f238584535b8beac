# SPDX-License-Identifier: Apache-2.0
"""Configuration: the settings, where they come from, and what they mean."""

from __future__ import annotations

from .change import Change, changes
from .errors import ConfigError, Problem
from .loader import Config, load
from .model import Settings
from .others import Domain
from .peers import Peer, Route
from .types import HostPort, Listener

__all__ = [
    "Change",
    "Config",
    "ConfigError",
    "Domain",
    "HostPort",
    "Listener",
    "Peer",
    "Problem",
    "Route",
    "Settings",
    "changes",
    "load",
]
