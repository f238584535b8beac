# SPDX-License-Identifier: Apache-2.0
"""The node as a small S-CSCF, with application servers: filter criteria, chains, servers that fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imsnode.identity import Peer
from imsnode.identity.identities import PublicIdentity
from imsnode.ims.criteria import FilterCriteria, ServiceProfile
from imsnode.ims.criteria_xml import read_profiles
from imsnode.ims.roles import ImsSettings
from sip.message import Request
from sip.testing import SimNetwork
from sip.transaction import ServerTransaction
from tests.support.ims_world import ALICE, BOB, DOMAIN, Gate, Station, routes

S_CSCF, AS, AS2, P_CSCF = "192.0.2.20", "192.0.2.1", "192.0.2.2", "192.0.2.10"
TEXT = (b"Content-Type", b"text/plain")


def criterion(
    server: str, *conditions: str, priority: int = 0, handling: int = 0, more: str = ""
) -> str:
    """Return a criterion; all conditions must hold."""
    spts = "".join(
        f"<SPT><ConditionNegated>0</ConditionNegated><Group>{group}</Group>{condition}</SPT>"
        for group, condition in enumerate(conditions)
    )
    return (
        f"<InitialFilterCriteria><Priority>{priority}</Priority><TriggerPoint>"
        f"<ConditionTypeCNF>1</ConditionTypeCNF>{spts}</TriggerPoint><ApplicationServer>"
        f"<ServerName>sip:{server}:5060</ServerName><DefaultHandling>{handling}</DefaultHandling>"
        f"{more}</ApplicationServer></InitialFilterCriteria>"
    )


MESSAGE, REGISTER = "<Method>MESSAGE</Method>", "<Method>REGISTER</Method>"
ORIG, TERM, UNREG = (f"<SessionCase>{case}</SessionCase>" for case in (0, 1, 2))


def profile(*criteria: str) -> ServiceProfile:
    (found,) = read_profiles(f"<ServiceProfile>{''.join(criteria)}</ServiceProfile>".encode())
    assert all(isinstance(one, FilterCriteria) for one in found.criteria)
    return found


class Lab:
    """An S-CSCF with users behind a P-CSCF, and two addresses for application servers."""

    def __init__(self) -> None:
        self.network = SimNetwork(3)
        peers = [
            Peer("pcscf", P_CSCF, "asserted"),
            Peer("as", AS, "asserted", role="as"),
            Peer("as2", AS2, "asserted", role="as"),
        ]
        settings = ImsSettings(DOMAIN.encode(), answer_within_s=4.0)
        self.s_cscf = Gate(self.network, S_CSCF, peers, [ALICE, BOB], settings)
        self.phones = Station(self.network, P_CSCF)

    def provide(self, **profiles: ServiceProfile) -> None:
        self.s_cscf.roles.provide({f"sip:{name}@{DOMAIN}": one for name, one in profiles.items()})

    def server(self, host: str = AS) -> Station:
        return Station(self.network, host)

    def register(self, user: str, expires: int = 600, features: bytes = b"") -> int:
        contact = b"<sip:x@%b:5060>;expires=%d%b" % (P_CSCF.encode(), expires, features)
        lines = [
            (b"Contact", contact),
            (b"P-Access-Network-Info", b"3GPP-E-UTRAN-FDD"),
            (b"P-Visited-Network-ID", b'"visited"'),
        ]
        return self.phones.answer(
            S_CSCF, "REGISTER", f"sip:{DOMAIN}", lines, b"", user, user
        ).status

    def message(self, text: bytes = b"hi", seconds: float = 40.0, sender: str = ALICE) -> int:
        lines = [(b"P-Asserted-Identity", b"<%b>" % sender.encode()), TEXT]
        return self.phones.answer(S_CSCF, "MESSAGE", BOB, lines, text, seconds=seconds).status


@pytest.fixture
def lab() -> Lab:
    return Lab()


def hand_back(station: Station, **changes: bytes) -> Callable[[Request, ServerTransaction], None]:
    """Act as a B2BUA: send the request on by its Route, in a dialog of one's own."""

    def act(request: Request, transaction: ServerTransaction) -> None:
        way = routes(request)[1:]
        lines = [(b"Route", way[0]), TEXT]
        identity = request.get("p-asserted-identity")
        assert identity is not None
        lines.append((b"P-Asserted-Identity", identity))
        body = changes.get("body", request.body)
        station.send(S_CSCF, "MESSAGE", request.uri.decode(), lines, body)
        station.endpoint.respond(transaction, 200, station.network.now)

    return act


