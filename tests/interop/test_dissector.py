"""What leaves the node, as a dissector that nobody in this project wrote sees it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable

import pytest

from session_msrp.media import ACTIVE
from session_msrp.session import Reported
from tests.interop.clients import DOMAIN, WAIT_S, Bench, Pjsua, Sipp
from tests.support.msrp import Dialog, MsrpClient, granted
from tests.support.phone import Phone
from tests.support.room_phone import RoomPhone
from tests.support.running import eventually

User = Callable[[], str]
WARNING = 0x600000  # _ws.expert.severity of a warning; an error is more


@pytest.mark.peer("tshark", "dumpcap", "sipp", "pjsua2")
def test_nothing_that_leaves_the_node_is_malformed(bench: Bench, user: User) -> None:
    """Registrations, messages on- and offline, refusals, calls, over UDP, TCP and IPv6."""
    used = {name: bench.ports[name] for name in ("udp", "tcp", "udp6")}
    msrp = bench.node.msrp["msrp"]
    bench.directory.mkdir(exist_ok=True)
    taken = bench.directory / "wire.pcapng"
    ports = " or ".join(f"port {port}" for port in (*used.values(), msrp))
    capture = bench.run(
        ["dumpcap", "-q", "-i", "lo", "-f", ports, "-a", "duration:60", "-w", str(taken)],
        "dumpcap",
    )  # fmt: skip
    eventually(lambda: "File:" in capture.text() or capture.process.poll() is not None, WAIT_S)
    if capture.process.poll() is not None:
        pytest.skip(f"dumpcap takes root or the group wireshark: {capture.text()}")
    session(bench, user)
    room(bench, user)
    relayed(bench, user)
    traffic(bench, user)
    size = -1

    def settled() -> bool:
        nonlocal size
        size, before = taken.stat().st_size, size
        return size == before

    eventually(settled, WAIT_S, "the capture to be written")
    capture.end()

    decode = [f"udp.port=={used['udp']},sip", f"udp.port=={used['udp6']},sip",
              f"tcp.port=={used['tcp']},sip"]  # fmt: skip
    left = " || ".join(f"{name[:3]}.srcport == {port}" for name, port in used.items())
    seen = dissect(taken, decode, f"sip && ({left})")
    methods = {line.split("\t")[1].split(" ")[0] for line in seen}
    statuses = {line.split("\t")[2] for line in seen}
    assert {"MESSAGE", "INVITE", "ACK", "BYE"} <= methods
    assert {"100", "180", "200", "202", "401", "404", "407"} <= statuses
    bad = f"(_ws.malformed || _ws.expert.severity >= {WARNING})"
    assert dissect(taken, decode, f"sip && ({left}) && {bad}") == []
    assert dissect(taken, decode, f"sip && {bad}"), "the dissector sees what is broken"
    decode = [f"tcp.port=={msrp},msrp"]
    sent = dissect(
        taken, decode, f"msrp && tcp.srcport == {msrp}", "msrp.method", "msrp.status.code"
    )
    assert {"SEND", "REPORT", "200", "401", "404"} <= {
        word for line in sent for word in line.replace("\t", ",").split(",")
    }
    # What TCP's analysis warns of, such as a reader who lets the window close, is nobody's fault.
    fault = f"(_ws.malformed || (_ws.expert.severity >= {WARNING} && !tcp.analysis.flags))"
    assert dissect(taken, decode, f"msrp && {fault}") == []


def traffic(bench: Bench, user: User) -> None:
    """Do everything that should be on the wire."""
    for transport in ("udp", "tcp", "udp6"):
        alice, bob = Sipp(bench, user(), transport), Sipp(bench, user(), transport)
        bob.stay("call_uas")
        alice.call(bob.user)
        alice.message(user(), "for later")
    alice, other = Pjsua(bench, user(), "udp"), Pjsua(bench, user(), "tcp")
    assert alice.send(other.user, "hello") == 200
    assert other.send(alice.user, "x" * 1500) == 200
    assert alice.send("nobody-of-ours", "hello") == 404
    name = user()
    assert alice.send(name, "waits") == 202
    with Phone(("127.0.0.1", bench.ports["udp"]), name) as phone:
        assert phone.register().status == 200
        assert phone.collect(1, WAIT_S) == [b"waits"]
        options = phone.request("OPTIONS", f"sip:{bench.server('udp')}")
        assert phone.answer_to(options).status == 200
        # Not for the node's sake: it shows that the filter finds what it is for.
        broken = phone.request("OPTIONS", f"sip:{DOMAIN}").replace(
            b"Max-Forwards:", b"Max-Forwards"
        )
        phone.send(broken)
    alice.program.say(f"call sip:{other.user}@{DOMAIN}")
    alice.event("call", state="CONFIRMED")
    alice.program.say("hangup")
    other.event("call", state="DISCONNECTED")
    alice.leave()
    other.leave()


def session(bench: Bench, user: User) -> None:
    """Have two clients talk over MSRP: a word with its reports, and a chunk that goes on in pieces."""
    server = ("127.0.0.1", bench.ports["udp"])
    with (
        Phone(server, user()) as alice, Phone(server, user()) as bob,
        MsrpClient() as near, MsrpClient(ACTIVE) as far,
    ):  # fmt: skip
        assert bob.register().status == 200
        dialog = Dialog(alice, bob, near, far)
        near.open()
        far.open()
        near.send(b"hello", success_report=True)
        near.send(b"x" * 200_000)
        assert len(far.messages(2)) == 2
        near.until(Reported)
        dialog.hang_up()


def room(bench: Bench, user: User) -> None:
    """Have two clients talk in a room, one with a nickname."""
    server = ("127.0.0.1", bench.ports["udp"])
    bench.node.command("room", "add", "seen", "--open")
    with (
        Phone(server, user()) as alice, Phone(server, user()) as bob,
        RoomPhone(alice, "seen") as one, RoomPhone(bob, "seen") as two,
    ):  # fmt: skip
        one.join()
        two.join()
        assert one.nickname("Zoë") == 200
        one.tell(b"hello")
        assert two.texts(1) == [b"hello"]
        one.tell(b"x", "sip:nobody@ims.test")
        assert one.refused() == 404
        one.leave()
        two.leave()


def relayed(bench: Bench, user: User) -> None:
    """Have a client talk through the relay: a word with its reports, and a file in chunks."""
    with MsrpClient() as near, MsrpClient() as far:
        near.socket = socket.create_connection(("127.0.0.1", bench.node.msrp["msrp"]), WAIT_S)
        relay = granted(near.socket, user(), near.own.raw)
        near.through(relay, far.own.raw)
        far.through(relay, near.own.raw)
        near.send(b"hello", success_report=True)
        far.accept()
        assert far.messages() == [b"hello"]
        near.until(Reported)
        # A text: the dissector looks for lines in any body.
        far.send(b"one of many words " * 2000)
        assert len(near.messages()) == 1


def dissect(file: object, decode: list[str], wanted: str, *fields: str) -> list[str]:
    """Return one line per frame: by default its number, Request-Line, status, expert message."""
    tshark = shutil.which("tshark")
    assert tshark is not None
    argv = [tshark, "-r", str(file), "-Y", wanted, "-T", "fields"]
    for field in fields or (
        "frame.number", "sip.Request-Line", "sip.Status-Code", "_ws.expert.message",
    ):  # fmt: skip
        argv += ["-e", field]
    for rule in decode:
        argv += ["-d", rule]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=40)
    return done.stdout.splitlines()
