"""Very many users behind one socket: they register, take messages, and note who got what.

The socket is on 127.0.0.2, which the node's configuration has to trust (`tests.support.traffic`).
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterable

from tests.support.phone import Reply
from tests.support.traffic import ADDRESS, DOMAIN

WINDOW = 200  # REGISTERs under way
REPEAT_S = 0.3


class Crowd:
    """Users ``u00000`` and so on; a context manager that serves them on a thread of its own.

    got: by user, the identities under which each body came.
    """

    def __init__(self, count: int) -> None:
        self.names = self.names_of(count)
        self.got: dict[str, dict[bytes, set[tuple[str, str]]]] = {}
        self.taken = 0
        self.registered: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((ADDRESS, 0))
        self._socket.setblocking(False)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="crowd", daemon=True)

    @staticmethod
    def names_of(count: int) -> list[str]:
        """Return the names of so many users."""
        return [f"u{number:05d}" for number in range(count)]

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def register(self, names: Iterable[str], server: tuple[str, int]) -> None:
        """Register users; returns when all of them are."""
        wanted = list(names)
        self.registered.difference_update(wanted)
        end = time.monotonic() + 120
        while left := [name for name in wanted if name not in self.registered]:
            if time.monotonic() > end:
                raise AssertionError(f"{len(left)} users could not register")
            part = left[:WINDOW]
            for name in part:
                self._socket.sendto(self._request(name), server)
            again = time.monotonic() + REPEAT_S
            while time.monotonic() < again and not self.registered.issuperset(part):
                select.select([], [], [], 0.002)

    def _request(self, name: str) -> bytes:
        host, port = self._socket.getsockname()
        aor = f"sip:{name}@{DOMAIN}"
        mark = f"{time.monotonic_ns():x}"
        return (
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{name}{mark}\r\n"
            f"Max-Forwards: 70\r\nFrom: <{aor}>;tag=r\r\nTo: <{aor}>\r\nCall-ID: {name}-{mark}\r\n"
            f"CSeq: 1 REGISTER\r\n"
            f'Contact: <sip:{name}@{host}:{port}>;expires=3600;+sip.instance="<urn:{name}>"\r\n'
            "Content-Length: 0\r\n\r\n"
        ).encode()

    def _serve(self) -> None:
        while not self._ending.is_set():
            if not select.select([self._socket], [], [], 0.05)[0]:
                continue
            try:
                data, source = self._socket.recvfrom(65535)
            except OSError:  # an ICMP error of a node that was killed
                continue
            message = Reply(data)
            if message.status:
                if message.status == 200 and message.get("cseq").endswith("REGISTER"):
                    self.registered.add(message.get("call-id").partition("-")[0])
            else:
                self._take(message, source)

    def _take(self, request: Reply, source: tuple[str, int]) -> None:
        name = request.start.split(":", 1)[1].partition("@")[0]
        identity = (request.get("call-id"), request.get("cseq"))
        self.got.setdefault(name, {}).setdefault(request.body, set()).add(identity)
        self.taken += 1
        kept = [
            f"{key}: {value}"
            for key, value in request.headers
            if key.lower() in ("via", "from", "call-id", "cseq")
        ]
        to = f"To: {request.get('to')};tag=crowd"
        answer = ["SIP/2.0 200 OK", *kept, to, "Content-Length: 0\r\n\r\n"]
        self._socket.sendto("\r\n".join(answer).encode(), source)
