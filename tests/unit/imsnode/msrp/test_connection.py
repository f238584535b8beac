# SPDX-License-Identifier: Apache-2.0
"""What a connection asks of its socket."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from imsnode.msrp.connection import Connection
from session_msrp.limits import Limits


def test_whoever_vanishes_is_noticed_though_nothing_is_said() -> None:
    table: Any = SimpleNamespace(
        now=lambda: 0.0, limits=SimpleNamespace(stall_s=60.0, msrp=Limits())
    )
    with socket.socket() as opened:
        said = {"socket": opened, "sockname": ("192.0.2.1", 2855)}
        stream: Any = SimpleNamespace(
            get_extra_info=said.get, set_write_buffer_limits=lambda high, low: None
        )
        Connection(table, ("192.0.2.7", 7777), "192.0.2.7", False, True).connection_made(stream)
        tcp = socket.IPPROTO_TCP
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(tcp, socket.TCP_KEEPIDLE) == 300
        assert opened.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 60_000
