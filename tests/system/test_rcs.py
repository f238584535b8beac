"""RCS standalone messaging: its headers reach the recipient as they were sent (flow PM-23)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode

PEER = '[[peer]]\nname = "core"\naddress = "127.0.0.1"\ntrust = "asserted"\n'
KEPT = (
    "Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "Contribution-ID:  abcdef-1234-5678-90ab-cdef01234567  ",
    "InReplyTo-Contribution-ID: 01234567-89ab-cdef-0123-456789abcdef",
    'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg";explicit;require',
    "Accept-Contact: *;+g.gsma.rcs.cpm.pager-large",
    "P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg",
    "Content-Type: message/cpim",
)
ASSERTED = "P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"
BODY = (
    b"From: <sip:anonymous@anonymous.invalid>\r\nTo: <sip:anonymous@anonymous.invalid>\r\n"
    b"DateTime: 2026-11-23T14:00:00Z\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nhi \xe2\x82\xac"
)


def send(alice: Phone) -> int:
    request = alice.request("MESSAGE", "sip:bob@ims.test", None, (*KEPT, ASSERTED), BODY)
    alice.send(request)
    answer = alice.receive()
    assert answer is not None
    if answer.status == 407:
        alice.send(alice.with_credentials(request, answer))
        answer = alice.receive()
        assert answer is not None
    return answer.status


@pytest.mark.parametrize("trusted", [True, False])
def test_the_headers_are_kept_online_and_through_the_store(tmp_path: Path, trusted: bool) -> None:
    """PM-23; P-Asserted-Service from a trusted peer alone (RFC 6050 4.1)."""
    with RunningNode(tmp_path / "node", extra=PEER if trusted else "") as node:
        address = ("127.0.0.1", node.ports["udp"])
        with Phone(address, "alice") as alice, Phone(address, "bob") as bob:
            assert send(alice) == 202
            assert bob.register().status == 200
            assert bob.collect(1) == [BODY]
            alice.send(alice.request("MESSAGE", "sip:bob@ims.test", None, (*KEPT, ASSERTED), BODY))
            if not trusted:
                challenge = alice.receive()
                assert challenge is not None
                request = alice.request(
                    "MESSAGE", "sip:bob@ims.test", None, (*KEPT, ASSERTED), BODY
                )
                alice.send(alice.with_credentials(request, challenge))
            online = bob.receive()
            assert online is not None
            bob.respond(online, 200)
            stored = bob.messages()[0]
            for got in (stored, online):
                assert got.body == BODY
                lines = [line.rstrip() for line in got.data.split(b"\r\n")]
                for line in KEPT:
                    name, _, value = line.partition(":")
                    assert f"{name}: {value.strip()}".encode() in [
                        b": ".join(part.strip() for part in one.split(b":", 1)) for one in lines
                    ]
                assert (ASSERTED.encode() in lines) is trusted
            # While the sender waits, not even a space is touched.
            assert {line.encode() for line in KEPT} <= set(online.data.split(b"\r\n"))
