# SPDX-License-Identifier: Apache-2.0
"""Which addresses mean this node."""

from __future__ import annotations

from collections.abc import Iterable

from sip.aio.driver import Bound

from .config import Config


def listens_on_loopback(bound: Iterable[Bound]) -> bool:
    """Tell whether the node serves clients on loopback, so that their dialogs lead back there.

    A listener for every address is none: behind it are strangers, and on loopback is whatever else
    runs on this machine (threats.md R2).
    """
    return any(listener.host == "::1" or listener.host.startswith("127.") for listener in bound)


def own_addresses(bound: list[Bound], config: Config) -> list[tuple[str, int]]:
    """List the addresses that mean this node: listeners, and the advertised name on their ports."""
    addresses: dict[tuple[str, int], None] = {}
    for listener in bound:
        addresses[(listener.host, listener.port)] = None
        if listener.host == "0.0.0.0":  # noqa: S104  # compared, not bound
            addresses[("127.0.0.1", listener.port)] = None
        elif listener.host == "::":
            addresses[("::1", listener.port)] = None
        if config.network.advertise:
            addresses[(config.network.advertise.lower(), listener.port)] = None
    return list(addresses)
