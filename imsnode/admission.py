# SPDX-License-Identifier: Apache-2.0
"""Who may ask for something, and how often: accounts, peers, authentication, limits."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sip.flow import Flow
from sip.message import Request
from sip.timers import TimerConfig

from . import settings as settings_of
from .config import Config
from .edge import Edge
from .identity import (
    Account,
    Authenticator,
    Directory,
    FailureThrottle,
    PeerTable,
    Refusal,
    SourceLimiter,
    UserLimiter,
)
from .identity.aka import AkaDigest
from .identity.association import Associations
from .identity.auc import AuthenticationCentre, Sequences
from .identity.rates import OnBan
from .identity.vault import Vault
from .location import Location
from .registration import Clock
from .secret import CARDS

__all__ = ["Admission"]


class Admission:
    """What `Node` asks before it serves anybody.

    Args: ban: called with a source above its rate and the time until which to ignore it.
    """

    def __init__(
        self, config: Config, accounts: Iterable[Account], edge: Edge, ban: OnBan, now: float
    ) -> None:
        self.directory = Directory(accounts)
        self.directory.identities.configure(settings_of.number_plans(config), config.domains[0])
        edge.names.identify(self.directory.identities)
        self.peers = PeerTable()
        rates = settings_of.rates(config)
        self.sources = SourceLimiter(rates, self.peers, ban)
        self.users = UserLimiter(rates)
        self.throttle = FailureThrottle(settings_of.throttle(config))
        self.authenticator = Authenticator(
            self.directory,
            self.peers,
            edge.names,
            edge.key_for(b"nonces"),
            secrets.randbits(64),
            settings=settings_of.auth_settings(config),
            throttle=self.throttle,
            sources=self.sources,
            listeners=edge.endpoint.own,
            # RFC 3261 17.1.2.2: so long a client repeats what it sent before we came up.
            resends_until=now + TimerConfig(t1=config.timers.t1).transaction,
        )
        self.authenticator.agreement = settings_of.agreement(config)
        self.authenticator.admitted = frozenset(config.interconnect.admit)

    def admit_cards(
        self, config: Config, edge: Edge, sequences: Sequences, location: Location, clock: Clock
    ) -> None:
        """Let users register with their SIM cards."""
        vault = Vault(edge.key_for(CARDS))
        authenticator = self.authenticator
        auc = AuthenticationCentre(vault, sequences, secrets.token_bytes)

        def answer(request: Request, flow: Flow, refusal: Refusal) -> None:
            if authenticator.agreement is not None:
                refusal = authenticator.agreement.told(request, flow, refusal)
            edge.endpoint.reply(
                request, flow, refusal.status, clock.now(), refusal.reason, refusal.lines
            )

        key = edge.key_for(b"aka nonces")
        authenticator.aka = AkaDigest(auc, authenticator.nonces, key, answer)
        self.associations = Associations(location.bindings, config.auth.associated)
        authenticator.associated = self.associations

    def is_user(self, aor: str) -> bool:
        """Tell whether this is an account of ours that is not switched off."""
        account = self.directory.get(aor)
        return account is not None and account.enabled
