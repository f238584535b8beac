"""Short messages: alphabets, packing, cutting and putting together (TS 23.038, TS 23.040)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies.gsm import decode_septets, encode_septets, pack, unpack
from sip.bodies.segments import (
    EIGHT_BIT,
    GSM7,
    UCS2,
    Place,
    coding_of,
    cut,
    decode_text,
    place_header,
    split_header,
)


def test_septets_stand_side_by_side_as_printed() -> None:
    """The best known example: ten letters in nine octets."""
    septets = encode_septets("hellohello")
    assert septets is not None
    assert pack(septets).hex() == "e8329bfd4697d9ec37"
    assert decode_septets(unpack(bytes.fromhex("e8329bfd4697d9ec37"), 10)) == "hellohello"


def test_the_extension_takes_two_septets_and_unknown_ones_show_the_letter() -> None:
    assert encode_septets("[€]") == bytes.fromhex("1b3c1b651b3e")
    assert decode_septets(bytes.fromhex("1b3c1b651b3e")) == "[€]"
    assert decode_septets(b"\x1bA") == "A"
    assert decode_septets(b"a\x1b") == "a"
    assert encode_septets("日本") is None


@settings(max_examples=60)
@given(st.text(st.sampled_from("aZ09@€[]^~|{}\\ñÜΔ \n"), max_size=400), st.integers(0, 6))
def test_what_is_packed_comes_back(text: str, fill: int) -> None:
    septets = encode_septets(text)
    assert septets is not None
    assert unpack(pack(septets, fill), len(septets), fill) == septets
    assert decode_septets(septets) == text


@settings(max_examples=60)
@given(st.text(max_size=700))
def test_parts_fit_and_make_the_text_again(text: str) -> None:
    coding, parts = cut(text)
    most = (160 if coding == GSM7 else 140) if len(parts) == 1 else (153 if coding == GSM7 else 134)
    assert all(len(part) <= most for part in parts)
    assert decode_text(coding, parts) == text


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 152 + "€" + "a" * 10, [152, 12]),
        ("日" * 70, [140]),
        ("日" * 66 + "😀" + "日" * 9, [132, 22]),
    ],
)
def test_no_letter_is_cut(text: str, lengths: list[int]) -> None:
    assert [len(part) for part in cut(text)[1]] == lengths


def test_beyond_255_parts_there_is_no_message() -> None:
    with pytest.raises(ValueError, match="255"):
        cut("a" * (153 * 255 + 1))


@pytest.mark.parametrize("place", [Place(7, 3, 2), Place(0xFFFE, 255, 255)])
def test_a_header_says_where_a_part_belongs(place: Place) -> None:
    data = place_header(place) + b"rest"
    assert split_header(data) == (place, b"rest", len(data) - 4)


@pytest.mark.parametrize("data", ["", "05", "05000307", "0300030702", "ff00"])
def test_a_header_that_lies_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match="header"):
        split_header(bytes.fromhex(data))


def test_other_elements_are_passed_over_and_impossible_places_mean_nothing() -> None:
    assert split_header(bytes.fromhex("0b 05 04 158a 158a 00 03 07 02 01 41"))[0] == Place(7, 2, 1)
    assert split_header(bytes.fromhex("05 00 03 07 02 03 41")) == (None, b"A", 6)


@pytest.mark.parametrize(
    ("scheme", "coding"),
    [(0x00, GSM7), (0x04, EIGHT_BIT), (0x08, UCS2), (0x11, GSM7), (0xF0, GSM7), (0xF5, EIGHT_BIT),
     (0xE0, UCS2), (0xC0, GSM7), (0x0C, GSM7)],
)  # fmt: skip
def test_data_coding_schemes(scheme: int, coding: int) -> None:
    assert coding_of(scheme) == coding