def test_both_sides_are_served_before_the_recipient_gets_it(lab: Lab) -> None:
    """TS 24.229 5.4.3.2, 5.4.3.3: originating, then terminating; B2BUAs keep only the identifier."""
    one, two = lab.server(AS), lab.server(AS2)
    one.act, two.act = hand_back(one), hand_back(two, body=b"changed")
    assert lab.register(ALICE) == lab.register(BOB) == 200
    lab.provide(
        alice=profile(criterion(AS, MESSAGE, ORIG)), bob=profile(criterion(AS2, MESSAGE, TERM))
    )
    assert lab.message() == 200
    asked = one.take()
    assert routes(asked)[0] == b"<sip:192.0.2.1:5060;lr>"
    assert asked.get("p-served-user") == b"<sip:alice@ims.test>;sescase=orig;regstate=reg"
    assert (asked.get("p-charging-vector") or b"").startswith(b"icid-value=")
    assert two.take().get("p-served-user") == b"<sip:bob@ims.test>;sescase=term;regstate=reg"
    got = lab.phones.take()
    assert got.body == b"changed"
    assert not got.has("route")
    assert lab.phones.idle()


def test_a_chain_of_servers_for_one_user(lab: Lab) -> None:
    """By rising priority, each once."""
    one, two = lab.server(AS), lab.server(AS2)
    one.act, two.act = hand_back(one, body=b"1"), hand_back(two, body=b"2")
    lab.register(BOB)
    lab.provide(
        bob=profile(criterion(AS2, MESSAGE, TERM, priority=9), criterion(AS, MESSAGE, TERM))
    )
    lab.message()
    assert two.take().body == b"1"
    assert lab.phones.take().body == b"2"
    assert (len(one.got), len(two.got)) == (1, 0)


def test_unregistered_recipients_have_services_too(lab: Lab) -> None:
    server = lab.server()
    server.answers["MESSAGE"] = 202
    lab.provide(bob=profile(criterion(AS, MESSAGE, UNREG)))
    assert lab.message() == 202
    assert server.take().get("p-served-user") == b"<sip:bob@ims.test>;sescase=term;regstate=unreg"
    assert lab.s_cscf.store.rows == {}


def test_senders_of_other_networks_have_no_criteria_here(lab: Lab) -> None:
    """Only the recipient's count."""
    server = lab.server()
    lab.provide(bob=profile(criterion(AS, MESSAGE, UNREG)))
    assert lab.message(sender="sip:eve@far.test") == 200
    assert (server.take().get("p-served-user") or b"").startswith(b"<sip:bob@ims.test>")


@pytest.mark.parametrize("trouble", ["503", "silence", "nobody"])
@pytest.mark.parametrize("handling", [0, 1])
def test_default_handling(lab: Lab, trouble: str, handling: int) -> None:
    """IM-06: SESSION_CONTINUED passes a server over, SESSION_TERMINATED ends the request."""
    if trouble != "nobody":
        server = lab.server()
        server.answers["MESSAGE"] = 503 if trouble == "503" else 0
    lab.register(BOB)
    lab.provide(bob=profile(criterion(AS, MESSAGE, TERM, handling=handling)))
    begun = lab.network.now
    status = lab.message()
    assert lab.network.now - begun < 5  # long before the sender gives up
    if handling:
        assert status in (500, 504)
        assert lab.phones.idle()
    else:
        assert status == 200
        assert lab.phones.take().body == b"hi"


def test_default_handling_for_a_recipient_who_is_away(lab: Lab) -> None:
    """What comes after the servers is the node's own: the message is stored."""
    lab.server().answers["MESSAGE"] = 503
    lab.provide(bob=profile(criterion(AS, MESSAGE)))
    assert lab.message() == 202
    assert len(lab.s_cscf.store.rows) == 1


