# SPDX-License-Identifier: Apache-2.0
"""The node as application server behind an S-CSCF: what crosses ISC, in octets."""

from __future__ import annotations

import pytest

from imsnode.identity import Peer
from imsnode.ims.roles import ImsSettings
from sip.headers.charging import read_charging_vector
from sip.message import Request, Response
from sip.testing import SimNetwork
from tests.support.ims_world import ALICE, BOB, DOMAIN, Gate, Station, routes

AS, S_CSCF = "192.0.2.1", "192.0.2.20"
BACK = b"<sip:192.0.2.20:5060;lr;odi=a1b2>"
TEXT = (b"Content-Type", b"text/plain")
CHARGED = (b"P-Charging-Vector", b"icid-value=abc;icid-generated-at=192.0.2.30;orig-ioi=home1.net")
ASSERTED = (b"P-Asserted-Identity", b"<sip:alice@ims.test>")


class Isc:
    """The node, an S-CSCF that the test writes, and a stranger."""

    def __init__(self, settings: ImsSettings | None = None) -> None:
        self.network = SimNetwork(7)
        peer = Peer("scscf", S_CSCF, "asserted", role="s-cscf")
        self.node = Gate(self.network, AS, [peer], settings=settings)
        self.s_cscf = Station(self.network, S_CSCF)
        self.stranger = Station(self.network, "192.0.2.66")

    def register(self, expires: int = 600, body: bytes = b"", kind: bytes = b"") -> Response:
        """Tell the node about bob, as an S-CSCF does."""
        lines = [
            (b"Contact", b"<sip:192.0.2.20:5060>"),
            (b"Expires", b"%d" % expires),
            CHARGED,
        ]
        if kind:
            lines.append((b"Content-Type", kind))
        return self.s_cscf.answer(
            AS, "REGISTER", f"sip:{AS}:5060", lines, body, "sip:scscf.ims.test", BOB
        )

    def served(self, case: bytes = b"term", state: bytes = b"reg") -> tuple[bytes, bytes]:
        who = BOB if case == b"term" else ALICE
        return b"P-Served-User", b"<%b>;sescase=%b;regstate=%b" % (who.encode(), case, state)

    def hand_in(
        self,
        *lines: tuple[bytes, bytes],
        body: bytes = b"hi",
        uri: str = BOB,
        method: str = "MESSAGE",
        ours: bytes = b"<sip:192.0.2.1:5060;lr>",
    ) -> Response:
        """Hand a request in over ISC, with the way back behind the way here."""
        route = (b"Route", ours + b", " + BACK)
        return self.s_cscf.answer(AS, method, uri, [route, ASSERTED, CHARGED, TEXT, *lines], body)


@pytest.fixture
def isc() -> Isc:
    return Isc()


def icid(message: Request | Response) -> tuple[bytes, bytes, bytes]:
    values = message.get_all("p-charging-vector")
    assert len(values) == 1  # exactly one (RFC 7315 4.6)
    vector = read_charging_vector(values[0])
    return vector.icid, vector.orig_ioi, vector.term_ioi


# ------------------------------------------------------------------- registration


def test_a_third_party_register_is_taken_with_its_own_expiry(isc: Isc) -> None:
    """IM-01: no digest inside the trust domain, 200 with the expiry asked for, far beyond ours."""
    answer = isc.register(600_000)
    assert (answer.status, answer.get("expires")) == (200, b"600000")
    assert icid(answer) == (b"abc", b"home1.net", DOMAIN.encode())
    (binding,) = isc.node.location.bindings(BOB, isc.network.now)
    assert binding.contact == BOB.encode()
    assert binding.path == (b"<sip:192.0.2.20:5060;lr>",)
    assert isc.register(0).get("expires") == b"0"
    assert isc.node.location.bindings(BOB, isc.network.now) == ()


def test_nobody_else_tells_who_is_registered(isc: Isc) -> None:
    """Threats A1, A3: from a stranger it is a REGISTER like any, which needs credentials."""
    lines = [(b"Contact", b"<sip:192.0.2.66:5060>"), (b"Expires", b"600")]
    answer = isc.stranger.answer(AS, "REGISTER", f"sip:{AS}", lines, recipient=BOB)
    assert answer.status == 401
    assert isc.node.location.bindings(BOB, isc.network.now) == ()


