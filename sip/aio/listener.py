# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: opening them, naming them, the address peers should use."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from .errors import BindError

Address = tuple[str, int]

_BACKLOG = 1024


def join(host: str, port: int) -> str:
    """Return "host:port", with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Bound:
    """An open listener: transport token ("UDP", "TCP", "TLS") and the address it has."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport.lower()}:{join(self.host, self.port)}"

    @property
    def family(self) -> int:
        """The address family, AF_INET or AF_INET6."""
        return family_of(self.host)

    @property
    def wildcard(self) -> bool:
        """True when it listens on every address of the machine."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104


def family_of(host: str) -> int:
    """Return the address family of an IP literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def literal(host: str) -> str | None:
    """Return `host` as a plain IP literal, None when it is a name.

    "localhost" is the one name that is known without asking anybody; brackets are taken off.
    """
    if host == "localhost":
        return "127.0.0.1"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def can_be_target(host: str) -> bool:
    """Tell whether a unicast packet can be sent to this IP literal (rule S11)."""
    address = ipaddress.ip_address(host)
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")


def open_socket(
    transport: str, host: str, port: int, setting: str, *, reuse_port: bool = False
) -> tuple[socket.socket, Bound]:
    """Bind a non-blocking socket, listening when it is a stream.

    Args:   host: IP literal or "localhost"; port: 0 lets the system choose.
    Raises: BindError naming address and setting.
    """
    wanted = f"{transport.lower()}:{join(host, port)}"
    address = literal(host)
    if address is None:
        raise BindError(wanted, setting, "the address must be an IP address")
    stream = transport != "UDP"
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    opened: socket.socket | None = None
    try:
        opened = socket.socket(family_of(address), kind | socket.SOCK_NONBLOCK)
        if stream:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if opened.family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        if stream:
            opened.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        if opened is not None:
            opened.close()
        raise BindError(wanted, setting, _reason(error)) from error
    return opened, Bound(transport, address, opened.getsockname()[1])


def _reason(error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "the port must be 0..65535"
    return (error.strerror or str(error)).lower()


def route_source(remote: str) -> str | None:
    """Return the local address the system would send from to reach `remote`; nothing is sent."""
    try:
        with socket.socket(family_of(remote), socket.SOCK_DGRAM) as probe:
            probe.connect((remote, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def local_address(bound: Bound, remote: str) -> Address:
    """Return the address under which `remote` can reach this listener."""
    if bound.wildcard:
        return (route_source(remote) or bound.host, bound.port)
    return (bound.host, bound.port)