def test_refusals_of_a_server_that_works_are_final(lab: Lab) -> None:
    lab.server().answers["MESSAGE"] = 403
    lab.register(BOB)
    lab.provide(bob=profile(criterion(AS, MESSAGE)))
    assert lab.message() == 403
    assert lab.phones.idle()


def test_an_identifier_of_somebody_else_opens_nothing(lab: Lab) -> None:
    """A Route with a made-up identifier begins anew, and only servers are listened to at all."""
    server = lab.server()
    lab.register(BOB)
    lab.provide(bob=profile(criterion(AS, MESSAGE, TERM)))
    forged = b"<sip:192.0.2.20:5060;lr;odi=AAAA>"
    lines = [(b"Route", forged), (b"P-Asserted-Identity", b"<%b>" % ALICE.encode()), TEXT]
    assert lab.phones.answer(S_CSCF, "MESSAGE", BOB, lines, b"x").status == 200
    assert server.take().body == b"x"


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE"])
def test_a_made_up_dialog_leads_past_no_server(lab: Lab, method: str) -> None:
    lab.server().answers[method] = 403
    lab.register(BOB)
    lab.provide(alice=profile(criterion(AS, f"<Method>{method}</Method>")))
    lines = [
        (b"P-Asserted-Identity", b"<%b>" % ALICE.encode()),
        (b"Contact", b"<sip:alice@%b>" % P_CSCF.encode()),
        (b"Event", b"presence"),
        TEXT,
    ]
    assert lab.phones.answer(S_CSCF, method, BOB, lines, to_tag="made-up").status == 403
    assert lab.phones.idle()


# ------------------------------------------------------------------- registration


def test_servers_are_told_who_registers(lab: Lab) -> None:
    """TS 24.229 5.4.1.7, 5.4.1.7A: first, again, gone; with what the criterion says to the server."""
    server = lab.server()
    more = "<ServiceInfo>gold</ServiceInfo><Extension><IncludeRegisterRequest/></Extension>"
    lab.provide(bob=profile(criterion(AS, REGISTER, more=more)))
    assert lab.register(BOB) == 200
    told = server.take("REGISTER")
    assert told.to_uri.aor == BOB
    assert told.uri == b"sip:192.0.2.1:5060"
    assert told.get("contact") == b"<sip:192.0.2.20:5060;lr>"
    assert told.get("expires") == b"600"
    assert told.get("p-visited-network-id") == b'"visited"'
    assert told.has("p-charging-vector")
    assert b"<service-info>gold</service-info>" in told.body
    assert b"REGISTER sip:ims.test SIP/2.0" in told.body
    lab.register(BOB, 300)
    assert server.take("REGISTER").get("expires") == b"300"
    lab.network.run(301)
    assert server.take("REGISTER").get("expires") == b"0"


def test_who_registers_by_a_barred_identity_is_told_of_like_anybody(lab: Lab) -> None:
    """TS 23.003 13.4B: the identity that a terminal makes of an IMSI; so do all of them begin."""
    server = lab.server()
    lab.provide(bob=profile(criterion(AS, REGISTER)))
    barred = PublicIdentity(f"sip:001010000000001@{DOMAIN}", barred=True)
    bob = lab.s_cscf.directory.get(BOB)
    assert bob is not None
    lab.s_cscf.directory.put(bob.changed(identities=(barred,)))
    assert lab.register(barred.uri) == 200
    told = server.take("REGISTER")
    assert told.to_uri.aor == BOB
    assert told.get("p-visited-network-id") == b'"visited"'


def test_a_server_that_must_know_and_does_not_ends_the_registration(lab: Lab) -> None:
    """TS 24.229 5.4.1.7: SESSION_TERMINATED on a REGISTER is a network-initiated deregistration."""
    lab.server().answers["REGISTER"] = 500
    lab.provide(bob=profile(criterion(AS, REGISTER, handling=1)))
    assert lab.register(BOB) == 200
    lab.network.run(1)
    assert lab.s_cscf.location.bindings(BOB, lab.network.now) == ()
    lab.provide(bob=profile(criterion(AS, REGISTER, handling=0)))
    lab.register(BOB)
    lab.network.run(1)
    assert len(lab.s_cscf.location.bindings(BOB, lab.network.now)) == 1


