"""Protocol data units of SMPP 3.4, beside what an independent implementation makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imsnode.sms.pdu import (
    HEAD,
    BadPdu,
    Command,
    Pdu,
    ShortMessage,
    Tag,
    address_of,
    bind_transceiver,
    message_id,
    read_head,
)
from imsnode.sms.receipt import is_receipt, read_receipt

#: submit_sm of SMPP 3.4 by hand: from +1555, type 1/1, to "short", alphanumeric, "hi".
SUBMIT = bytes.fromhex(
    "00 01 01 31353535 00 05 00 73686f7274 00 40 00 00 00 00 01 00 08 00 02 6869".replace(" ", "")
)


def test_a_short_message_as_octets() -> None:
    message = ShortMessage(address_of("+1555"), address_of("short"), b"hi", 0x40, 8, 1)
    assert message.encode() == SUBMIT
    assert ShortMessage.decode(SUBMIT) == message
    assert message.source.number == "+1555"


def test_a_long_text_goes_into_the_payload() -> None:
    message = ShortMessage(address_of("1"), address_of("2"), b"x" * 300)
    again = ShortMessage.decode(message.encode())
    assert (again.text, again.optional[Tag.MESSAGE_PAYLOAD]) == (message.text, message.text)


def test_the_four_numbers_in_front() -> None:
    octets = Pdu(Command.ENQUIRE_LINK, 7).encode()
    assert octets.hex() == "00000010000000150000000000000007"
    head = read_head(octets)
    assert (head.command, head.sequence) == (Command.ENQUIRE_LINK, 7)
    for length in (15, 70_001):
        with pytest.raises(BadPdu):
            read_head(HEAD.pack(length, 4, 0, 1))


def test_bodies_of_a_bind_and_of_its_answer() -> None:
    assert bind_transceiver("me", "pw", "") == b"me\0pw\0\0\x34\0\0\0"
    assert (message_id(b"42\0"), message_id(b"")) == ("42", "")


@pytest.mark.parametrize("cut", range(len(SUBMIT)))
def test_what_ends_too_early_is_refused(cut: int) -> None:
    with pytest.raises(BadPdu):
        ShortMessage.decode(SUBMIT[:cut])


@settings(max_examples=80)
@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        message = ShortMessage.decode(body)
    except BadPdu:
        return
    if is_receipt(message):
        read_receipt(message)


@pytest.mark.parametrize(
    ("text", "optional", "expected"),
    [
        (b"id:0123456789 sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD"
         b" err:000 text:hi", {}, ("0123456789", True, True)),
        (b"id:ABC stat:UNDELIV err:001", {}, ("ABC", False, True)),
        (b"id:1 stat:ACCEPTD", {}, ("1", False, False)),
        (b"", {0x001E: b"77\0", 0x0427: b"\2"}, ("77", True, True)),
        (b"id:9 stat:DELIVRD", {0x001E: b"77\0", 0x0427: b"\5"}, ("77", False, True)),
    ],
)  # fmt: skip
def test_receipts(
    text: bytes, optional: dict[int, bytes], expected: tuple[str, bool, bool]
) -> None:
    message = ShortMessage(address_of("1"), address_of("2"), text, 0x04, optional=optional)
    assert is_receipt(message)
    outcome = read_receipt(message)
    assert outcome is not None
    assert (outcome.ids[0], outcome.delivered, outcome.final) == expected


def test_ids_are_found_in_either_way_to_count() -> None:
    receipt = ShortMessage(address_of("1"), address_of("2"), b"id:255 stat:DELIVRD", 0x04)
    outcome = read_receipt(receipt)
    assert outcome is not None
    assert {"255", "ff", "FF"} <= set(outcome.ids)
    assert read_receipt(ShortMessage(address_of("1"), address_of("2"), b"?", 0x04)) is None


@pytest.mark.parametrize("identity", [b"\xb2", b"\xb9\xb2", b"9" * 5000])
def test_an_id_that_only_looks_like_a_number_stays_as_it_is(identity: bytes) -> None:
    receipt = ShortMessage(address_of("1"), address_of("2"), b"", 4, optional={0x001E: identity})
    outcome = read_receipt(receipt)
    assert outcome is not None
    assert outcome.ids == (identity.decode("latin-1"),)
