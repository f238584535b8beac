# SPDX-License-Identifier: Apache-2.0
"""What a client is offered to prove who it is: algorithms and challenges (RFC 8760)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sip import octets
from sip.digest.algorithms import MD5
from sip.digest.challenge import challenge_frame
from sip.digest.nonce import NonceSource
from sip.flow import Flow
from sip.message import Request

from .accounts import Account, Directory, LocalNames

__all__ = ["AuthSettings", "Offers"]


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """What is offered and for how long.

    algorithms: names of ``sip.digest``, strongest first, one challenge each. domain_algorithms: by
    domain. listener_algorithms: by (transport, host, port) of the listener; "0.0.0.0" and "::"
    stand for every address. An account's own choice comes first, then domain, listener, default.
    nonce_memory: nonces whose count is remembered. listener_uri: whether a digest uri that is the
    address and port of a listener, without a user, passes for any Request-URI; SIPp writes that.
    """

    algorithms: tuple[str, ...] = (MD5,)
    domain_algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    listener_algorithms: Mapping[tuple[str, str, int], tuple[str, ...]] = field(
        default_factory=dict
    )
    nonce_lifetime_s: float = 300.0
    nonce_memory: int = 1 << 18
    listener_uri: bool = True


class Offers:
    """Chooses the algorithms for a sender and writes the challenges.

    realms: names of our domains with their octets.
    """

    __slots__ = ("_default", "_directory", "_frames", "_names", "_nonces", "_realms", "_settings")

    def __init__(
        self,
        settings: AuthSettings,
        directory: Directory,
        names: LocalNames,
        realms: Mapping[str, bytes],
        nonces: NonceSource,
    ) -> None:
        self._directory = directory
        self._names = names
        self._realms = dict(realms)
        self._nonces = nonces
        self.configure(settings)

    def configure(self, settings: AuthSettings) -> None:
        """Take new settings."""
        self._settings = settings
        self._default = _only_offer(settings)
        # Challenges of a realm by offer, status and whether the nonce was stale, without nonces.
        self._frames: dict[
            str, dict[tuple[tuple[str, ...], int, bool], tuple[tuple[bytes, bytes], ...]]
        ] = {}

    def challenges(
        self, request: Request, flow: Flow, wall: float, realm: str, status: int, stale: bool
    ) -> tuple[bytes, ...]:
        """Header lines that ask for credentials, one for each algorithm, strongest first.

        Spec: RFC 8760 section 2.3.
        """
        account: Account | None = None
        if self._directory.choosing:
            names = self._names
            if request.method == "REGISTER":
                account = self._directory.get(names.registrant(request.to_uri))
            else:
                account = self._directory.get(names.aor_of(request.from_uri))
        offer = self.algorithms(account, realm, flow)
        known = self._frames.get(realm)
        if known is None:
            known = self._frames[realm] = {}
        key = (offer, status, stale)
        frames = known.get(key)
        if frames is None:
            frames = known[key] = tuple(
                [
                    challenge_frame(realm, algorithm, b"auth", stale, status == 407)
                    for algorithm in offer
                ]
            )
        nonce = self._nonces.make(wall, self._realms[realm], flow.remote[0])
        return tuple([octets.concat(head, nonce, tail, b"") for head, tail in frames])

    def algorithms(self, account: Account | None, realm: str, flow: Flow) -> tuple[str, ...]:
        """The algorithms that are good for this account, domain and listener."""
        if account is not None and account.algorithms:
            return account.algorithms
        if self._default:
            return self._default
        settings = self._settings
        if settings.domain_algorithms:
            chosen = settings.domain_algorithms.get(realm)
            if chosen:
                return chosen
        if settings.listener_algorithms:
            host, port = flow.local
            anywhere = "::" if ":" in host else "0.0.0.0"  # noqa: S104 - a key, nothing is bound
            for address in (host, anywhere):
                chosen = settings.listener_algorithms.get((flow.transport, address, port))
                if chosen:
                    return chosen
        return settings.algorithms


def _only_offer(settings: AuthSettings) -> tuple[str, ...]:
    """What is offered wherever an account does not choose; () when that depends on where."""
    if settings.domain_algorithms or settings.listener_algorithms:
        return ()
    return settings.algorithms
