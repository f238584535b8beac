# SPDX-License-Identifier: Apache-2.0
"""What a REGISTER does to bindings: RFC 3261 10.3, RFC 3327 5.3, and which contacts are taken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sip.contact_policy import ContactPolicy
from sip.flow import Flow
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from sip.registrar import (
    Binding,
    RegisterRefused,
    RegistrarLimits,
    Registration,
    date_line,
    plan_register,
    register_response_lines,
)
from sip.uri import parse_uri

AOR = "sip:alice@ims.test"
FLOW = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
NOW = 1000.0
WALL = 1_289_690_940.0
PHONE = b"<sip:alice@198.51.100.7:40000>"


def register(
    *contacts: bytes, call_id: bytes = b"one", cseq: int = 1, more: Sequence[bytes] = ()
) -> Request:
    lines = [
        b"REGISTER sip:ims.test SIP/2.0",
        b"Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1",
        b"From: <sip:alice@ims.test>;tag=1",
        b"To: <sip:alice@ims.test>",
        b"Call-ID: " + call_id,
        b"CSeq: %d REGISTER" % cseq,
        *(b"Contact: " + contact for contact in contacts),
        *more,
        b"Content-Length: 0",
    ]
    request = parse_message(b"\r\n".join(lines) + b"\r\n\r\n", Limits())
    assert isinstance(request, Request)
    return request


def plan(request: Request, current: Sequence[Binding] = (), now: float = NOW) -> Registration:
    return plan_register(request, AOR, current, FLOW, now)


def refused(request: Request, current: Sequence[Binding] = ()) -> tuple[int, tuple[bytes, ...]]:
    with pytest.raises(RegisterRefused) as caught:
        plan(request, current)
    return caught.value.status, caught.value.lines


class TestBindings:
    def test_first_contact(self) -> None:
        request = register(
            b'"Al" <sip:alice@198.51.100.7:40000>;q=0.5;+sip.instance="<urn:uuid:1>";reg-id=2'
            b";methods=x;expires=600",
            more=[b"User-Agent: phone"],
        )
        outcome = plan(request)
        (binding,) = outcome.bindings
        assert outcome.changed
        assert outcome.updated == outcome.bindings
        assert not outcome.removed
        assert (binding.aor, binding.contact, binding.q) == (AOR, PHONE[1:-1], 500)
        assert binding.expires_at == NOW + 600
        assert (binding.call_id, binding.cseq) == (b"one", 1)
        assert (binding.instance, binding.reg_id) == ("<urn:uuid:1>", 2)
        assert binding.flow is FLOW
        assert binding.received == ("UDP", "198.51.100.7", 40000)
        assert binding.user_agent == b"phone"
        assert not binding.secure
        assert register_response_lines(outcome, NOW + 0.4, WALL) == [
            (
                b"Contact: <sip:alice@198.51.100.7:40000>;q=0.5;expires=600"
                b';+sip.instance="<urn:uuid:1>";reg-id=2;methods=x'
            ),
            b"Date: Sat, 13 Nov 2010 23:29:00 GMT",
        ]

    def test_several_contacts_in_one_request(self) -> None:
        outcome = plan(register(b"<sip:a@a.example>, <sip:b@b.example>", b"<sip:c@c.example>"))
        assert [b.contact for b in outcome.bindings] == [
            b"sip:a@a.example", b"sip:b@b.example", b"sip:c@c.example",
        ]  # fmt: skip
        assert len(register_response_lines(outcome, NOW, WALL)) == 4

    def test_refresh(self) -> None:
        first = plan(register(PHONE))
        again = plan(register(PHONE + b";expires=120", cseq=2), first.bindings, NOW + 10)
        assert len(again.bindings) == 1
        assert again.bindings[0].expires_at == NOW + 130
        assert again.updated == again.bindings
        assert again.removed == ()
        assert first.bindings[0].expires_at == NOW + 3600, "the old one is not touched"

    @pytest.mark.parametrize(
        "again",
        [
            PHONE + b';expires=120;+sip.instance="<urn:uuid:1>";x',
            PHONE + b';+sip.instance="<urn:uuid:1>";x;expires=120',
            PHONE + b';+sip.instance="<urn:uuid:1>";x',
            PHONE + b';expires=soon;+sip.instance="<urn:uuid:1>";x',
            PHONE + b';expires=99999;+sip.instance="<urn:uuid:1>";x',
            PHONE + b';expires=0;+sip.instance="<urn:uuid:1>";x',
            PHONE + b';expires=60;+sip.instance="<urn:uuid:1>";x;y',
            PHONE + b';Expires=60;+sip.instance="<urn:uuid:1>"',
            PHONE + b';q=0.5;expires=60;+sip.instance="<urn:uuid:1>";x',
            PHONE[:-2] + b'1>;expires=60;+sip.instance="<urn:uuid:1>";x',
            b"<sip:other@198.51.100.7>, " + PHONE + b';+sip.instance="<urn:uuid:1>";x',
            PHONE + b';+sip.instance="<urn:uuid:1>";x, <sip:other@198.51.100.7>;x',
        ],
    )
    def test_a_refresh_is_what_it_is_over_another_flow(self, again: bytes) -> None:
        """Nothing depends on whether the contact came in the octets it had before."""
        first = plan(register(PHONE + b';expires=90;+sip.instance="<urn:uuid:1>";x'))
        request = register(again, cseq=2, more=[b"Expires: 600"])
        seen = []
        for flow in (FLOW, Flow("UDP", FLOW.local, FLOW.remote)):
            try:
                outcome = plan_register(request, AOR, first.bindings, flow, NOW + 5)
            except RegisterRefused as refusal:
                seen.append((refusal.status, list(refusal.lines), []))
                continue
            fields = [(b.instance, b.expires_at, b.cseq, b.received) for b in outcome.bindings]
            seen.append(
                (len(outcome.removed), register_response_lines(outcome, NOW + 5, WALL), fields)
            )
        assert seen[0] == seen[1]

    def test_contacts_compare_as_uris(self) -> None:
        first = plan(register(b"<sip:al%69ce@HOST.example:5070;Lr>;expires=90"))
        again = plan(register(b"<sip:alice@host.example:5070;lr>", cseq=2), first.bindings)
        assert [b.contact for b in again.bindings] == [b"sip:alice@host.example:5070;lr"]
        assert [b.contact for b in again.removed] == [b"sip:al%69ce@HOST.example:5070;Lr"]

    def test_users_that_differ_in_an_escaped_nul(self) -> None:
        outcome = plan(register(b"<sip:null-%00@a.example>, <sip:%00@a.example>"))
        assert len(outcome.bindings) == 2

    def test_removal(self) -> None:
        first = plan(register(PHONE, b"<sip:b@b.example>"))
        outcome = plan(register(PHONE + b";expires=0", cseq=2), first.bindings)
        assert [b.contact for b in outcome.bindings] == [b"sip:b@b.example"]
        assert [b.contact for b in outcome.removed] == [PHONE[1:-1]]
        assert outcome.changed
        assert outcome.updated == ()

    def test_removal_of_what_is_not_there(self) -> None:
        assert not plan(register(PHONE, more=[b"Expires: 0"])).changed

    def test_query(self) -> None:
        first = plan(register(PHONE))
        outcome = plan(register(cseq=1), first.bindings, NOW + 100)
        assert not outcome.changed
        assert register_response_lines(outcome, NOW + 100, WALL)[0].endswith(b";expires=3500")

    def test_expired_bindings_are_not_there(self) -> None:
        first = plan(register(PHONE + b";expires=60"))
        assert plan(register(), first.bindings, NOW + 60).bindings == ()
        assert len(plan(register(), first.bindings, NOW + 59.9).bindings) == 1

    def test_escaped_headers_stay_data(self) -> None:
        contact = b"<sip:alice@ims.test?Route=%3Csip:sip.example.com%3E>"
        (binding,) = plan(register(contact)).bindings
        assert binding.contact == contact[1:-1]
        assert contact in binding.line(NOW)

    def test_parameters_of_uri_and_of_contact_stay_apart(self) -> None:
        outcome = plan(register(b"<sip:alice@a.example;in>;out", b"sip:alice@b.example;out"))
        lines = register_response_lines(outcome, NOW, WALL)
        assert lines[:2] == [
            b"Contact: <sip:alice@a.example;in>;expires=3600;out",
            b"Contact: <sip:alice@b.example>;expires=3600;out",
        ]


class TestExpiry:
    @pytest.mark.parametrize(
        ("contact", "expires", "granted"),
        [
            (b"", b"", 3600),
            (b";expires=300", b"", 300),
            (b"", b"300", 300),
            (b";expires=60", b"300", 60),
            (b";expires=9999", b"", 3600),
            (b";expires=4294967295", b"", 3600),
            (b";expires=4294967296", b"", 1800),
            (b";expires=99999999999999999999", b"", 1800),
            (b";expires=soon", b"300", 1800),
            (b";expires", b"300", 1800),
            (b"", b"soon", 1800),
        ],
    )
    def test_interval(self, contact: bytes, expires: bytes, granted: int) -> None:
        more = [b"Expires: " + expires] if expires else []
        default = 1800 if granted == 1800 else 3600
        outcome = plan_register(
            register(PHONE + contact, more=more), AOR, (), FLOW, NOW,
            RegistrarLimits(default_s=default),
        )  # fmt: skip
        assert outcome.bindings[0].expires_at == NOW + granted

    def test_too_brief(self) -> None:
        status, lines = refused(register(PHONE + b";expires=59"))
        assert (status, lines) == (423, (b"Min-Expires: 60",))

    def test_an_hour_is_never_too_brief(self) -> None:
        limits = RegistrarLimits(min_s=7200, max_s=86400)
        outcome = plan_register(register(PHONE + b";expires=3600"), AOR, (), FLOW, NOW, limits)
        assert outcome.bindings[0].expires_at == NOW + 3600
        with pytest.raises(RegisterRefused):
            plan_register(register(PHONE + b";expires=3599"), AOR, (), FLOW, NOW, limits)

    def test_remaining_seconds(self) -> None:
        (binding,) = plan(register(PHONE + b";expires=60")).bindings
        assert binding.line(NOW + 0.4).endswith(b"expires=60")
        assert binding.line(NOW + 59.9).endswith(b"expires=1")


class TestStar:
    def test_removes_all(self) -> None:
        first = plan(register(PHONE, b"<sip:b@b.example>"))
        outcome = plan(register(b"*", cseq=2, more=[b"Expires: 0"]), first.bindings)
        assert outcome.bindings == ()
        assert outcome.removed == first.bindings

    @pytest.mark.parametrize("more", [[], [b"Expires: 60"], [b"Expires: x"]])
    def test_needs_expires_zero(self, more: list[bytes]) -> None:
        assert refused(register(b"*", more=more))[0] == 400

    def test_from_another_call(self) -> None:
        first = plan(register(PHONE, cseq=9))
        request = register(b"*", call_id=b"two", more=[b"Expires: 0"])
        assert plan(request, first.bindings).bindings == ()

    def test_out_of_order(self) -> None:
        first = plan(register(PHONE, cseq=9))
        assert refused(register(b"*", cseq=9, more=[b"Expires: 0"]), first.bindings)[0] == 500


class TestOrder:
    @pytest.mark.parametrize("cseq", [4, 5])
    @pytest.mark.parametrize("expires", [b"", b";expires=0"])
    def test_same_call_needs_a_higher_cseq(self, cseq: int, expires: bytes) -> None:
        first = plan(register(PHONE, cseq=5))
        assert refused(register(PHONE + expires, cseq=cseq), first.bindings)[0] == 500

    def test_another_call_is_independent(self) -> None:
        first = plan(register(PHONE, cseq=5))
        outcome = plan(register(PHONE, call_id=b"two", cseq=1), first.bindings)
        assert outcome.bindings[0].call_id == b"two"

    def test_one_bad_contact_leaves_everything_as_it_was(self) -> None:
        first = plan(register(PHONE, cseq=5))
        assert refused(register(b"<sip:new@n.example>", PHONE, cseq=5), first.bindings)[0] == 500


class TestDevices:
    INSTANCE = b';+sip.instance="<urn:uuid:1>"'

    def test_a_device_replaces_its_old_contact(self) -> None:
        first = plan(register(b"<sip:alice@a.example:1>" + self.INSTANCE))
        request = register(b"<sip:alice@a.example:2>" + self.INSTANCE, call_id=b"two")
        outcome = plan(request, first.bindings)
        assert [b.contact for b in outcome.bindings] == [b"sip:alice@a.example:2"]
        assert outcome.removed == first.bindings

    def test_two_flows_of_one_device_live_side_by_side(self) -> None:
        first = plan(register(b"<sip:alice@a.example:1>;reg-id=1" + self.INSTANCE))
        request = register(b"<sip:alice@a.example:2>;reg-id=2" + self.INSTANCE, call_id=b"two")
        assert len(plan(request, first.bindings).bindings) == 2

    def test_two_contacts_of_one_device_in_one_request(self) -> None:
        contacts = [b"<sip:a@a.example>" + self.INSTANCE, b"<sip:a@b.example>" + self.INSTANCE]
        assert len(plan(register(*contacts)).bindings) == 2

    def test_instance_and_uri_of_two_old_bindings(self) -> None:
        first = plan(register(b"<sip:a@a.example>" + self.INSTANCE, b"<sip:a@b.example>"))
        request = register(b"<sip:a@b.example>" + self.INSTANCE, call_id=b"two")
        outcome = plan(request, first.bindings)
        assert [b.contact for b in outcome.bindings] == [b"sip:a@b.example"]
        assert [b.contact for b in outcome.removed] == [b"sip:a@a.example"]

    @pytest.mark.parametrize("reg_id", [b"0x1", b"-1", b"99999999999", b"2147483648", b""])
    def test_useless_reg_id(self, reg_id: bytes) -> None:
        (binding,) = plan(register(PHONE + b";reg-id=" + reg_id if reg_id else PHONE)).bindings
        assert binding.reg_id == 0

    def test_instance_too_long(self) -> None:
        assert refused(register(PHONE + b';+sip.instance="<' + b"x" * 255 + b'>"'))[0] == 400


class TestOutbound:
    """RFC 5626 section 6."""

    FLOW_1 = b'<sip:alice@a.example:1>;reg-id=1;+sip.instance="<urn:uuid:1>"'
    SUPPORTED = b"Supported: path, Outbound"
    EDGE = b"<sip:token@198.51.100.7:40000;lr;ob>"
    SECOND_VIA = b"Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK0"

    def said(self, request: Request, current: Sequence[Binding] = ()) -> tuple[int, bool]:
        outcome = plan(request, current)
        lines = register_response_lines(outcome, NOW, WALL)
        return outcome.bindings[0].reg_id, b"Require: outbound" in lines

    def test_a_device_behind_no_proxy_is_told_that_its_flow_counts(self) -> None:
        first = register(self.FLOW_1, more=[self.SUPPORTED])
        assert self.said(first) == (1, True)
        again = register(self.FLOW_1, cseq=2, more=[self.SUPPORTED])
        assert self.said(again, plan(first).bindings) == (1, True)
        assert self.said(register(self.FLOW_1)) == (1, False)
        assert self.said(register(PHONE, more=[self.SUPPORTED])) == (0, False)

    def test_a_flow_without_an_instance_is_none(self) -> None:
        assert self.said(register(PHONE + b";reg-id=1", more=[self.SUPPORTED])) == (0, False)

    def test_a_first_hop_that_keeps_the_flow_says_so_in_its_path(self) -> None:
        more = [self.SECOND_VIA, self.SUPPORTED, b"Path: " + self.EDGE]
        assert self.said(register(self.FLOW_1, more=more)) == (1, True)

    @pytest.mark.parametrize("path", [(), (b"Path: " + EDGE.replace(b";ob", b""),)])
    def test_a_first_hop_that_does_not(self, path: tuple[bytes, ...]) -> None:
        more = [self.SECOND_VIA, *path]
        assert refused(register(self.FLOW_1, more=[*more, self.SUPPORTED]))[0] == 439
        assert self.said(register(self.FLOW_1, more=[*more, b"Supported: path"])) == (0, False)

    def test_what_a_stranger_says_of_a_first_hop_does_not_count(self) -> None:
        path = b"Path: <sip:token@203.0.113.66;lr;ob>"
        request = register(self.FLOW_1, more=[self.SECOND_VIA, self.SUPPORTED, path])
        assert refused(request)[0] == 439
        outcome = plan_register(request, AOR, (), FLOW, NOW, path_trusted=True)
        assert outcome.bindings[0].reg_id == 1

    def test_a_flow_comes_alone(self) -> None:
        other = b"<sip:alice@b.example>"
        assert refused(register(self.FLOW_1, other))[0] == 400
        assert self.said(register(self.FLOW_1, other + b";expires=0")) == (1, False)

    def test_nobody_suggests_gruus(self) -> None:
        names = b';pub-gruu="sip:x@y;gr=1";temp-gruu="sip:z@y;gr";x=1'
        (binding,) = plan(register(self.FLOW_1 + names)).bindings
        assert binding.params == b';reg-id=1;+sip.instance="<urn:uuid:1>";x=1'

    @pytest.mark.parametrize(
        "uri", [b"sip:alice@ims.test;gr=urn:uuid:1", b"sip:tgruu.x@ims.test;gr"]
    )
    def test_a_gruu_of_ones_own_is_no_contact(self, uri: bytes) -> None:
        assert refused(register(b"<" + uri + b">"))[0] == 403


class TestLimits:
    def test_ten_contacts(self) -> None:
        many = [b"<sip:a@a.example:%d>" % port for port in range(1, 12)]
        assert len(plan(register(*many[:10])).bindings) == 10
        assert refused(register(*many))[0] == 403

    def test_eleventh_contact_in_a_later_request(self) -> None:
        first = plan(register(*[b"<sip:a@a.example:%d>" % port for port in range(1, 11)]))
        assert refused(register(b"<sip:a@b.example>", cseq=2), first.bindings)[0] == 403
        swap = register(b"<sip:a@b.example>", b"<sip:a@a.example:1>;expires=0", cseq=2)
        assert len(plan(swap, first.bindings).bindings) == 10

    def test_a_crowd_is_refused_before_it_is_compared(self) -> None:
        many = b",".join(b"<sip:a@a.example:%d>" % port for port in range(1, 200))
        assert refused(register(many))[0] == 403

    def test_own_address_of_record(self) -> None:
        for contact in (b"<sip:alice@ims.test>", b"<sips:al%69ce@IMS.test;transport=tcp>"):
            assert refused(register(contact))[0] == 403
        assert plan(register(b"<sip:alice@ims.test:5071>")).changed

    def test_other_schemes(self) -> None:
        assert refused(register(b"<mailto:alice@ims.test>"))[0] == 400
        assert refused(register(b"<tel:+15551234>"))[0] == 400


class TestPath:
    PATH = (b"Path: <sip:198.51.100.7:5070;lr>", b"Path: <sip:p2.example;lr>, <sip:p3.example;lr>")
    VALUES = (
        b"<sip:198.51.100.7:5070;lr>",
        b"<sip:p2.example;lr>",
        b"<sip:p3.example;lr>",
    )

    def test_kept_in_order_and_copied(self) -> None:
        outcome = plan(register(PHONE, more=[*self.PATH, b"Supported: gruu, PATH"]))
        assert outcome.bindings[0].path == self.VALUES
        assert b"Path: " + b", ".join(self.VALUES) in register_response_lines(outcome, NOW, WALL)

    def test_needs_support(self) -> None:
        assert refused(register(PHONE, more=self.PATH)) == (420, (b"Unsupported: path",))

    def test_from_a_peer(self) -> None:
        request = register(PHONE, more=[b"Path: <sip:edge.example;lr>", b"Supported: path"])
        outcome = plan_register(request, AOR, (), FLOW, NOW, path_trusted=True)
        assert outcome.bindings[0].path == (b"<sip:edge.example;lr>",)

    @pytest.mark.parametrize(
        "uri", [b"sip:edge.example;lr", b"sip:198.51.100.7;lr;maddr=127.0.0.1", b"sip:10.0.0.1;lr"]
    )
    def test_of_a_stranger_has_no_effect(self, uri: bytes) -> None:
        outcome = plan(register(PHONE, more=[b"Path: <" + uri + b">", b"Supported: path"]))
        assert outcome.bindings[0].path == ()
        assert outcome.path == ()


class TestContactPolicy:
    OWN = (("192.0.2.1", 5060), ("192.0.2.1", 5061), ("2001:db8::1", 5060))

    @pytest.mark.parametrize(
        ("uri", "source"),
        [
            (b"sip:a@198.51.100.7:40000", "198.51.100.7"),
            (b"sip:a@10.0.0.5", "198.51.100.7"),
            (b"sip:a@phone.example", "198.51.100.7"),
            (b"sip:a@h8xk2.invalid;transport=ws", "198.51.100.7"),
            (b"sip:a@127.0.0.1:40000", "127.0.0.1"),
            (b"sip:a@[::1]:40000", "::1"),
            (b"sip:a@[2001:DB8:0::7]", "2001:db8::7"),
            (b"sip:a@192.0.2.1:5070", "192.0.2.1"),
            (b"sip:a@169.254.9.9", "169.254.9.9"),
        ],
    )
    def test_taken(self, uri: bytes, source: str) -> None:
        assert ContactPolicy(self.OWN)(parse_uri(uri), source)

    @pytest.mark.parametrize(
        "uri",
        [
            b"sip:a@127.0.0.1:40000",
            b"sip:a@127.8.8.8",
            b"sip:a@localhost",
            b"sip:a@x.localhost",
            b"sip:a@[::1]",
            b"sip:a@[::ffff:127.0.0.1]",
            b"sip:a@[::]",
            b"sip:a@0.0.0.0",
            b"sip:a@169.254.1.1",
            b"sip:a@[fe80::1]",
            b"sip:a@224.0.1.75",
            b"sip:a@[ff02::1]",
            b"sip:a@255.255.255.255",
            b"sip:a@192.0.2.1",
            b"sip:a@192.0.2.1:5060;transport=tcp",
            b"sips:a@192.0.2.1",
            b"sip:a@192.0.2.1;transport=tls",
            b"sip:a@[2001:db8::1]",
            b"sip:a@phone.example;maddr=127.0.0.1",
            b"sip:a@phone.example;maddr=192.0.2.1",
            b"sip:a@phone.example;transport=sctp",
            b"tel:+15551234",
        ],
    )
    def test_refused(self, uri: bytes) -> None:
        assert not ContactPolicy(self.OWN)(parse_uri(uri), "198.51.100.7")

    def test_own_listener_is_refused_from_our_own_address_too(self) -> None:
        policy = ContactPolicy(self.OWN)
        assert not policy(parse_uri(b"sip:a@192.0.2.1"), "192.0.2.1")
        assert not policy(parse_uri(b"sip:a@192.0.2.1:5060"), "192.0.2.1")
        assert not policy(parse_uri(b"sip:a@[2001:DB8:0:0::1]:5060"), "2001:db8::1")

    def test_the_address_the_request_came_to_is_refused_without_a_policy(self) -> None:
        assert refused(register(b"<sip:x@192.0.2.1:5060>"))[0] == 403

    def test_allowed_networks(self) -> None:
        policy = ContactPolicy(self.OWN, ["127.0.0.0/8", "fe80::/10"])
        assert policy(parse_uri(b"sip:a@127.0.0.1:40000"), "198.51.100.7")
        assert policy(parse_uri(b"sip:a@[fe80::1]"), "198.51.100.7")
        assert not policy(parse_uri(b"sip:a@224.0.1.75"), "198.51.100.7")

    def test_refusal_of_a_contact(self) -> None:
        request = register(b"<sip:alice@127.0.0.1>")
        with pytest.raises(RegisterRefused) as caught:
            plan_register(request, AOR, (), FLOW, NOW, contact_allowed=ContactPolicy(self.OWN))
        assert caught.value.status == 403
        gone = register(b"<sip:alice@127.0.0.1>;expires=0")
        plan_register(gone, AOR, (), FLOW, NOW, contact_allowed=ContactPolicy(self.OWN))


def test_date_line_follows_the_second() -> None:
    assert date_line(WALL) == date_line(WALL + 0.9)
    assert date_line(WALL + 1) == b"Date: Sat, 13 Nov 2010 23:29:01 GMT"
