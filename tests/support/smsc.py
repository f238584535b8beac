"""A message centre for tests: a plain socket server that speaks SMPP octet by octet.

It is not built on the product's codec, so that both cannot be wrong the same way.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass


@dataclass
class Unit:
    """One PDU as it came."""

    command: int
    status: int
    sequence: int
    body: bytes


class MessageCentre:
    """One listener, one connection at a time; blocking."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.socket: socket.socket | None = None
        self.sequence = 100

    def bound(self, status: int = 0) -> Unit:
        """Accept the next connection and answer its bind."""
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(10)
        bind = self.receive()
        assert bind.command == 0x09
        self.answer(bind, b"centre\0", status)
        return bind

    def receive(self) -> Unit:
        head = self._exactly(16)
        length, command, status, sequence = struct.unpack(">IIII", head)
        return Unit(command, status, sequence, self._exactly(length - 16))

    def submitted(self) -> Unit:
        """Return the next submit_sm; questions whether we are there are answered."""
        while (unit := self.receive()).command != 0x04:
            assert unit.command == 0x15
            self.answer(unit)
        return unit

    def answer(self, unit: Unit, body: bytes = b"", status: int = 0) -> None:
        self._send(unit.command | 0x80000000, status, unit.sequence, body)

    def deliver(
        self, source: str, destination: str, text: bytes, esm_class: int = 0, coding: int = 0,
        optional: bytes = b"",
    ) -> int:  # fmt: skip
        """Send deliver_sm between international numbers; returns its sequence number."""
        self.sequence += 1
        body = b"\0\x01\x01" + source.encode() + b"\0\x01\x01" + destination.encode() + b"\0"
        body += bytes((esm_class, 0, 0, 0, 0, 0, 0, coding, 0, len(text))) + text + optional
        self._send(0x05, 0, self.sequence, body)
        return self.sequence

    def delivered(self) -> Unit:
        """Return the next deliver_sm_resp."""
        while (unit := self.receive()).command != 0x80000005:
            assert unit.command == 0x15
            self.answer(unit)
        return unit

    def hang_up(self) -> None:
        assert self.socket is not None
        self.socket.close()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.listener.close()

    def _send(self, command: int, status: int, sequence: int, body: bytes) -> None:
        assert self.socket is not None
        head = struct.pack(">IIII", 16 + len(body), command, status, sequence)
        self.socket.sendall(head + body)

    def _exactly(self, count: int) -> bytes:
        assert self.socket is not None
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "closed"
            data += more
        return data
