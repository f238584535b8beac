# SPDX-License-Identifier: Apache-2.0
"""A flow: the socket path between one of our addresses and one peer address (RFC 5626 section 2).

A flow says where octets go; sending them is the transport's work (``ports.Transport``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transaction.client import ClientTransaction

__all__ = ["Flow"]

_SECURE = frozenset({"TLS", "WSS"})
_NO_NAMES: frozenset[str] = frozenset()


def _host_port(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Flow:
    """One path to one peer. Compared by identity; transports may subclass it.

    transport: token as in a Via ("UDP", "TCP", "TLS", "WS", "WSS"). local, remote: (host, port),
    IPv6 without brackets. sent_by: what our Via says on this flow, host and port; from ``local``
    unless given. closed: set by the transport once no request can be sent any more; a peer that
    only closed its sending side is still sent answers. broken: set by the endpoint when a stream is
    out of step and the transport must close it. pending: client transactions that must hear of a
    failure; belongs to the transaction layer. names: domains that the peer has proven to speak for
    (RFC 5922), in lower case; set by the transport. vetted: so many of our own addresses the
    endpoint has held the peer against; belongs to it.
    """

    __slots__ = (
        "__weakref__",
        "_via_prefix",
        "broken",
        "closed",
        "key",
        "local",
        "names",
        "pending",
        "reliable",
        "remote",
        "secure",
        "sent_by",
        "transport",
        "vetted",
    )

    def __init__(
        self,
        transport: str,
        local: tuple[str, int],
        remote: tuple[str, int],
        *,
        reliable: bool | None = None,
        secure: bool | None = None,
        key: str = "",
        sent_by: bytes = b"",
    ) -> None:
        self.transport = transport
        self.local = local
        self.remote = remote
        self.reliable: bool = transport != "UDP" if reliable is None else reliable
        self.secure: bool = transport in _SECURE if secure is None else secure
        self.closed = False
        self.broken = False
        self.key = key or f"{transport.lower()}|{_host_port(local)}|{_host_port(remote)}"
        self.sent_by = (sent_by or _host_port(local).encode("ascii")).lower()
        self.vetted = -1
        self.names = _NO_NAMES
        self.pending: dict[ClientTransaction, None] | None = None
        self._via_prefix = (
            b"Via: SIP/2.0/" + transport.encode("ascii") + b" " + self.sent_by + b";rport;branch="
        )

    def __repr__(self) -> str:
        return f"<Flow {self.key}{' closed' if self.closed else ''}>"

    def via_line(self, branch: bytes) -> bytes:
        """Return our Via header line for a request on this flow, without line end.

        ``rport`` asks the next hop to answer to the port the request came from (RFC 3581 3).
        """
        return self._via_prefix + branch
