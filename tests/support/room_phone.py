"""A softphone in a chat room of a real node: its dialog with the focus and its MSRP session."""

from __future__ import annotations

import re

from imsnode.storage.database import Database
from imsnode.storage.rooms import RoomTable
from session_msrp.chunk import Chunk
from session_msrp.printing import print_request
from session_msrp.rooms import edits
from session_msrp.rooms.values import Room
from session_msrp.session import Failed
from sip.bodies.multipart import parse_multipart
from sip.bodies.sdp import parse_sdp
from tests.support.msrp import SDP_LINE, WAIT_S, MsrpClient, final, invite, within
from tests.support.phone import Phone, Reply
from tests.support.room_world import cpim
from tests.support.running import RunningNode

TOKENS = b"nickname private-messages"


def provide(node: RunningNode, *rooms: Room) -> None:
    """Write rooms into the database of a node that does not run."""
    database = Database(f"sqlite:///{node.directory / 'imsnode.db'}")
    table = RoomTable(database, node.domains)
    for room in rooms:
        table.change(room.aor, edits.create(room), "", 0.0)
    database.close()


def description(request: Reply) -> bytes:
    """Return the session description in a request, alone or among other parts."""
    kind = request.get("content-type").encode()
    if not kind.startswith(b"multipart/"):
        return request.body
    return next(
        part.content
        for part in parse_multipart(kind, request.body)
        if part.media_type == b"application/sdp"
    )


class RoomPhone(MsrpClient):
    """One device in one room. target: what is asked for in the INVITE, such as a room's user part.

    Args: tokens: of a=chatroom, None for a client that knows nothing of rooms.
    """

    def __init__(
        self,
        phone: Phone,
        target: str,
        tokens: bytes | None = TOKENS,
        types: bytes = b"message/cpim",
    ) -> None:
        super().__init__(types=types)
        self.phone, self.target, self.tokens = phone, target, tokens
        self.statuses: list[int] = []

    def sdp(self, setup: bytes) -> bytes:
        body = super().sdp(setup)
        if self.tokens is not None:
            body += b"a=chatroom" + (b":" + self.tokens if self.tokens else b"") + b"\r\n"
        return body

    def call(self, *lines: str, body: bytes = b"") -> Reply:
        """Send the INVITE; returns its final answer, acknowledged."""
        self.invite = invite(self.phone, self.target, body or self.offer(), lines)
        self.ok = final(self.phone)
        if self.ok.status >= 300:
            self.phone.send(within(self.invite, "ACK", self.ok.get("to")))
            return self.ok
        self.contact = self.ok.get("contact")
        self.uri = re.findall(r"<(.*)>", self.contact)[0]
        self.acknowledge(self.phone.cseq)
        return self.ok

    def acknowledge(self, cseq: int, body: bytes = b"") -> None:
        self.phone.send(within(self.invite, "ACK", self.ok.get("to"), self.uri, [], cseq, body))

    def join_by_its_offer(self) -> None:
        """Come in without an offer: take that of the room."""
        self.invite = invite(self.phone, self.target, b"")
        self.ok = final(self.phone)
        assert self.ok.status == 200, self.ok.data
        self.uri = re.findall(r"<(.*)>", self.ok.get("contact"))[0]
        self.acknowledge(self.phone.cseq, self.answer(self.ok.body))
        self.open()
        assert self.read()

    def join(self) -> RoomPhone:
        """Come in, and wait until what is said is heard."""
        assert self.call().status == 200, self.ok.data
        self.start()
        return self

    def called(self) -> Reply:
        """Take a call of a room, and come in; returns the INVITE."""
        request = final(self.phone)
        assert request.method == "INVITE", request.data
        self.room = re.findall(r"<(.*?)>", request.get("from"))[0]
        answer = self.answer(description(request))
        lines = (f"Contact: <{self.phone.contact}>", SDP_LINE)
        self.phone.respond(request, 200, lines, answer)
        assert final(self.phone).method == "ACK"
        self.open()
        if not self.connects:
            assert self.read()  # the request of whoever connects, which is answered
        return request

    def start(self) -> None:
        """Open the session that the answer describes."""
        [media] = parse_sdp(self.ok.body).media
        self.media = media
        self.accept_answer(self.ok.body)
        self.open()
        assert self.read()

    def offer_again(self, more: bytes = b"") -> None:
        """Send a new offer, and go on as the answer says. Args: more: attributes."""
        self.phone.cseq += 1
        body = self.offer() + more
        self.phone.send(
            within(self.invite, "INVITE", self.ok.get("to"), self.uri, [], self.phone.cseq, body)
        )
        again = final(self.phone)
        assert again.status == 200, again.data
        self.acknowledge(self.phone.cseq)
        before, kept = self.session, self.peer
        self.accept_answer(again.body)
        if self.peer is not None and kept is not None and self.peer.path == kept.path:
            self.session = before

    def request(self, method: str, *lines: str) -> None:
        """Send a request in the dialog."""
        self.phone.cseq += 1
        head = within(self.invite, method, self.ok.get("to"), self.uri, [], self.phone.cseq)
        text = "".join(f"{line}\r\n" for line in lines).encode()
        self.phone.send(head.replace(b"Content-Length", text + b"Content-Length", 1))

    def refer(self, whom: str, *lines: str) -> int:
        """Ask the room to call somebody, or to send them away; returns the answer."""
        self.request("REFER", f"Refer-To: <{whom}>", *lines)
        return final(self.phone).status

    def progress(self) -> tuple[str, bytes]:
        """Return state and status of the next NOTIFY about a REFER."""
        told = final(self.phone)
        assert told.get("event").startswith("refer"), told.data
        assert told.get("content-type").startswith("message/sipfrag")
        self.phone.respond(told, 200)
        return told.get("subscription-state").partition(";")[0], told.body.split()[1]

    def hung_up(self) -> bool:
        """Answer the BYE that comes next; False when something else does."""
        request = final(self.phone)
        self.phone.respond(request, 200)
        return request.method == "BYE"

    def leave(self) -> None:
        self.request("BYE")
        assert final(self.phone).status == 200

    # -- what is said

    def tell(self, text: bytes, to: str = "", kind: bytes = b"text/plain") -> None:
        """Say something to all, or to one."""
        room = f"sip:{self.target}@{self.phone.domain}"
        self.send(cpim(text, f"sip:{self.phone.user}@{self.phone.domain}", to or room, kind),
                  b"message/cpim")  # fmt: skip

    def refused(self) -> int:
        """Return why what was said last was not taken."""
        [event] = self.until(Failed)[-1:]
        assert isinstance(event, Failed)
        self.events.clear()
        return event.status

    def texts(self, count: int) -> list[bytes]:
        """Return what the first messages say."""
        return [body.rpartition(b"\r\n\r\n")[2] for body in self.messages(count)]

    def nickname(self, name: str) -> int:
        """Ask for a nickname; returns the answer."""
        answers: list[Chunk] = []
        take = self.session.receive

        def watch(chunk: Chunk, now: float) -> list[object]:
            if chunk.status and chunk.tid == b"nick1234":
                answers.append(chunk)
            return take(chunk, now)  # type: ignore[return-value]

        self.session.receive = watch  # type: ignore[assignment,method-assign]
        head = (b'Use-Nickname: "' + name.encode() + b'"',)
        assert self.socket is not None
        self.socket.sendall(
            print_request(b"nick1234", b"NICKNAME", self.session.path, self.own.raw, head)
        )
        while not answers:
            assert self.read(WAIT_S)
        self.session.receive = take  # type: ignore[method-assign]
        return answers[0].status
