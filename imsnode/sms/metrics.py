# SPDX-License-Identifier: Apache-2.0
"""What is counted of message centres, by their names."""

from __future__ import annotations

from collections.abc import Callable

from imsnode.metrics import Kind, Metrics

from .bridge import SmsBridge

__all__ = ["sms_metrics"]

_TEXTS: tuple[tuple[str, str, Kind], ...] = (
    ("bound", "1 while the link to a message centre is bound.", "gauge"),
    ("binds", "Times the link was bound.", "counter"),
    ("submitted", "Short messages a centre took.", "counter"),
    ("refused", "Short messages a centre refused.", "counter"),
    ("throttled", "Times a centre asked for fewer.", "counter"),
    ("delivered", "Short messages and receipts taken from a centre.", "counter"),
)


def sms_metrics(metrics: Metrics, bridge: SmsBridge) -> None:
    """Register the counters of every link."""

    def each(field: str) -> Callable[[], dict[str, float]]:
        return lambda: {name: getattr(link.stats, field) for name, link in bridge.links().items()}

    for field, text, kind in _TEXTS:
        metrics.labelled(f"smsc_{field}", text, "smsc", each(field), kind)
