# SPDX-License-Identifier: Apache-2.0
"""Public identities: whose they are, numbers in every spelling, what a sender may assert."""

from __future__ import annotations

import pytest

from imsnode.identity import Directory, LocalNames, make_account
from imsnode.identity.identities import PublicIdentity
from imsnode.identity.numbering import NumberPlan
from imsnode.identity.preference import preferred
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from sip.uri import parse_uri

ALICE = make_account("sip:alice@ims.test", "x").changed(
    identities=(
        PublicIdentity("sip:ann@ims.test"),
        PublicIdentity("tel:+491701234567"),
        PublicIdentity("sip:0010@ims.test", barred=True),
    )
)
GERMANY = NumberPlan("49", "0", "00", "30")


def names(*, plan: NumberPlan | None = GERMANY) -> LocalNames:
    directory = Directory([ALICE, make_account("sip:100@ims.test", "x")])
    directory.identities.configure({} if plan is None else {"ims.test": plan}, "ims.test")
    made = LocalNames(["ims.test", "other.test"], {"192.0.2.1"})
    made.identify(directory.identities)
    return made


@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice@ims.test",
        "sips:ann@ims.test:5061",
        "sip:ann@192.0.2.1",
        "tel:+49-170-1234567",
        "tel:0170/1234567".replace("/", "."),
        "tel:01701234567;phone-context=ims.test",
        "tel:01701234567;phone-context=+49",
        "tel:00491701234567",
        "sip:+491701234567@ims.test;user=phone",
        "sip:01701234567@ims.test;user=phone",
        "sip:01701234567;phone-context=ims.test@ims.test;user=phone",
    ],
)
def test_every_spelling_is_the_user(uri: str) -> None:
    assert names().aor_of(parse_uri(uri.encode())) == ALICE.aor


@pytest.mark.parametrize(
    ("uri", "aor"),
    [
        ("sip:100@ims.test", "sip:100@ims.test"),
        ("sip:ann@other.test", "sip:ann@other.test"),
        ("tel:+491701234568", "tel:+491701234568"),
        ("sip:0010@ims.test", "sip:0010@ims.test"),
    ],
)
def test_others_are_not(uri: str, aor: str) -> None:
    assert names().aor_of(parse_uri(uri.encode())) == aor


def test_a_barred_identity_registers_alone() -> None:
    uri = parse_uri(b"sip:0010@ims.test")
    assert names().registrant(uri) == ALICE.aor
    assert names().registrant(parse_uri(b"tel:+491701234567")) == ALICE.aor
    assert names().aor_of(uri) == "sip:0010@ims.test"


@pytest.mark.parametrize(
    ("digits", "number"),
    [
        ("+49 30".replace(" ", ""), "+4930"),
        ("0301234", "+49301234"),
        ("0044201234", "+44201234"),
        ("1234", "+49301234"),
        ("+0", ""),
        ("1" * 20, ""),
    ],
)
def test_a_plan_makes_numbers_global(digits: str, number: str) -> None:
    assert GERMANY.worldwide(digits) == number


def test_without_a_plan_only_global_numbers_are_understood() -> None:
    known = names(plan=None)
    assert known.aor_of(parse_uri(b"tel:+491701234567")) == ALICE.aor
    assert known.aor_of(parse_uri(b"tel:01701234567")) == "tel:01701234567"


@pytest.mark.parametrize(
    ("uri", "looked_for"),
    [
        ("tel:0301234", "sip:+49301234@ims.test;user=phone"),
        ("tel:+4420", "sip:+4420@ims.test;user=phone"),
        ("sip:0301234@ims.test", "sip:+49301234@ims.test;user=phone"),
        ("sip:100@ims.test", "sip:100@ims.test"),
        ("sip:+4420@ims.test", "sip:+4420@ims.test"),
        ("sip:bob@ims.test", "sip:bob@ims.test"),
        ("sip:0301234@else.test", "sip:0301234@else.test"),
        ("tel:112;phone-context=else.test", "tel:112;phone-context=else.test"),
    ],
)
def test_what_a_number_is_looked_for_as(uri: str, looked_for: str) -> None:
    assert names().routable(parse_uri(uri.encode())).raw.decode() == looked_for


def test_the_directory_follows_its_accounts() -> None:
    directory = Directory([ALICE])
    identities = directory.identities
    line = b"P-Associated-URI: <sip:alice@ims.test>, <sip:ann@ims.test>, <tel:+491701234567>"
    assert identities.associated(ALICE.aor) == line
    assert identities.shown(ALICE.aor) == [ALICE.aor, "sip:ann@ims.test", "tel:+491701234567"]
    bob = make_account("sip:bob@ims.test", "x").changed(identities=ALICE.identities[:1])
    directory.put(bob)
    directory.put(ALICE.changed(identities=()))
    assert identities.public == {"sip:ann@ims.test": bob.aor}
    assert not identities.barred
    directory.remove(bob.aor)
    assert not identities.public
    assert identities.associated(bob.aor) == b""


@pytest.mark.parametrize(
    ("sender", "wish", "identity"),
    [
        ("sip:alice@ims.test", "", "sip:alice@ims.test"),
        ("sip:ann@ims.test", "", "sip:ann@ims.test"),
        ("sip:alice@ims.test", "<tel:+49-170-1234567>", "tel:+491701234567"),
        ("sip:ann@ims.test", "<sip:bob@ims.test>", "sip:ann@ims.test"),
        ("sip:alice@ims.test", "<sip:0010@ims.test>", "sip:alice@ims.test"),
        ("sip:alice@ims.test", "<<", "sip:alice@ims.test"),
    ],
)
def test_what_a_sender_may_assert(sender: str, wish: str, identity: str) -> None:
    lines = [
        "MESSAGE sip:bob@ims.test SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1",
        f"From: <{sender}>;tag=1",
        "To: <sip:bob@ims.test>",
        "Call-ID: one",
        "CSeq: 1 MESSAGE",
        *([f"P-Preferred-Identity: {wish}"] if wish else []),
        "Content-Length: 0",
    ]
    request = parse_message("\r\n".join(lines).encode() + b"\r\n\r\n", Limits())
    assert isinstance(request, Request)
    assert preferred(request, ALICE) == identity