def test_two_nodes_are_s_cscf_and_application_server(lab: Lab) -> None:
    """Both roles face each other: stored while bob is away, drained by the third-party REGISTER."""
    server = Gate(lab.network, AS, [Peer("scscf", S_CSCF, "asserted", role="s-cscf")])
    everything = profile(criterion(AS, MESSAGE, priority=1), criterion(AS, REGISTER))
    lab.provide(alice=everything, bob=everything)
    assert lab.register(ALICE) == 200
    assert lab.message(b"one") == 202
    assert [row.message.body for row in server.store.waiting()] == [b"one"]
    assert lab.s_cscf.store.rows == {}
    assert lab.register(BOB) == 200
    got = lab.phones.take()
    assert got.body == b"one"
    assert not got.has("p-charging-vector") or got.get("p-asserted-identity")
    lab.network.run(2)
    assert server.store.waiting() == []
    assert lab.message(b"two") == 200
    assert lab.phones.take().body == b"two"
    assert lab.phones.idle()


def test_users_without_criteria_do_not_notice(lab: Lab) -> None:
    lab.register(BOB)
    lab.provide(carol=profile(criterion(AS, MESSAGE)))
    assert lab.message() == 200
    got = lab.phones.take()
    assert not got.has("route")
    assert lab.s_cscf.roles.scscf.asked == 0


# ------------------------------------------------------------------------ services

CPM = b'+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"'
OTHER = b'+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'


@pytest.mark.parametrize(("wish", "reached"), [(CPM, [1]), (OTHER, [0, 1]), (b"audio", [0, 1])])
def test_services_select_devices(lab: Lab, wish: bytes, reached: list[int]) -> None:
    """IM-07: an ICSI in Accept-Contact reaches the devices that registered it, and no other."""
    both = OTHER[:-1] + b"," + CPM.partition(b'"')[2]
    for number, features in enumerate((OTHER, both)):
        instance = b'+sip.instance="<urn:uuid:%d>"' % number
        contact = b"<sip:d%d@%b:5060>;%b;%b" % (number, P_CSCF.encode(), instance, features)
        lab.phones.answer(
            S_CSCF, "REGISTER", f"sip:{DOMAIN}", [(b"Contact", contact)], b"", BOB, BOB
        )
    service = (b"P-Asserted-Service", b"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg")
    lines = [(b"P-Asserted-Identity", b"<%b>" % ALICE.encode()), TEXT, service]
    lines.append((b"Accept-Contact", b"*;" + wish))
    assert lab.phones.answer(S_CSCF, "MESSAGE", BOB, lines, b"x").status == 200
    lab.network.run(1)
    got = [one for one in lab.phones.got if one.method == "MESSAGE"]
    assert sorted(one.uri.decode()[:6] for one in got) == [f"sip:d{number}" for number in reached]
    assert got[0].get("p-asserted-service") == service[1]


def test_a_service_that_no_device_has(lab: Lab) -> None:
    """IM-07: it is not there; a message waits only while no device could have it."""
    lines = [
        (b"P-Asserted-Identity", b"<%b>" % ALICE.encode()), TEXT, (b"Accept-Contact", b"*;" + CPM),
    ]  # fmt: skip
    assert lab.phones.answer(S_CSCF, "MESSAGE", BOB, lines, b"x").status == 202
    lab.register(BOB, features=b";audio")
    lab.phones.take()
    assert lab.phones.answer(S_CSCF, "MESSAGE", BOB, lines, b"y").status == 480
    assert lab.phones.answer(S_CSCF, "INVITE", BOB, lines, b"x").status == 480


def test_a_device_that_says_nothing_of_itself_is_asked(lab: Lab) -> None:
    """RFC 3841 7.2.2: preferences do not judge whoever registered no features."""
    lab.register(BOB)
    lines = [
        (b"P-Asserted-Identity", b"<%b>" % ALICE.encode()), TEXT, (b"Accept-Contact", b"*;" + CPM),
    ]  # fmt: skip
    assert lab.phones.answer(S_CSCF, "MESSAGE", BOB, lines, b"y").status == 200
