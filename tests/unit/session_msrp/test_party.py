"""Offers and answers of the node's own sessions (RFC 4975 8, RFC 3264, RFC 6135)."""

from __future__ import annotations

import pytest

from session_msrp.errors import MediaError
from session_msrp.media import ACTPASS, PASSIVE
from session_msrp.party import MediaWish, answer, offer, read_answer, read_offer
from session_msrp.uri import parse_uri
from sip.bodies.sdp import parse_sdp

OWN = parse_uri(b"msrp://192.0.2.1:2855/abcdefghijklmnopqrst;tcp")
PEER = parse_uri(b"msrp://192.0.2.7:7777/tsrqponmlkjihgfedcba;tcp")
ORIGIN = (77, 3)
WISH = MediaWish(types=b"message/cpim", wrapped=b"*", attributes=((b"chatroom", b"nickname"),))
HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"


def peers(more: bytes = b"") -> bytes:
    return HEAD + (
        b"m=message 7777 TCP/MSRP *\r\na=accept-types:message/cpim text/plain\r\na=path:%b\r\n%b"
        % (PEER.raw, more)
    )


def test_an_offer_says_what_the_node_wishes() -> None:
    agreed = read_offer(offer(OWN, "192.0.2.1", WISH, b"", ORIGIN))
    assert agreed.sdp.session.value(b"o") == b"- 77 3 IN IP4 192.0.2.1"
    assert agreed.description.path == (OWN,)
    assert agreed.description.setup == ACTPASS
    assert agreed.description.types == (b"message/cpim",)
    assert agreed.section.attribute(b"chatroom") == b"nickname"


def test_an_answer_takes_the_session_and_refuses_all_else() -> None:
    offered = HEAD + b"m=audio 4000 RTP/AVP 0\r\n" + peers(b"a=setup:actpass\r\n")[len(HEAD) :]
    agreed = read_offer(offered)
    said = parse_sdp(answer(agreed, OWN, "192.0.2.1", WISH, b"", ORIGIN))
    assert [media.port for media in said.media] == [0, 2855]
    assert said.media[1].attribute(b"setup") == PASSIVE


def test_an_answer_to_who_knows_no_setup_has_none() -> None:
    said = parse_sdp(answer(read_offer(peers()), OWN, "192.0.2.1", WISH, b"", ORIGIN))
    assert said.media[0].attribute(b"setup") is None


@pytest.mark.parametrize(
    ("offered", "ready", "said"),
    [
        (b"sendonly", b"sendrecv", b"recvonly"),
        (b"recvonly", b"sendrecv", b"sendonly"),
        (b"inactive", b"sendrecv", b"inactive"),
        (b"sendrecv", b"recvonly", b"recvonly"),
        (b"sendonly", b"sendonly", b"inactive"),
    ],
)
def test_an_answer_keeps_to_the_direction_the_offer_leaves(
    offered: bytes, ready: bytes, said: bytes
) -> None:
    agreed = read_offer(peers(b"a=%b\r\n" % offered))
    answered = parse_sdp(answer(agreed, OWN, "192.0.2.1", MediaWish(direction=ready), b"", ORIGIN))
    assert answered.media[0].attribute(said) == b""


def test_a_refused_session_is_none() -> None:
    with pytest.raises(MediaError, match="refused"):
        read_answer(peers().replace(b"m=message 7777", b"m=message 0"))
