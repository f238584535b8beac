# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest

from imsnode.metrics import Metrics, driver_metrics
from sip.aio import Driver


class Stats:
    __slots__ = ("kept", "lost")

    def __init__(self) -> None:
        self.kept = 0
        self.lost = 0


def text(metrics: Metrics) -> str:
    payload, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return payload.decode()


def test_values_are_read_at_scrape_time() -> None:
    metrics, stats = Metrics(), Stats()
    metrics.stats("store", stats, {"kept": "Kept.", "lost": "Lost."})
    metrics.gauge("bindings", "Bindings.", lambda: 7)
    metrics.counter("echoed", "Echoed.", lambda: 2)
    metrics.labelled("refused", "Refused.", "reason", lambda: {"full": 3, "banned": 4})
    stats.kept = 5
    scraped = text(metrics)
    for line in (
        "imsnode_store_kept_total 5.0",
        "imsnode_store_lost_total 0.0",
        "imsnode_bindings 7.0",
        "# TYPE imsnode_bindings gauge",
        "imsnode_echoed_total 2.0",
        'imsnode_refused_total{reason="full"} 3.0',
        "# HELP imsnode_store_kept_total Kept.",
    ):
        assert line in scraped.splitlines()
    stats.kept = 6
    assert "imsnode_store_kept_total 6.0" in text(metrics)


def test_every_name_has_the_prefix() -> None:
    metrics = Metrics()
    metrics.gauge("bindings", "Bindings.", lambda: 7)
    names = [line.split("{")[0] for line in text(metrics).splitlines() if line[0] != "#"]
    assert all(name.startswith("imsnode_") for name in names)


def test_a_name_is_used_once() -> None:
    metrics = Metrics()
    metrics.gauge("bindings", "Bindings.", lambda: 7)
    with pytest.raises(ValueError, match="imsnode_bindings"):
        metrics.counter("bindings", "Again.", lambda: 7)


def test_a_missing_field_is_found_at_once() -> None:
    with pytest.raises(AttributeError):
        Metrics().stats("store", Stats(), {"nothing": "Nothing."})


def test_a_broken_reader_hides_no_other() -> None:
    metrics = Metrics()
    metrics.gauge("broken", "Broken.", lambda: 1 / 0)
    metrics.gauge("fine", "Fine.", lambda: 1)
    scraped = text(metrics)
    assert "imsnode_fine 1.0" in scraped
    assert "imsnode_broken" not in scraped


async def test_the_shell_is_there() -> None:
    metrics = Metrics()
    driver = Driver(asyncio.get_running_loop(), lambda transport: _Nobody())
    driver_metrics(metrics, driver)
    driver.stats.udp_in = 12
    driver.stats.connections = 3
    scraped = text(metrics)
    assert 'imsnode_datagrams_total{direction="in"} 12.0' in scraped
    assert "imsnode_connections 3.0" in scraped
    assert "imsnode_connections_accepted_total 0.0" in scraped


class _Nobody:
    def receive_datagrams(self, *_: object) -> None: ...

    receive_message = flow_failed = handle_timeouts = receive_datagrams

    def next_deadline(self) -> None:
        return None
