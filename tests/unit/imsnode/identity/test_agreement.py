# SPDX-License-Identifier: Apache-2.0
"""Security agreement: what terminals insist on, what is offered, who shortened the list."""

from __future__ import annotations

import pytest

from imsnode.identity import Peer
from imsnode.identity.agreement import Agreement
from sip.digest import MD5, answer, ha1, parse_challenge, response_hex
from sip.digest.credentials import parse_credentials
from sip.flow import Flow
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from sip.routing import Refusal
from sip.testing import SimNetwork
from tests.support.ims_world import ALICE, BOB, Gate, Station

NODE, PHONE, OTHER = "192.0.2.1", "192.0.2.7", "192.0.2.8"
LIST = b"tls;q=0.2, digest;q=0.1"
TAGS = ((b"Require", b"sec-agree"), (b"Proxy-Require", b"sec-agree"))
CLIENT = (b"Security-Client", b"ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1;spi-s=2, digest")
IPSEC = (b"Security-Client", b"ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1;spi-s=2")
REPEATED = (b"Security-Verify", LIST)
CONTACT = (b"Contact", b"<sip:alice@192.0.2.7>")
TEXT = (b"Content-Type", b"text/plain")
SECRET = ha1("alice", "ims.test", "pw", MD5)
Lines = tuple[tuple[bytes, bytes], ...]


class Network:
    """A node that offers TLS and digest, a terminal next to it, and somebody it knows."""

    def __init__(self, *mechanisms: str) -> None:
        self.network = SimNetwork(3)
        self.gate = Gate(self.network, NODE, [Peer("other", OTHER, "asserted")], [ALICE, BOB])
        self.agreement = Agreement(mechanisms or ("tls", "digest"))
        self.gate.node.agreement = self.gate.node.authenticator.agreement = self.agreement
        self.phone = Station(self.network, PHONE)
        self.other = Station(self.network, OTHER)

    def ask(self, method: str, *lines: tuple[bytes, bytes]) -> Response:
        uri = BOB if method == "MESSAGE" else "sip:ims.test"
        more: Lines = (CONTACT,) if method == "REGISTER" else ()
        return self.phone.answer(NODE, method, uri, [*lines, *more], recipient=
                                 ALICE if method == "REGISTER" else uri)  # fmt: skip

    def prove(
        self, method: str, challenge: Response, *lines: tuple[bytes, bytes], covered: bytes = LIST
    ) -> Response:
        """Answer a challenge, with a digest-verify over the list that was `covered`."""
        name = "www-authenticate" if challenge.has("www-authenticate") else "proxy-authenticate"
        asked = parse_challenge(challenge.get(name) or b"")
        assert asked is not None
        uri = BOB.encode() if method == "MESSAGE" else b"sip:ims.test"
        value = answer(asked, "alice", SECRET, method, uri, b"cn", 1)
        verify = LIST
        if covered:
            credentials = parse_credentials(value)
            assert credentials is not None
            credentials.uri += b":" + covered
            proof = response_hex(MD5, SECRET, method.encode(), credentials)
            verify += b';d-ver="' + proof + b'"'
        header = b"Authorization" if name[0] == "w" else b"Proxy-Authorization"
        return self.ask(method, *TAGS, *lines, (b"Security-Verify", verify), (header, value))


@pytest.fixture
def net() -> Network:
    return Network()


def test_a_challenge_to_register_has_the_list(net: Network) -> None:
    challenge = net.ask("REGISTER", *TAGS, CLIENT)
    assert challenge.status == 401
    assert challenge.get_all("security-server") == [LIST]
    assert net.prove("REGISTER", challenge, CLIENT).status == 200


@pytest.mark.parametrize("tag", TAGS)
def test_either_header_insists(net: Network, tag: tuple[bytes, bytes]) -> None:
    assert net.ask("REGISTER", tag, CLIENT).get("security-server") == LIST


@pytest.mark.parametrize("named", [(IPSEC,), ()])
def test_nothing_in_common_is_494_and_ipsec_is_never_offered(net: Network, named: Lines) -> None:
    refused = net.ask("REGISTER", *TAGS, *named)
    assert (refused.status, refused.reason) == (494, b"Security Agreement Required")
    assert refused.get("security-server") == LIST
    assert not refused.has("www-authenticate")


@pytest.mark.parametrize(
    "repeated",
    [b"digest;q=0.1", b"digest;q=0.1, tls;q=0.2", b"tls;q=0.1, digest;q=0.2", LIST + b", ipsec-3gpp",
     b"tls;q=0.2, digest;q=0.1;d-qop=auth", b";"],
)  # fmt: skip
def test_another_list_than_was_offered_is_494(net: Network, repeated: bytes) -> None:
    refused = net.ask("REGISTER", *TAGS, CLIENT, (b"Security-Verify", repeated))
    assert refused.status == 494
    assert refused.get("security-server") == LIST


def test_a_list_is_the_same_in_other_letters_and_on_two_lines(net: Network) -> None:
    lines = (b"Security-Verify", b"TLS ; q=0.2"), (b"Security-Verify", b'digest;d-ver="a";q=0.1')
    assert net.ask("REGISTER", *TAGS, *lines).status == 401


