"""Lists with recipients in another domain, whose node is behind a route."""

from __future__ import annotations

from pathlib import Path

from sip.bodies.resource_lists import Entry, build_list
from tests.support.phone import Phone
from tests.support.running import RunningNode

NEEDS = ("Require: recipient-list-message", "Content-Type: multipart/mixed;boundary=b")


def listed(text: bytes, *recipients: str) -> bytes:
    return (
        b"--b\r\nContent-Type: text/plain\r\n\r\n%b\r\n"
        b"--b\r\nContent-Type: application/resource-lists+xml\r\n"
        b"Content-Disposition: recipient-list\r\n\r\n%b\r\n--b--\r\n"
    ) % (text, build_list([Entry(one) for one in recipients]))


def test_recipients_elsewhere_get_what_they_agreed_to(tmp_path: Path) -> None:
    trust = '[[peer]]\nname = "here"\naddress = "127.0.0.1"\ntrust = "asserted"\n'
    far = RunningNode(
        tmp_path / "far", domains=["far.test"], listen=["udp:127.0.0.1:0"], users=["dora"],
        extra=trust,
    )  # fmt: skip
    with far:
        near = RunningNode(
            tmp_path / "near",
            extra=f'[[route]]\ndomain = "far.test"\nnext_hop = "udp:{far.address}"\n\n'
            '[lists]\nconsent = ["sip:dora@far.test"]\n\n[pager]\nretry_min = 1\n',
        )
        with (
            near,
            Phone(("127.0.0.1", near.ports["udp"]), "alice") as alice,
            Phone(("127.0.0.1", near.ports["udp"]), "bob") as bob,
            Phone(("127.0.0.1", far.ports["udp"]), "dora", "far.test") as dora,
        ):
            assert bob.register().status == 200
            assert dora.register().status == 200

            def send(text: bytes, *recipients: str) -> int:
                body = listed(text, *recipients)
                request = alice.request("MESSAGE", "sip:list@ims.test", None, NEEDS, body)
                answer = alice.answer_to(request)
                if answer.status == 470:
                    assert answer.get("permission-missing") == "<sip:evan@far.test>"
                return answer.status

            both = ("sip:bob@ims.test", "sip:dora@far.test")
            assert send(b"hello", *both, "sip:evan@far.test") == 470
            assert send(b"hello", *both) == 202
            assert bob.collect(1) == [b"hello"]
            assert dora.collect(1) == [b"hello"]
            (got,) = dora.messages()
            assert got.get("to") == "<sip:dora@far.test>"
            assert got.get("from").startswith("<sip:alice@ims.test>")
            # The other node is down for a while: the copy waits here.
            far.kill()
            assert send(b"later", *both) == 202
            assert bob.collect(2)[-1] == b"later"
            far.start()
            assert dora.register().status == 200
            assert dora.collect(2, 15.0)[-1] == b"later"
