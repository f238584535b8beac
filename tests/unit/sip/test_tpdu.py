"""Short messages between phone and service centre (TS 23.040), and what carries them (TS 24.011)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies.rpdata import RpKind, RpMessage, parse_rp
from sip.bodies.segments import GSM7, UCS2, Place, cut, decode_text
from sip.bodies.tpdu import (
    Deliver,
    StatusReport,
    Submit,
    deliver_report,
    parse_deliver,
    parse_status_report,
    parse_submit,
    submit_report,
)

#: Units that are printed in many a manual of modems.
SUBMIT = bytes.fromhex("11000b916407281553f80000aa0ae8329bfd4697d9ec37")
DELIVER = bytes.fromhex("040b911346610089f60000208062917314080cc8f71d14969741f977fd07")
AT = 1_767_225_600.0  # the first second of 2026


def test_a_submit_of_a_modem() -> None:
    submit = parse_submit(SUBMIT)
    assert (submit.destination, submit.coding) == ("+46708251358", GSM7)
    assert decode_text(submit.coding, [submit.text]) == "hellohello"
    assert not submit.wants_report


def test_a_deliver_of_a_modem() -> None:
    deliver = parse_deliver(DELIVER)
    assert deliver.originator == "+31641600986"
    assert decode_text(deliver.coding, [deliver.text]) == "How are you?"
    assert deliver.at == 1_030_390_661.0  # 2002-08-26 19:37:41


def test_a_name_stands_for_a_number() -> None:
    made = Deliver("Carrier", GSM7, b"hi", AT).encode()
    assert parse_deliver(made).originator == "Carrier"


@settings(max_examples=60)
@given(st.text(max_size=300), st.sampled_from(["+49170123", "+4917012", "12345"]))
def test_what_is_written_is_read_again(text: str, number: str) -> None:
    coding, pieces = cut(text)
    total = len(pieces)
    for at, piece in enumerate(pieces, 1):
        place = Place(7, total, at) if total > 1 else None
        submit = Submit(5, number, coding, piece, place, wants_report=True)
        assert parse_submit(submit.encode()) == submit
        deliver = Deliver(number, coding, piece, AT, place, more=at < total)
        assert parse_deliver(deliver.encode()) == deliver


@pytest.mark.parametrize("letters", range(1, 9))
def test_a_name_of_any_length(letters: int) -> None:
    name = "Abcdefgh"[:letters]
    assert parse_deliver(Deliver(name, UCS2, b"", AT).encode()).originator == name


def test_reports() -> None:
    report = StatusReport(9, "+491", AT, AT + 60, 0x46)
    assert parse_status_report(report.encode()) == report
    assert submit_report(AT).hex() == "0100" + "62101000000000"
    assert submit_report(AT, 0xFF).hex() == "01ff00" + "62101000000000"
    assert (deliver_report().hex(), deliver_report(0xD3).hex()) == ("0000", "00d300")


@pytest.mark.parametrize("unit", [SUBMIT, DELIVER, b""])
def test_what_ends_too_early_is_refused(unit: bytes) -> None:
    for cut_at in range(len(unit)):
        with pytest.raises(ValueError, match=r".+"):
            (parse_submit if unit is SUBMIT else parse_deliver)(unit[:cut_at])


@settings(max_examples=150)
@given(st.binary(max_size=180))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    for parse in (parse_submit, parse_deliver, parse_status_report, parse_rp):
        try:
            parse(octets)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (
            RpMessage(RpKind.DATA_MS, 3, b"tpdu", destination="+49170"),
            "00030004919471f00474706475",
        ),
        (RpMessage(RpKind.DATA_NET, 4, b"t", originator="+4917"), "010403919471000174"),
        (RpMessage(RpKind.ACK_NET, 5, b"\x01\x00"), "030541020100"),
        (RpMessage(RpKind.ACK_MS, 5), "0205"),
        (RpMessage(RpKind.ERROR_MS, 6, cause=22), "04060116"),
        (RpMessage(RpKind.ERROR_NET, 6, b"\x01", cause=1), "05060101410101"),
        (RpMessage(RpKind.SMMA, 7), "0607"),
    ],
)
def test_relay_messages(message: RpMessage, octets: str) -> None:
    assert message.encode().hex() == octets
    assert parse_rp(bytes.fromhex(octets)) == message


@pytest.mark.parametrize("octets", ["", "00", "07 01", "00 01 05 91", "02 01 42 00", "04 01"])
def test_what_is_no_relay_message_is_refused(octets: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rp(bytes.fromhex(octets))


def test_a_name_of_letters_that_are_digits_too_is_a_name() -> None:
    """TS 23.040 9.1.2.5: alphanumeric, not the BCD digits a, b and c."""
    octets = Deliver("cab", GSM7, b"x", 0.0).encode()
    assert octets[1:3] == bytes((6, 0xD0))
    assert parse_deliver(octets).originator == "cab"
