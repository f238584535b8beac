"""Steady traffic for tests that hurt the node meanwhile: senders that never give up, devices that note all.

One thread, UDP sockets on 127.0.0.2, an address the node's configuration has to trust (`TRUST`), so
that no challenge separates a request from its repeat. Each sender has one message under way to each
recipient and repeats it unchanged until a final response comes, as a client transaction would; so
the order per sender and recipient is the order of the numbers in the bodies.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter

from tests.support.phone import Reply

ADDRESS = "127.0.0.2"
TRUST = f'[[peer]]\nname = "traffic"\naddress = "{ADDRESS}"\ntrust = "asserted"\n'
REPEAT_S = 0.3
DOMAIN = "ims.test"


class Lane:
    """One sender's messages to one recipient."""

    def __init__(self, sender: str, recipient: str) -> None:
        self.sender, self.recipient = sender, recipient
        self.number = 0
        self.request = b""
        self.call_id = ""
        self.repeat_at = 0.0
        self.acknowledged: list[int] = []
        self.refused: list[tuple[int, int]] = []

    def next(self, socket_name: tuple[str, int], run: str) -> None:
        self.number += 1
        mark = f"{run}-{self.sender}-{self.recipient}-{self.number}"
        self.call_id = mark
        body = f"{self.sender} {self.number}"
        uri = f"sip:{self.recipient}@{DOMAIN}"
        host, port = socket_name
        self.request = (
            f"MESSAGE {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{mark}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:{self.sender}@{DOMAIN}>;tag={self.sender}\r\nTo: <{uri}>\r\n"
            f"Call-ID: {mark}\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class Device:
    """A recipient: answers what comes, remembers identities, may be away or unwilling."""

    def __init__(self, user: str, instance: bool) -> None:
        self.user = user
        self.socket = _socket()
        self.instance = f';+sip.instance="<urn:uuid:{user}>"' if instance else ""
        self.registered = False  # as the node last said
        self.wanted = 0  # the lifetime asked for; 0 is away
        self.answer = 200  # 0: silence
        self.cseq = 0
        self.identities: set[tuple[str, str, str]] = set()
        self.bodies: list[bytes] = []
        self.repeats = 0

    def register(self, server: tuple[str, int]) -> None:
        self.cseq += 1
        host, port = self.socket.getsockname()
        self.socket.sendto(
            (
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKr{self.user}{self.cseq}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:{self.user}@{DOMAIN}>;tag=r\r\n"
                f"To: <sip:{self.user}@{DOMAIN}>\r\nCall-ID: reg-{self.user}\r\n"
                f"CSeq: {self.cseq} REGISTER\r\n"
                f"Contact: <sip:{self.user}@{host}:{port}>;expires={self.wanted}{self.instance}\r\n"
                "Content-Length: 0\r\n\r\n"
            ).encode(),
            server,
        )

    def take(self, request: Reply) -> int:
        """Note a MESSAGE; return the answer, 0 for none."""
        if self.answer == 200:
            identity = (request.get("call-id"), request.get("cseq"), request.get("from"))
            if identity in self.identities:
                self.repeats += 1
            else:
                self.identities.add(identity)
                self.bodies.append(request.body)
        return self.answer


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((ADDRESS, 0))
    made.setblocking(False)
    return made


def _answer(request: Reply, status: int) -> bytes:
    kept = [
        f"{name}: {value}"
        for name, value in request.headers
        if name.lower() in ("via", "from", "call-id", "cseq")
    ]
    to = f"To: {request.get('to')};tag=device"
    return "\r\n".join([f"SIP/2.0 {status} S", *kept, to, "Content-Length: 0\r\n\r\n"]).encode()


class Traffic:
    """Senders, devices and the thread that serves them; a context manager.

    Args:
        server: the node's UDP address.
        recipients: user to whether its device has an instance id.
        pause: seconds between an answer and the sender's next message.
    """

    def __init__(
        self,
        server: tuple[str, int],
        senders: tuple[str, ...],
        recipients: dict[str, bool],
        pause: float = 0.005,
    ) -> None:
        self.server = server
        self.pause = pause
        self.run = f"{time.monotonic_ns():x}"
        self.socket = _socket()
        self.lanes = {
            lane.call_id: lane
            for lane in (self._first(Lane(s, r)) for s in senders for r in recipients)
        }
        self.devices = {user: Device(user, instance) for user, instance in recipients.items()}
        self.sending = threading.Event()
        self.ending = threading.Event()
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._serve, name="traffic", daemon=True)

    def _first(self, lane: Lane) -> Lane:
        lane.next(self.socket.getsockname(), self.run)
        return lane

    def __enter__(self) -> Traffic:
        self.sending.set()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.join()
        for one in (self.socket, *(device.socket for device in self.devices.values())):
            one.close()

    # ------------------------------------------------------------- the thread

    def _serve(self) -> None:
        try:
            owners = {device.socket: device for device in self.devices.values()}
            registered_at = 0.0
            while not self.ending.is_set():
                now = time.monotonic()
                if now - registered_at >= REPEAT_S:
                    registered_at = now
                    for device in self.devices.values():
                        if device.registered != bool(device.wanted):
                            device.register(self.server)
                for lane in self.lanes.values():
                    # Stopped senders still want an answer to what they have begun.
                    begun = lane.repeat_at > 0
                    if now >= lane.repeat_at and (begun or self.sending.is_set()):
                        self._send(self.socket, lane.request)
                        lane.repeat_at = max(lane.repeat_at, now) + REPEAT_S
                ready = select.select([self.socket, *owners], [], [], 0.01)[0]
                for one in ready:
                    for data in _drain(one):
                        owner = owners.get(one)
                        self._answered(data, now) if owner is None else self._asked(owner, data)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def _send(self, source: socket.socket, data: bytes) -> None:
        source.sendto(data, self.server)

    def _answered(self, data: bytes, now: float) -> None:
        reply = Reply(data)
        lane = self.lanes.pop(reply.get("call-id"), None)
        if lane is None:
            return
        if reply.status < 200:
            self.lanes[lane.call_id] = lane
            return
        if reply.status < 300:
            lane.acknowledged.append(lane.number)
        else:
            lane.refused.append((lane.number, reply.status))
        lane.next(self.socket.getsockname(), self.run)
        # 0 marks a message that was not sent yet.
        lane.repeat_at = now + self.pause if self.sending.is_set() else 0.0
        self.lanes[lane.call_id] = lane

    def _asked(self, device: Device, data: bytes) -> None:
        request = Reply(data)
        if request.status:
            if request.status >= 200:
                contacts = ", ".join(request.all("contact"))
                device.registered = str(device.socket.getsockname()[1]) in contacts
            return
        status = device.take(request)
        if status:
            self._send(device.socket, _answer(request, status))

    # ------------------------------------------------------------ for the test

    @property
    def acknowledged(self) -> int:
        return sum(len(lane.acknowledged) for lane in list(self.lanes.values()))

    def settled(self) -> bool:
        """Tell whether stopped senders have an answer to everything they began."""
        return all(not lane.repeat_at for lane in list(self.lanes.values()))

    def missing(self) -> list[str]:
        """Name acknowledged messages that their recipient has not received."""
        found = []
        for lane in list(self.lanes.values()):
            bodies = set(self.devices[lane.recipient].bodies)
            found += [
                f"{lane.sender} {number} to {lane.recipient}"
                for number in lane.acknowledged
                if f"{lane.sender} {number}".encode() not in bodies
            ]
        return found

    def doubled(self) -> list[str]:
        """Name messages that a recipient got as two different ones."""
        found = []
        for device in self.devices.values():
            counted = Counter(list(device.bodies))  # a copy: the thread goes on
            found += [f"{body.decode()} to {device.user}" for body, n in counted.items() if n > 1]
        return found

    def disordered(self) -> list[str]:
        """Name messages that came after a later one of the same sender."""
        found = []
        for device in self.devices.values():
            last: dict[bytes, int] = {}
            for body in list(device.bodies):
                sender, number = body.split()
                if int(number) < last.get(sender, 0):
                    found.append(f"{body.decode()} to {device.user} after {last[sender]}")
                last[sender] = max(last.get(sender, 0), int(number))
        return found

    def refused(self) -> list[tuple[int, int]]:
        """Return (number, status) of what was refused."""
        return [pair for lane in list(self.lanes.values()) for pair in lane.refused]


def _drain(source: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(source.recv(65535))
        except BlockingIOError:
            return found
        except ConnectionError:  # an ICMP error of an earlier send: the node was down
            continue