def test_users_of_other_domains_are_not_served(isc: Isc) -> None:
    lines = [(b"Contact", b"<sip:192.0.2.20:5060>"), (b"Expires", b"600")]
    answer = isc.s_cscf.answer(
        AS, "REGISTER", f"sip:{AS}", lines, b"", "sip:scscf.ims.test", "sip:eve@far.test"
    )
    assert answer.status == 404


EMBEDDED = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:bob@ims.test>;tag=1\r\n"
    b"To: <sip:bob@ims.test>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n"
    b'Contact: <sip:bob@192.0.2.9>;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"'
    b";expires=600\r\nContent-Length: 0\r\n\r\n"
)


def multipart(*parts: tuple[bytes, bytes]) -> bytes:
    text = b"".join(b"--b\r\nContent-Type: %b\r\n\r\n%b\r\n" % part for part in parts)
    return text + b"--b--\r\n"


def test_the_body_tells_of_devices(isc: Isc) -> None:
    """TS 24.229 5.4.1.7A: service-info and the user's REGISTER beside each other."""
    info = b'<ims-3gpp version="1"><service-info>gold</service-info></ims-3gpp>'
    body = multipart((b"application/3gpp-ims+xml", info), (b"message/sip", EMBEDDED))
    assert isc.register(600, body, b"multipart/mixed;boundary=b").status == 200
    (binding,) = isc.node.location.bindings(BOB, isc.network.now)
    assert b";+g.3gpp.icsi-ref=" in binding.params
    # One device left: what the registrar answered still names another.
    assert isc.register(0, EMBEDDED, b"message/sip").status == 200
    assert len(isc.node.location.bindings(BOB, isc.network.now)) == 1
    assert isc.register(600, b"no such thing", b"message/sip").status == 400


# -------------------------------------------------------------------- terminating


def test_a_message_goes_back_with_its_original_dialog_identifier(isc: Isc) -> None:
    """IM-02: Route of ours off, the next kept; the body, the R-URI and the ICID as they came."""
    isc.register()
    assert isc.hand_in(isc.served(), uri="sip:bob@ims.test;user=phone").status == 200
    back = isc.s_cscf.take()
    assert routes(back) == [BACK]
    assert back.uri == b"sip:bob@ims.test;user=phone"
    assert back.body == b"hi"
    assert icid(back) == (b"abc", b"home1.net", b"")
    assert back.get("p-asserted-identity") == b"<sip:alice@ims.test>"


def test_the_answer_to_what_is_stored_is_charged_to_us(isc: Isc) -> None:
    """IM-05: 202 with our term-ioi and the ICID; delivered later in a transaction of its own."""
    answer = isc.hand_in(isc.served(state=b"unreg"))
    assert answer.status == 202
    assert icid(answer) == (b"abc", b"home1.net", DOMAIN.encode())
    assert isc.s_cscf.idle()
    isc.register()
    delivered = isc.s_cscf.take()
    assert routes(delivered) == [b"<sip:192.0.2.20:5060;lr>"]
    assert delivered.uri == BOB.encode()
    assert delivered.body == b"hi"
    assert delivered.get("p-asserted-identity") == b"<sip:alice@ims.test>"
    own, orig, _ = icid(delivered)
    assert own != b"abc"
    assert orig == DOMAIN.encode()
    assert b"related-icid=abc" in (delivered.get("p-charging-vector") or b"")
    assert not delivered.has("p-served-user")
    isc.network.run(1)
    assert isc.node.store.waiting() == []
    noted = [entry.charging for entry in isc.node.ledger.entries]
    assert noted
    assert all(one is not None and b"icid-value=abc" in one for one in noted)


def test_stored_when_the_s_cscf_reaches_nobody(isc: Isc) -> None:
    """IM-02, D3: the sender gets 202 once the S-CSCF says 480; nothing is lost."""
    isc.s_cscf.answers["MESSAGE"] = 480
    assert isc.hand_in(isc.served()).status == 202
    assert [row.message.recipient for row in isc.node.store.waiting()] == [BOB]


def test_our_own_delivery_that_criteria_lead_here_is_handed_back(isc: Isc) -> None:
    """The S-CSCF asks us about what we sent: it goes on to the user and is not stored again."""
    isc.hand_in(isc.served(state=b"unreg"))
    isc.register()
    delivered = isc.s_cscf.take()
    identity = [
        (b"P-Charging-Vector", delivered.get("p-charging-vector") or b""),
        (b"P-Asserted-Identity", b"<sip:alice@ims.test>"),
        (b"Route", b"<sip:192.0.2.1:5060;lr>, " + BACK),
        isc.served(),
        TEXT,
    ]
    answer = isc.s_cscf.answer(AS, "MESSAGE", BOB, identity, b"hi")
    assert answer.status == 200
    assert routes(isc.s_cscf.take()) == [BACK]
    assert len(isc.node.store.rows) == 1


