# SPDX-License-Identifier: Apache-2.0
"""Who is who: accounts, trusted peers, authentication, and limits on those who ask."""

from __future__ import annotations

from .accounts import Account, Directory, LocalNames, make_account
from .authenticator import (
    AUTH_LINES,
    DROP,
    UNTRUSTED_HEADERS,
    Authenticator,
    AuthSettings,
    AuthStats,
    Principal,
    Refusal,
    challenge_status,
)
from .peers import Peer, PeerTable
from .rates import Buckets, Rate, RateSettings, SourceLimiter, UserLimiter
from .throttle import FailureThrottle, ThrottleSettings

__all__ = [
    "AUTH_LINES",
    "DROP",
    "UNTRUSTED_HEADERS",
    "Account",
    "AuthSettings",
    "AuthStats",
    "Authenticator",
    "Buckets",
    "Directory",
    "FailureThrottle",
    "LocalNames",
    "Peer",
    "PeerTable",
    "Principal",
    "Rate",
    "RateSettings",
    "Refusal",
    "SourceLimiter",
    "ThrottleSettings",
    "UserLimiter",
    "challenge_status",
    "make_account",
]
