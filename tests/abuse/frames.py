"""WebSocket frames as a client sends them, good or bad; standard library only."""

from __future__ import annotations

import secrets
import socket
import struct

TEXT, CLOSE = 1, 8


def handshake(opened: socket.socket, server: tuple[str, int]) -> bytes:
    """Ask for SIP; returns what came behind the answer. Raises: OSError for any other answer."""
    host, port = server
    opened.sendall(
        f"GET /sip HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Origin: http://{host}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = opened.recv(65535)
        if not data:
            break
        answer += data
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise OSError(f"no WebSocket: {answer[:60]!r}")
    return answer.partition(b"\r\n\r\n")[2]


def frame(payload: bytes, opcode: int = TEXT, mask: bool = True, lie: int | None = None) -> bytes:
    """Return one frame; `lie` is the length it claims to have."""
    size = len(payload) if lie is None else lie
    bit = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, bit | 127, size)
    if not mask:
        return head + payload
    key = secrets.token_bytes(4)
    return head + key + bytes(octet ^ key[at & 3] for at, octet in enumerate(payload))


def unframe(buffer: bytes) -> tuple[bytes, bytes, bool]:
    """Cut whole frames of a server; returns their messages, the rest, whether it said goodbye."""
    messages, closed = b"", False
    while len(buffer) >= 2:
        size, begin = buffer[1] & 0x7F, 2
        if size > 125:
            begin += 2 if size == 126 else 8
            if len(buffer) < begin:
                break
            size = int.from_bytes(buffer[2:begin], "big")
        if len(buffer) < begin + size:
            break
        opcode, payload = buffer[0] & 0x0F, buffer[begin : begin + size]
        buffer = buffer[begin + size :]
        closed = closed or opcode == CLOSE
        if opcode < CLOSE:
            messages += payload
    return messages, buffer, closed
