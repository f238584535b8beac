# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: plain numbers elsewhere, read and named here when somebody asks.

Counting costs its owner one integer addition; nothing of the metrics library runs per message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from sip.aio import Driver

if TYPE_CHECKING:
    from .http.websockets import WebSockets

__all__ = ["Kind", "Metrics", "driver_metrics", "websocket_metrics"]

_log = logging.getLogger(__name__)

Kind = Literal["counter", "gauge"]
_Family = CounterMetricFamily | GaugeMetricFamily
_PREFIX = "imsnode_"


class _Reader:
    """One metric: how it is called and how to read it, by label value ("" for none)."""

    __slots__ = ("help", "kind", "label", "name", "read")

    def __init__(
        self, name: str, text: str, kind: Kind, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        self.name = _PREFIX + name
        self.help = text
        self.kind: Kind = kind
        self.label = label
        self.read = read

    def family(self) -> _Family:
        """Return the metric with the values of this moment."""
        labels = [self.label] if self.label else None
        family: _Family
        if self.kind == "counter":
            family = CounterMetricFamily(self.name, self.help, labels=labels)
        else:
            family = GaugeMetricFamily(self.name, self.help, labels=labels)
        for value, number in self.read().items():
            family.add_metric([value] if self.label else [], number)
        return family


class Metrics(Collector):
    """The metrics of one node.

    Names are given without "imsnode_" in front and, for counters, without "_total" at the end;
    both are added. A name can be used once. A reader that raises is left out of that scrape.
    """

    def __init__(self) -> None:
        self._readers: dict[str, _Reader] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(namespace="imsnode", registry=self._registry)

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a number that only rises."""
        self._add(_Reader(name, text, "counter", "", lambda: {"": read()}))

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a number that rises and falls."""
        self._add(_Reader(name, text, "gauge", "", lambda: {"": read()}))

    def labelled(
        self,
        name: str,
        text: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
        kind: Kind = "counter",
    ) -> None:
        """Add several numbers that differ by one label; `read` gives them by its values."""
        self._add(_Reader(name, text, kind, label, read))

    def stats(
        self, prefix: str, source: object, texts: Mapping[str, str], kind: Kind = "counter"
    ) -> None:
        """Add fields of an object as PREFIX_FIELD; `texts` maps field to help text.

        Raises: AttributeError when the object lacks one of them.
        """
        for field, text in texts.items():
            getattr(source, field)
            self._add(_Reader(f"{prefix}_{field}", text, kind, "", _field(source, field)))

    def _add(self, reader: _Reader) -> None:
        if reader.name in self._readers:
            raise ValueError(f"metric {reader.name} is there already")
        self._readers[reader.name] = reader

    def collect(self) -> Iterator[_Family]:
        """Yield all metrics; called by the registry."""
        for reader in self._readers.values():
            try:
                family = reader.family()
            except Exception:  # noqa: BLE001  # one broken reader must not hide the others
                _log.exception("metric not readable", extra={"metric": reader.name})
                continue
            yield family

    def render(self) -> tuple[bytes, str]:
        """Return the text of a scrape and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _field(source: object, field: str) -> Callable[[], Mapping[str, float]]:
    return lambda: {"": getattr(source, field)}


def driver_metrics(metrics: Metrics, driver: Driver) -> None:
    """Register what sockets and connections count."""
    stats = driver.stats
    metrics.labelled(
        "datagrams",
        "UDP datagrams.",
        "direction",
        lambda: {"in": stats.udp_in, "out": stats.udp_out},
    )
    metrics.labelled(
        "stream_messages",
        "Messages on TCP, TLS and WebSocket connections.",
        "direction",
        lambda: {"in": stats.stream_in, "out": stats.stream_out},
    )
    metrics.labelled(
        "datagrams_not_sent",
        "UDP datagrams that did not leave.",
        "reason",
        lambda: {"refused": stats.udp_dropped, "queue_full": stats.udp_send_full},
    )
    metrics.labelled(
        "connections_refused",
        "Connections not accepted.",
        "reason",
        lambda: {
            "total": stats.refused_total,
            "source": stats.refused_source,
            "handshakes": stats.refused_handshakes,
        },
    )
    metrics.labelled(
        "connections_closed",
        "Connections ended by a bound.",
        "reason",
        lambda: {
            "framing": stats.framing_errors,
            "handshake": stats.handshake_failed,
            "idle": stats.closed_idle,
            "output": stats.closed_output,
            "partial": stats.closed_partial,
        },
    )
    metrics.stats("connections", stats, {"accepted": "Connections accepted."})
    metrics.stats(
        "shell",
        stats,
        {
            "banned": "Datagrams and connections of banned sources, dropped unparsed.",
            "connect_failed": "Connections that could not be opened.",
            "connects": "Connections this node tried to open.",
            "faults": "Exceptions caught at the edge.",
            "misnamed": "TLS connections whose certificate names somebody else.",
            "pings": "Keep-alives answered.",
            "udp_errors": "ICMP errors read.",
            "udp_wakeups": "Times the loop was woken for datagrams.",
        },
    )
    metrics.gauge("connections", "Connections open now.", lambda: stats.connections)
    metrics.gauge("tls_handshakes", "TLS handshakes under way.", lambda: stats.handshaking)


def websocket_metrics(metrics: Metrics, websockets: WebSockets) -> None:
    """Register what the WebSocket services count."""
    stats = websockets.stats
    metrics.labelled(
        "websockets",
        "WebSocket connections there are.",
        "subprotocol",
        websockets.counts,
        kind="gauge",
    )
    metrics.labelled(
        "websockets_refused",
        "WebSocket handshakes refused.",
        "reason",
        lambda: {"forbidden": stats.forbidden, "malformed": stats.malformed},
    )
    metrics.labelled(
        "websockets_closed",
        "WebSocket connections ended by a rule or a bound.",
        "reason",
        lambda: {
            "broken": stats.broken,
            "slow": stats.slow,
            "unanswered": stats.unanswered,
        },
    )
