# SPDX-License-Identifier: Apache-2.0
"""Initial filter criteria: the XML of TS 29.228 annex E, and what it asks of a request."""

from __future__ import annotations

import pytest

from imsnode.ims.criteria import (
    DefaultHandling,
    Occasion,
    ProfilePart,
    RegistrationType,
    ServiceProfile,
    SptCase,
)
from imsnode.ims.criteria_xml import read_profiles
from sip.errors import ParseError
from sip.limits import Limits
from sip.message import Request, build_request
from sip.parser import parse_message

ORIG, TERM = SptCase.ORIGINATING_REGISTERED, SptCase.TERMINATING_REGISTERED
UNREG = SptCase.TERMINATING_UNREGISTERED


def spt(condition: str, group: int | tuple[int, ...] = 0, negated: int = 0) -> str:
    groups = (group,) if isinstance(group, int) else group
    marks = "".join(f"<Group>{one}</Group>" for one in groups)
    return f"<SPT><ConditionNegated>{negated}</ConditionNegated>{marks}{condition}</SPT>"


def criterion(
    *spts: str,
    cnf: int = 1,
    priority: int = 0,
    server: str = "sip:as.ims.test",
    rest: str = "",
    more: str = "",
) -> str:
    point = (
        f"<TriggerPoint><ConditionTypeCNF>{cnf}</ConditionTypeCNF>{''.join(spts)}</TriggerPoint>"
    )
    return (
        f"<InitialFilterCriteria><Priority>{priority}</Priority>{point if spts else ''}"
        f"<ApplicationServer><ServerName>{server}</ServerName>{more}</ApplicationServer>{rest}"
        "</InitialFilterCriteria>"
    )


def profile(*criteria: str, identity: str = "sip:alice@ims.test") -> ServiceProfile:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><IMSSubscription xmlns:xsi="http://www.w3.org/2001/'
        'XMLSchema-instance"><PrivateID>alice@ims.test</PrivateID><ServiceProfile><PublicIdentity>'
        f"<BarringIndication>0</BarringIndication><Identity>{identity}</Identity></PublicIdentity>"
        f"{''.join(criteria)}</ServiceProfile></IMSSubscription>"
    )
    (found,) = read_profiles(text.encode())
    return found


def request(
    method: str = "MESSAGE",
    uri: str = "sip:bob@ims.test",
    lines: tuple[tuple[bytes, bytes], ...] = (),
    body: bytes = b"",
) -> Request:
    head = [
        (b"Via", b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx"), (b"From", b"<sip:alice@ims.test>;tag=1"),
        (b"To", b"<sip:bob@ims.test>"), (b"Call-ID", b"c"), (b"CSeq", b"1 " + method.encode()),
        (b"Max-Forwards", b"70"), *lines,
    ]  # fmt: skip
    message = parse_message(build_request(method, uri.encode(), head, body), Limits())
    assert isinstance(message, Request)
    return message


def asked(found: ServiceProfile, occasion: Occasion) -> bool:
    return found.after(-1, occasion) is not None


METHOD, CASE = "<Method>MESSAGE</Method>", "<SessionCase>0</SessionCase>"


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        (METHOD, request(), request("INVITE")),
        ("<RequestURI>sip:bob@ims.test</RequestURI>", request(), request(uri="sip:al@ims.test")),
        ("<RequestURI>^tel:\\+49</RequestURI>", request(uri="tel:+4930"), request()),
        ("<RequestURI>tel:+4930</RequestURI>", request(uri="tel:+4930"), request(uri="tel:4930")),
        ("<SIPHeader><Header>Event</Header></SIPHeader>",
         request(lines=((b"o", b"presence"),)), request()),
        ("<SIPHeader><Header>Event</Header><Content>^pres</Content></SIPHeader>",
         request(lines=((b"Event", b"presence"),)), request(lines=((b"Event", b"reg"),))),
        ("<SIPHeader><Header>^accept(-contact)?$</Header><Content>icsi</Content></SIPHeader>",
         request(lines=((b"Accept-Contact", b'*;+g.3gpp.icsi-ref="x"'),)), request()),
        ("<SessionDescription><Line>m</Line><Content>^message</Content></SessionDescription>",
         request(lines=((b"Content-Type", b"application/sdp"),), body=b"v=0\r\nm=message 1 TCP/MSRP *\r\n"),
         request(lines=((b"Content-Type", b"application/sdp"),), body=b"v=0\r\nm=audio 1 RTP/AVP 0\r\n")),
        ("<SessionDescription><Line>m</Line></SessionDescription>",
         request(lines=((b"Content-Type", b"application/sdp"),), body=b"v=0\nm=audio 1 RTP/AVP 0\n"),
         request(lines=((b"Content-Type", b"text/plain"),), body=b"m=audio\n")),
    ],
)  # fmt: skip
def test_service_point_triggers(condition: str, holds: Request, fails: Request) -> None:
    """TS 29.228 B.2.2: each kind of trigger, and the same negated."""
    plain, negated = profile(criterion(spt(condition))), profile(criterion(spt(condition, 0, 1)))
    assert asked(plain, Occasion(holds, ORIG))
    assert not asked(plain, Occasion(fails, ORIG))
    assert not asked(negated, Occasion(holds, ORIG))
    assert asked(negated, Occasion(fails, ORIG))


