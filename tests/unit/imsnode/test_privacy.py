"""What the gate makes of a wish for privacy; the forms of a MESSAGE are tests of sip.privacy."""

from __future__ import annotations

import pytest

from imsnode.identity.peers import Peer, PeerTable
from imsnode.identity.principal import Principal
from imsnode.privacy import Privacy, limit_identities
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from sip.proxy import Target
from sip.routing import Refusal
from tests.support.proxied import ALICE, BOB, ProxiedNode, request_text

AOR = "sip:alice@ims.test"


def gate() -> Privacy:
    made = ProxiedNode()
    peers = PeerTable([Peer("core", BOB[0], "asserted")])
    return Privacy(made.endpoint, made.proxy, peers)


def request(method: str, *lines: str, anonymous: bool = False) -> Request:
    data = request_text(method, lines=lines)
    if anonymous:
        data = data.replace(b"From: <sip:alice@ims.test>", b"From: <sip:a@anonymous.invalid>")
    parsed = parse_message(data, Limits())
    assert isinstance(parsed, Request)
    return parsed


@pytest.mark.parametrize("method", ["SUBSCRIBE", "MESSAGE"])
@pytest.mark.parametrize(
    ("lines", "anonymous", "hidden"),
    [
        ((), False, False),
        ((), True, True),
        (("Privacy: id",), False, True),
        (("Privacy: user",), False, True),
        (("Privacy: header",), False, False),
        (("Privacy: none",), True, False),
    ],
)
def test_who_is_not_to_be_known(
    method: str, lines: tuple[str, ...], anonymous: bool, hidden: bool
) -> None:
    wish = request(method, *lines, anonymous=anonymous)
    assert gate().hides(wish, Principal(AOR, "digest", "", anonymous)) is hidden


def test_only_messages_are_made_anew() -> None:
    who = Principal(AOR, "digest")
    for method in ("SUBSCRIBE", "INVITE"):
        wish = request(method, "Privacy: id")
        assert gate().apply(wish, who) is wish
    made = gate().apply(request("MESSAGE", "Privacy: id"), who)
    assert isinstance(made, Request)
    assert made.get("p-asserted-identity") == b"<sip:alice@ims.test>"
    plain = request("MESSAGE", "Privacy: none")
    assert gate().apply(plain, who) is plain
    refused = gate().apply(request("INVITE", "Privacy: session;critical"), who)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.reason) == (500, b"Privacy failure: no session")


def test_a_trusted_next_hop_is_told_who_was_authenticated() -> None:
    made = ProxiedNode()
    core, other = (Target(b"sip:z@x", made.flow(address)) for address in (BOB, ALICE))
    privacy = gate()
    line = (b"P-Asserted-Identity: <sip:alice@ims.test>",)
    assert privacy.asserted(Principal(AOR, "digest"), core) == line
    assert privacy.asserted(Principal(AOR, "digest"), other) == ()
    assert privacy.asserted(Principal(AOR, "asserted", "core"), core) == ()
    assert privacy.asserted(None, core) == ()


def test_what_a_peer_asserts_beyond_two_names_is_left_out() -> None:
    wish = request(
        "MESSAGE", "P-Asserted-Identity: <sip:a@x>, <tel:+1>", "P-Asserted-Identity: <sip:b@x>"
    )
    limit_identities(wish)
    assert wish.get_all("p-asserted-identity") == [b"<sip:a@x>, <tel:+1>"]
    broken = request("MESSAGE", "P-Asserted-Identity: <sip:a@x>, <")
    limit_identities(broken)
    assert not broken.has("p-asserted-identity")
