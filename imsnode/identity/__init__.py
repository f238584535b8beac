# SPDX-License-Identifier: Apache-2.0
"""Who is who: accounts, trusted peers, authentication, and limits on those who ask."""

from __future__ import annotations

from sip.routing import Refusal

from .accounts import Account, Directory, LocalNames, make_account
from .authenticator import DROP, Authenticator, AuthStats, challenge_status
from .offers import AuthSettings
from .peers import Peer, PeerTable
from .presented import AUTH_LINES
from .principal import UNTRUSTED_HEADERS, Principal
from .rates import Buckets, Rate, RateSettings, SourceLimiter, UserLimiter
from .throttle import FailureThrottle, ThrottleSettings
from .verifier import Finding, Judgement, Verifier

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
    "Finding",
    "Judgement",
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
    "Verifier",
    "challenge_status",
    "make_account",
]
