# SPDX-License-Identifier: Apache-2.0
"""Which address of this machine a datagram came to, and from which one it leaves.

Only a listener on every address needs this: the kernel tells the address that was asked with each
datagram and takes it with each answer, so that peers on a machine of several addresses hear from
the one they spoke to (RFC 3581 4). See ip(7), ipv6(7).
"""

from __future__ import annotations

import ipaddress
import socket

__all__ = ["ROOM", "asked", "can_answer", "literal", "mark", "named", "packed", "request"]

# A Linux value that the socket module of Python 3.11 does not name.
_IP_PKTINFO = 8
# struct in_pktinfo: interface, our address, the address in the datagram's header;
# struct in6_pktinfo: the address in the header, interface.
_V4_OCTETS = 12
_V6_OCTETS = 20

# Octets of control data that hold either with its head.
ROOM = 64

Control = list[tuple[int, int, bytes]]


def request(opened: socket.socket) -> None:
    """Have the kernel tell the local address of each datagram."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def asked(control: Control) -> bytes:
    """Return our address, packed, out of what came with a datagram; empty when it is not told."""
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= _V4_OCTETS:
            return data[4:8]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return data[:16]
    return b""


def named(control: Control) -> bytes:
    """Return the address that an ICMP error came back to: the one our datagram left from."""
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(data) >= _V4_OCTETS:
            return data[8:12]
    return asked(control)


def mark(local: bytes) -> Control:
    """Return what has a datagram leave from `local`; with nothing the system chooses."""
    if len(local) == 4:
        return [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + local + bytes(4))]
    if len(local) == 16:
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, local + bytes(4))]
    return []


def can_answer(local: bytes) -> bool:
    """Tell whether datagrams can leave from `local`: not from a group that was asked."""
    return bool(local) and not ipaddress.ip_address(local).is_multicast


def packed(host: str) -> bytes:
    """Return the octets of an IP literal."""
    return ipaddress.ip_address(host).packed


def literal(local: bytes) -> str:
    """Return packed octets as an IP literal."""
    return str(ipaddress.ip_address(local))
