# SPDX-License-Identifier: Apache-2.0
"""The ways to other servers: for one request, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sip.flow import Flow
from sip.uri import Uri

from .partner import Hop, Partner
from .ranges import Ranges, number_of

__all__ = ["Interconnect", "Way"]

REST_S = 30.0  # of an address that failed and that nobody asks how it is


@dataclass(frozen=True, slots=True)
class Way:
    """One address of one partner. uri: the Request-URI to go there with."""

    partner: Partner
    hop: Hop
    uri: bytes


class Interconnect:
    """Who takes what is not for users of ours.

    reached: told of each flow by which a way is gone. patience_s: how long a peer may say nothing
    before the next one is asked.
    """

    def __init__(self) -> None:
        self.reached: Callable[[Way, Flow], None] = _nobody_asks
        self.patience_s = 4.0
        self.partners: dict[str, Partner] = {}
        self._ranges = Ranges()
        # Credits of the smooth weighted rotation among equals, by name.
        self._credit: dict[str, int] = {}

    def configure(self, partners: Sequence[Partner]) -> None:
        """Make these all the partners there are; those that stay keep their state."""
        for partner in partners:
            before = self.partners.get(partner.name)
            if before is not None:
                partner.take_over(before)
        self.partners = {partner.name: partner for partner in partners}
        self._ranges = Ranges(partners)
        self._credit = {}

    def __bool__(self) -> bool:
        return bool(self.partners)

    def takes(self, uri: Uri) -> bool:
        """Say whether somebody takes requests for a URI, whether they are up or not."""
        return bool(self._takers(uri))

    def takes_domain(self, host: str) -> bool:
        """Say whether somebody takes requests for a domain."""
        return bool(self._ranges.of_domain(host))

    def takes_number(self, uri: Uri) -> bool:
        """Say whether somebody takes requests for the number in a URI."""
        number = number_of(uri)
        return bool(number and self._ranges.of_number(number))

    def ways(self, uri: Uri, raw: bytes, now: float, source: str = "") -> Iterator[Way]:
        """Give the ways for a request, best first, each when the one before it has failed.

        Lower priority goes first, equals in turn by weight, the addresses of each in their order.
        Addresses that rest come after all others: one recipient who is silent makes any of them
        look like that. What is down is left out, and so is a partner without room at the moment it
        is its turn.

        Args: raw: the Request-URI as it would go on. source: the partner it came from, to whom it
            does not go back.
        """
        number = "" if uri.is_sip and self._ranges.of_domain(uri.host) else number_of(uri)
        takers = [one for one in self._takers(uri) if one.name != source]
        for partner, hops in _rested_first(list(self._in_order(takers)), now):
            if not partner.has_room(now):
                partner.stats.throttled += 1
                continue
            request_uri = _as_number(number, partner) if number else raw
            for hop in hops:
                yield Way(partner, hop, request_uri)

    def failed(self, way: Way, now: float) -> None:
        """Note that a request got no answer on a way."""
        way.partner.stats.failed += 1
        if not way.partner.ping_s and len(way.partner.hops) > 1:
            way.partner.states[way.hop].shunned_until = now + REST_S

    def _takers(self, uri: Uri) -> Sequence[Partner]:
        if uri.is_sip:
            found = self._ranges.of_domain(uri.host)
            if found:
                return found
        number = number_of(uri)
        return self._ranges.of_number(number) if number else ()

    def _in_order(self, partners: Sequence[Partner]) -> Iterator[Partner]:
        for priority in sorted({partner.priority for partner in partners}):
            equals = [partner for partner in partners if partner.priority == priority]
            if len(equals) > 1:
                equals = self._rotated(equals)
            yield from equals

    def _rotated(self, equals: list[Partner]) -> list[Partner]:
        """Put whose turn it is in front: each gains its weight, the first pays for all."""
        credit = self._credit
        for partner in equals:
            credit[partner.name] = credit.get(partner.name, 0) + partner.weight
        equals.sort(key=lambda partner: -credit[partner.name])
        credit[equals[0].name] -= sum(partner.weight for partner in equals)
        return equals


def _rested_first(
    partners: Sequence[Partner], now: float
) -> Iterator[tuple[Partner, Sequence[Hop]]]:
    """Give each partner with what of it may be tried: what does not rest, then what does."""
    resting = [(partner, partner.resting(now)) for partner in partners]
    for partner, tired in resting:
        ready = partner.usable(now)
        if ready:
            yield partner, ready
        elif not tired:
            partner.stats.skipped += 1
    for partner, tired in resting:
        if tired:
            yield partner, tired


def _nobody_asks(way: Way, flow: Flow) -> None:
    """Flows say enough of themselves."""


def _as_number(number: str, partner: Partner) -> bytes:
    """Return a number as a SIP URI of the partner that takes it (RFC 3261 19.1.6)."""
    domain = next((name for name in partner.domains if not name.startswith("*")), "")
    host = domain or partner.hops[0].server_name or partner.hops[0].host
    written = f"[{host}]" if ":" in host else host
    return f"sip:{number}@{written};user=phone".encode()