@pytest.mark.parametrize("covered", [b"", b"digest;q=0.1"])
def test_digest_has_to_cover_the_list(net: Network, covered: bytes) -> None:
    """Somebody between who shortened the list and mends what is repeated cannot make the proof."""
    challenge = net.ask("REGISTER", *TAGS, CLIENT)
    refused = net.prove("REGISTER", challenge, CLIENT, covered=covered)
    assert refused.status == 494
    assert refused.get("security-server") == LIST


def test_credentials_without_the_list_are_494(net: Network) -> None:
    challenge = parse_challenge(net.ask("REGISTER").get("www-authenticate") or b"")
    assert challenge is not None
    value = answer(challenge, "alice", SECRET, "REGISTER", b"sip:ims.test", b"cn", 1)
    assert net.ask("REGISTER", *TAGS, CLIENT, (b"Authorization", value)).status == 494


def test_other_requests_are_494_with_a_challenge_and_then_go_on_without_it(net: Network) -> None:
    net.other.answer(
        NODE, "REGISTER", "sip:ims.test", [(b"Contact", b"<sip:bob@192.0.2.8>")],
        sender=BOB, recipient=BOB,
    )  # fmt: skip
    refused = net.ask("MESSAGE", *TAGS, CLIENT)
    assert refused.status == 494
    assert refused.get("security-server") == LIST
    assert refused.has("proxy-authenticate")
    assert net.prove("MESSAGE", refused, (b"Require", b"other")).status in (200, 202)
    (arrived,) = net.other.got
    assert not {"security-client", "security-verify", "proxy-require"} & set(arrived.names)
    assert arrived.items("require") == [b"other"]


def test_options_learns_the_list(net: Network) -> None:
    assert net.ask("OPTIONS", *TAGS, CLIENT).status == 494
    assert net.ask("OPTIONS", *TAGS, REPEATED).status == 200


def test_what_else_is_required_is_still_refused(net: Network) -> None:
    refused = net.ask("REGISTER", (b"Require", b"sec-agree, made-up"), CLIENT)
    assert (refused.status, refused.get("unsupported")) == (420, b"made-up")


def test_nothing_is_said_to_who_does_not_ask(net: Network) -> None:
    assert not net.ask("REGISTER").has("security-server")
    assert net.ask("REGISTER", CLIENT).status == 401


def test_without_an_agreement_the_tag_is_unknown(net: Network) -> None:
    net.gate.node.agreement = None
    assert net.ask("REGISTER", *TAGS, IPSEC).status == 420


def test_terminals_that_go_on_without_a_list_are_served_when_that_is_set(net: Network) -> None:
    net.gate.node.agreement = net.gate.node.authenticator.agreement = Agreement(())
    challenge = net.ask("REGISTER", *TAGS, IPSEC)
    assert challenge.status == 401
    assert not challenge.has("security-server")
    assert net.prove("REGISTER", challenge, IPSEC, covered=b"").status == 200


# ------------------------------------------------------------- without a network

UDP = Flow("UDP", (NODE, 5060), (PHONE, 5060))


def request(*lines: bytes, method: bytes = b"MESSAGE", vias: int = 1) -> Request:
    head = [
        method + b" sip:bob@ims.test SIP/2.0",
        *(b"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK%d" % at for at in range(vias)),
        b"From: <sip:alice@ims.test>;tag=1",
        b"To: <sip:bob@ims.test>",
        b"Call-ID: one",
        b"CSeq: 1 " + method,
        *lines,
    ]
    parsed = parse_message(b"\r\n".join([*head, b"", b""]), Limits())
    assert isinstance(parsed, Request)
    return parsed


def test_behind_another_hop_nobody_agrees_with_us() -> None:
    agreement = Agreement(("digest",))
    assert agreement.asked(request(b"Proxy-Require: sec-agree"))
    assert not agreement.asked(request(b"Proxy-Require: sec-agree", vias=2))
    assert not agreement.asked(request(b"Proxy-Require: privacy"))


def test_tls_needs_no_other_proof() -> None:
    tls = Flow("TLS", (NODE, 5061), (PHONE, 5061), secure=True)
    agreement = Agreement(("tls", "digest"))
    sent = request(b"Proxy-Require: privacy, SEC-AGREE", b"Security-Client: tls")
    assert agreement.begin(sent) is None
    assert sent.items("proxy-require") == [b"privacy"]
    challenge = agreement.conclude(sent, tls, Refusal(407, None, (b"Proxy-Authenticate: x",)))
    assert isinstance(challenge, Refusal)
    assert (challenge.status, len(challenge.lines)) == (407, 2)
    assert agreement.conclude(sent, tls, None) is None
    assert not sent.has("security-client")


def test_an_ack_goes_on_without_it() -> None:
    ack = request(
        b"Require: sec-agree", b"Proxy-Require: sec-agree", b"Security-Verify: " + LIST,
        method=b"ACK",
    )  # fmt: skip
    Agreement(("tls", "digest")).release(ack)
    assert not {"require", "proxy-require", "security-verify"} & set(ack.names)


def test_a_list_that_cannot_be_read_is_400() -> None:
    refusal = Agreement(("digest",)).begin(
        request(b"Proxy-Require: sec-agree", b'Security-Verify: digest;d-ver="a, tls')
    )
    assert refusal is not None
    assert refusal.status == 400
