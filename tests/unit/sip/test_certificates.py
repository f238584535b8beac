# SPDX-License-Identifier: Apache-2.0
"""RFC 5922 7.1 and 7.2 on certificates as the ssl module shows them."""

from __future__ import annotations

from typing import Any

import pytest

from sip.certificates import names_server, sip_domains

SUBJECT = ((("countryName", "XX"),), (("commonName", "Common.test"),))


def certificate(*names: tuple[str, str]) -> dict[str, Any]:
    return {"subject": SUBJECT, **({"subjectAltName": names} if names else {})}


@pytest.mark.parametrize(
    ("names", "domains"),
    [
        ([("URI", "sip:A.test"), ("DNS", "b.test")], {"a.test"}),
        ([("URI", "SIP:a.test;transport=tls"), ("URI", "sip:c.test:5061")], {"a.test", "c.test"}),
        # A user's certificate speaks for nobody's domain, other schemes are none of SIP.
        ([("URI", "sip:alice@a.test"), ("URI", "https://a.test"), ("DNS", "B.test")], {"b.test"}),
        ([("URI", "sips:a.test")], set()),
        ([("IP Address", "192.0.2.1")], set()),
        ([], {"common.test"}),
    ],
)
def test_domains_in_a_certificate(names: list[tuple[str, str]], domains: set[str]) -> None:
    assert sip_domains(certificate(*names)) == domains


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("ims.test", True),
        ("IMS.test", True),
        ("sub.ims.test", False),
        ("test", False),
        ("host.wild.test", False),
        ("*.wild.test", True),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", True),
    ],
)
def test_names_are_compared_whole(name: str, named: bool) -> None:
    shown = certificate(
        ("DNS", "ims.test"), ("DNS", "*.wild.test"), ("IP Address", "192.0.2.1"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1"),
    )  # fmt: skip
    assert names_server(shown, name) is named


def test_nothing_shown_is_nobody() -> None:
    assert sip_domains({}) == frozenset()
    assert not names_server({}, "ims.test")
    assert not names_server({}, "192.0.2.1")
