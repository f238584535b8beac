# SPDX-License-Identifier: Apache-2.0
"""What is counted of peers, by their names."""

from __future__ import annotations

from collections.abc import Callable

from imsnode.metrics import Metrics

from .interconnect import Interconnect
from .partner import Partner

__all__ = ["peer_metrics"]


def peer_metrics(metrics: Metrics, interconnect: Interconnect) -> None:
    """Register the state and the counters of every peer that takes requests."""

    def each(read: Callable[[Partner], float]) -> Callable[[], dict[str, float]]:
        return lambda: {name: read(one) for name, one in interconnect.partners.items()}

    gauges: tuple[tuple[str, str, Callable[[Partner], float]], ...] = (
        ("peer_up", "1 while one of a peer's targets answers.", lambda one: float(one.up)),
        ("peer_waiting", "Requests at a peer without an answer.", lambda one: one.waiting),
        ("peer_rtt_seconds", "Time to the last answer to OPTIONS.", _quickest),
    )
    for name, text, read in gauges:
        metrics.labelled(name, text, "peer", each(read), "gauge")
    counters: tuple[tuple[str, str, Callable[[Partner], float]], ...] = (
        ("peer_requests", "Requests sent to a peer.", lambda one: one.stats.requests),
        ("peer_failed", "Requests a peer did not answer.", lambda one: one.stats.failed),
        ("peer_throttled", "Requests beyond a peer's capacity.", lambda one: one.stats.throttled),
        (
            "peer_skipped",
            "Requests not sent to a peer that is down.",
            lambda one: one.stats.skipped,
        ),
    )
    for name, text, read in counters:
        metrics.labelled(name, text, "peer", each(read))


def _quickest(partner: Partner) -> float:
    return min((state.rtt_s for state in partner.states.values() if state.rtt_s), default=0.0)
