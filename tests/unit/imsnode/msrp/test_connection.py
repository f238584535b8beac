# SPDX-License-Identifier: Apache-2.0
"""What a connection asks of its socket."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from imsnode.msrp.connection import Connection
from session_msrp.limits import Limits


def connection() -> Connection:
    table: Any = SimpleNamespace(
        now=lambda: 0.0, limits=SimpleNamespace(stall_s=60.0, msrp=Limits()), dirty=[]
    )
    return Connection(table, ("192.0.2.7", 7777), "192.0.2.7", False, True)


def stream_over(opened: socket.socket, unsent: int = 0) -> Any:
    said = {"socket": opened, "sockname": ("192.0.2.1", 2855)}
    return SimpleNamespace(
        get_extra_info=said.get,
        set_write_buffer_limits=lambda high, low: None,
        is_closing=lambda: False,
        get_write_buffer_size=lambda: unsent,
    )


def test_what_the_peers_tcp_has_not_confirmed_is_known() -> None:
    ours = connection()
    assert ours.unacknowledged
    with socket.socket() as opened:
        ours.connection_made(stream_over(opened))
        assert not ours.unacknowledged
        ours.connection_made(stream_over(opened, unsent=1))
        assert ours.unacknowledged
        ours.connection_made(stream_over(opened))
        ours.write(b"not flushed")
        assert ours.unacknowledged
    near, far = socket.socketpair()
    with near, far:
        near.sendall(b"unread")
        assert not _confirmed(near)
        far.recv(100)
        assert _confirmed(near)


def _confirmed(opened: socket.socket) -> bool:
    """Say so for a socket of a family that can be held up here; it takes no options of TCP's."""
    ours = connection()
    ours._transport = stream_over(opened)
    return not ours.unacknowledged


def test_whoever_vanishes_is_noticed_though_nothing_is_said() -> None:
    with socket.socket() as opened:
        connection().connection_made(stream_over(opened))
        tcp = socket.IPPROTO_TCP
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(tcp, socket.TCP_KEEPIDLE) == 300
        assert opened.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 60_000