def test_session_cases() -> None:
    for number, case in enumerate(SptCase):
        found = profile(criterion(spt(f"<SessionCase>{number}</SessionCase>")))
        assert [one for one in SptCase if asked(found, Occasion(request(), one))] == [case]


@pytest.mark.parametrize(
    ("cnf", "expected"), [(1, {"MESSAGE", "SUBSCRIBE"}), (0, {"MESSAGE", "SUBSCRIBE", "INVITE"})]
)
def test_groups(cnf: int, expected: set[str]) -> None:
    """CNF: of every group one holds; DNF: of one group all hold."""
    conditions = (
        spt(METHOD, 0 if cnf else 1), spt("<Method>SUBSCRIBE</Method>", 0 if cnf else 2),
        spt(CASE, 1 if cnf else (1, 2)), *(() if cnf else (spt("<Method>INVITE</Method>", 3),)),
    )  # fmt: skip
    found = profile(criterion(*conditions, cnf=cnf))
    met = {
        m for m in ("MESSAGE", "SUBSCRIBE", "INVITE") if asked(found, Occasion(request(m), ORIG))
    }
    assert met == expected
    if cnf:
        assert not asked(found, Occasion(request(), TERM))


def test_registration_types() -> None:
    """The Extension of a Method: which REGISTER it is."""
    kind = "<Extension><RegistrationType>0</RegistrationType></Extension>"
    found = profile(criterion(spt("<Method>REGISTER</Method>" + kind)))
    met = [
        one for one in RegistrationType if asked(found, Occasion(request("REGISTER"), ORIG, one))
    ]
    assert met == [RegistrationType.INITIAL_REGISTRATION]


def test_profile_part_and_no_trigger_at_all() -> None:
    """Without a TriggerPoint every request is one; ProfilePartIndicator chooses the state."""
    part = "<ProfilePartIndicator>1</ProfilePartIndicator>"
    found = profile(criterion(rest=part))
    assert found.criteria[0].part is ProfilePart.UNREGISTERED
    assert [one for one in SptCase if asked(found, Occasion(request(), one))] == [
        UNREG, SptCase.ORIGINATING_UNREGISTERED
    ]  # fmt: skip


def test_servers_are_asked_by_rising_priority() -> None:
    first, second = (
        criterion(priority=1, server="sip:one@as"),
        criterion(priority=7, server="sip:two@as"),
    )
    found = profile(second, first)
    occasion = Occasion(request(), TERM)
    one = found.after(-1, occasion)
    assert one is not None
    two = found.after(one.priority, occasion)
    assert two is not None
    assert (one.server.uri, two.server.uri) == (b"sip:one@as", b"sip:two@as")
    assert found.after(two.priority, occasion) is None
    assert list(found.all_for(occasion)) == [one, two]


def test_the_server_and_what_it_is_told() -> None:
    more = (
        "<DefaultHandling>1</DefaultHandling><ServiceInfo>gold</ServiceInfo>"
        "<Extension><IncludeRegisterRequest/><IncludeRegisterResponse/></Extension>"
    )
    (one,) = profile(criterion(more=more)).criteria
    server = one.server
    assert server.handling is DefaultHandling.SESSION_TERMINATED
    assert (server.info, server.with_request, server.with_response) == ("gold", True, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<x/>", "ServiceProfile"),
        ("<ServiceProfile><InitialFilterCriteria/></ServiceProfile>", "ApplicationServer"),
        (criterion(server="tel:+1"), "ServerName"),
        (criterion(spt("<Method>MESSAGE</Method><SessionCase>0</SessionCase>")), "SPT"),
        (criterion(spt("<SessionCase>9</SessionCase>")), "SessionCase"),
        (criterion(spt("<SIPHeader><Header>a(</Header></SIPHeader>")), "Header"),
        (criterion(spt(METHOD, negated=2)), "ConditionNegated"),
        (criterion(priority=3) + criterion(priority=3), "Priority"),
        (criterion(more="<DefaultHandling>2</DefaultHandling>"), "DefaultHandling"),
        ("<PublicIdentity><Identity>nobody</Identity></PublicIdentity>", "Identity"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    document = text if text.startswith(("<x", "<S")) else f"<ServiceProfile>{text}</ServiceProfile>"
    with pytest.raises(ParseError, match=named):
        read_profiles(document.encode())