def test_originating_case_on_request() -> None:
    """IM-05: deliveries enter the S-CSCF as the sender's, with orig and P-Served-User."""
    isc = Isc(ImsSettings(b"op", originating=True))
    isc.hand_in(isc.served(state=b"unreg"))
    isc.register()
    delivered = isc.s_cscf.take()
    assert routes(delivered) == [b"<sip:192.0.2.20:5060;lr;orig>"]
    assert delivered.get("p-served-user") == b"<sip:alice@ims.test>;sescase=orig;regstate=reg"


# -------------------------------------------------------------------- originating


@pytest.mark.parametrize("said", ["header", "route", "cdiv"])
def test_an_originating_message_is_passed_on(isc: Isc, said: str) -> None:
    """IM-02: served user and case from P-Served-User, or from the Route that led here."""
    lines, ours = [isc.served(b"orig")], b"<sip:192.0.2.1:5060;lr>"
    if said == "route":
        lines, ours = [], b"<sip:192.0.2.1:5060;lr;orig>"
    elif said == "cdiv":
        lines = [(b"P-Served-User", b"<sip:alice@ims.test>;orig-cdiv")]
    assert isc.hand_in(*lines, ours=ours, uri="sip:carol@far.test").status == 200
    back = isc.s_cscf.take()
    assert (routes(back), back.uri) == ([BACK], b"sip:carol@far.test")
    assert isc.node.roles.services.originating == 1
    assert isc.node.store.rows == {}


def test_an_originating_message_is_never_stored(isc: Isc) -> None:
    """What the S-CSCF of the recipient says is the answer, also where the recipient is ours."""
    isc.s_cscf.answers["MESSAGE"] = 480
    assert isc.hand_in(isc.served(b"orig")).status == 480


def test_calls_pass_in_both_cases(isc: Isc) -> None:
    """Other methods go back along the Route, record-routed."""
    contact = (b"Contact", b"<sip:alice@192.0.2.77>")
    assert isc.hand_in(isc.served(), contact, method="INVITE").status == 200
    invite = isc.s_cscf.take("INVITE")
    assert routes(invite) == [BACK]
    assert invite.has("record-route")


# ------------------------------------------------------------------ trust, borders


def test_a_stranger_is_not_an_s_cscf(isc: Isc) -> None:
    """Threats R1, A3: a Route behind ours opens nothing, identity headers count for nothing."""
    lines = [(b"Route", b"<sip:192.0.2.1:5060;lr>, " + BACK), ASSERTED, isc.served(), TEXT]
    assert isc.stranger.answer(AS, "MESSAGE", BOB, lines, b"x").status == 407
    assert isc.s_cscf.idle(1.0)


def test_charging_and_access_stay_inside(isc: Isc) -> None:
    """IM-03, IM-04: headers of the network go back to the S-CSCF whole, never to a device."""
    network = (b"P-Access-Network-Info", b"3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101")
    visited = (b"P-Visited-Network-ID", b'"visited.net"')
    isc.hand_in(isc.served(), network, visited)
    back = isc.s_cscf.take()
    assert back.get("p-access-network-info") == network[1]
    assert back.get("p-visited-network-id") == visited[1]


def test_a_charging_vector_is_made_where_there_is_none(isc: Isc) -> None:
    """RFC 7315 4.6.2.2; two of them become one."""
    route = (b"Route", b"<sip:192.0.2.1:5060;lr>, " + BACK)
    isc.s_cscf.answer(AS, "MESSAGE", BOB, [route, ASSERTED, isc.served(), TEXT], b"x")
    made, orig, _ = icid(isc.s_cscf.take())
    assert made
    assert orig == DOMAIN.encode()
    twice = (b"P-Charging-Vector", b"icid-value=second")
    isc.s_cscf.answer(
        AS, "MESSAGE", BOB, [route, ASSERTED, isc.served(), TEXT, CHARGED, twice], b"y"
    )
    assert icid(isc.s_cscf.take())[0] == b"abc"


def test_a_served_user_that_cannot_be_read_is_refused(isc: Isc) -> None:
    assert isc.hand_in((b"P-Served-User", b"<sip:bob@")).status == 400
