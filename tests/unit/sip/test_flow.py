from __future__ import annotations

import pytest

from sip.flow import Flow


@pytest.mark.parametrize(
    ("transport", "reliable", "secure"),
    [("UDP", False, False), ("TCP", True, False), ("TLS", True, True), ("WSS", True, True)],
)
def test_properties_follow_from_the_transport(transport: str, reliable: bool, secure: bool) -> None:
    flow = Flow(transport, ("192.0.2.1", 5060), ("192.0.2.2", 5062))
    assert (flow.reliable, flow.secure) == (reliable, secure)
    assert flow.key == f"{transport.lower()}|192.0.2.1:5060|192.0.2.2:5062"


def test_via_line_names_our_side() -> None:
    flow = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.2", 5062))
    line = flow.via_line(b"z9hG4bK1")
    assert line == b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1"


def test_ipv6_is_bracketed_in_via_and_key() -> None:
    flow = Flow("TCP", ("2001:db8::1", 5060), ("2001:db8::2", 5060))
    assert flow.sent_by == b"[2001:db8::1]:5060"
    assert flow.key == "tcp|[2001:db8::1]:5060|[2001:db8::2]:5060"
    assert repr(flow) == "<Flow tcp|[2001:db8::1]:5060|[2001:db8::2]:5060>"


def test_advertised_name_replaces_the_address() -> None:
    flow = Flow("UDP", ("10.0.0.1", 5060), ("192.0.2.2", 5062), sent_by=b"SIP.ims.test:5060")
    assert flow.via_line(b"b").startswith(b"Via: SIP/2.0/UDP sip.ims.test:5060;")


def test_flows_are_compared_by_identity() -> None:
    first = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.2", 5062))
    second = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.2", 5062))
    assert first != second
    assert len({first, second}) == 2
