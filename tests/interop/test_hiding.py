"""A server of another maker (SIPp) behind a border that hides: it returns what it cannot read."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.phone import Phone, Reply
from tests.support.running import RunningNode

PEER = "127.0.0.2"
UAS = Path(__file__).parent / "peers" / "sipp" / "call_uas.xml"
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"


def final(phone: Phone) -> Reply:
    while (reply := phone.receive(10.0)) is not None:
        if reply.status >= 200:
            return reply
    raise AssertionError("no final answer")


def within(phone: Phone, method: str, cseq: int, invited: Reply, answer: Reply) -> bytes:
    """Return a request of the caller's in the dialog, along the route set it was given."""
    found = re.search(r"<(.*?)>", answer.get("Contact"))
    assert found is not None
    routes = [one.strip() for value in answer.all("Record-Route") for one in value.split(",")]
    lines = tuple(f"Route: {route}" for route in reversed(routes))
    tag = re.search(r"tag=([^;>]+)", invited.get("From"))
    assert tag is not None
    to = answer.get("To").split("<", 1)[1].replace(">", "", 1)
    request = phone.request(
        method, found.group(1), to.partition(";tag")[0], lines,
        call_id=invited.get("Call-ID"), cseq=cseq, tag=tag.group(1),
    )  # fmt: skip
    return re.sub(rb"(?m)^To: .*?\r", f"To: {answer.get('To')}\r".encode(), request, count=1)


@pytest.mark.peer("sipp")
def test_a_call_through_a_hiding_border(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((PEER, 0))
        port = free.getsockname()[1]
    uas = subprocess.Popen(
        ["sipp", "-sf", str(UAS), "-i", PEER, "-p", str(port), "-m", "1", "-nostdin", "-trace_msg",
         "-message_file", str(tmp_path / "seen.txt")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    node = RunningNode(tmp_path / "node", users=("alice",)).start()
    try:
        target = ("--target", f"udp:{PEER}:{port}", "--ping", "0")
        node.command("peer", "add", "sipp", *target, "--domain", "far.test", "--hide")
        with Phone(("127.0.0.1", node.ports["udp"]), "alice") as alice:
            lines = (f"Contact: <{alice.contact}>", "Content-Type: application/sdp")
            request = alice.request("INVITE", "sip:bob@far.test", None, lines, SDP)
            challenge = alice._transact(request, 5.0)
            alice.send(within_ack(alice, request, challenge))
            request = alice.with_credentials(request, challenge)
            alice.send(request)
            answer = final(alice)
            assert answer.status == 200
            assert answer.get("Call-ID") == Reply(request).get("Call-ID")
            invited = Reply(request)
            alice.send(within(alice, "ACK", alice.cseq, invited, answer))
            alice.send(within(alice, "BYE", alice.cseq + 1, invited, answer))
            ended = final(alice)
            assert ended.status == 200
            secret = f":{alice.port}".encode()
        assert uas.wait(10) == 0
        seen = (tmp_path / "seen.txt").read_bytes()
        assert seen.count(b"Call-ID: imsn-") >= 3
        assert secret not in re.sub(rb"(?s)\r\n\r\nv=0.*?\r\n-", b"", seen)
    finally:
        uas.kill()
        uas.wait()
        node.stop()


def within_ack(phone: Phone, request: bytes, answer: Reply) -> bytes:
    """Return the ACK of an INVITE that was refused (RFC 3261 17.1.1.3)."""
    sent = Reply(request)
    lines = ("ACK sip:bob@far.test SIP/2.0", f"Via: {sent.get('Via')}", "Max-Forwards: 70",
             f"From: {sent.get('From')}", f"To: {answer.get('To')}",
             f"Call-ID: {sent.get('Call-ID')}", f"CSeq: {phone.cseq} ACK",
             "Content-Length: 0")  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
