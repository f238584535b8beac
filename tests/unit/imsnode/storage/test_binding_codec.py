# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsnode.storage.binding_codec import AorState, decode_state, encode_state
from sip.registrar import Binding
from tests.support.stores import WALL, binding

AOR = "sip:bob@ims.test"
line = st.binary(max_size=40).filter(lambda octets: b"\n" not in octets)
name = st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=40)
bindings = st.builds(
    Binding,
    st.just(AOR),
    line,
    line,
    st.integers(0, 1000),
    st.floats(1000.002, 1e6),
    line,
    st.integers(0, 2**31 - 1),
    name,
    st.integers(0, 2**31 - 1),
    st.lists(line, max_size=3).map(tuple),
    st.none(),
    st.tuples(st.sampled_from(["UDP", "TCP", "TLS", ""]), name, st.integers(0, 65535)),
    line,
    st.booleans(),
)
devices = st.dictionaries(name, st.integers(0, 2**40).map(float), max_size=4)


def fields(one: Binding) -> dict[str, object]:
    return {slot: getattr(one, slot) for slot in Binding.__slots__}


@given(st.lists(bindings, max_size=4), devices)
def test_what_is_written_is_read(made: list[Binding], seen: dict[str, float]) -> None:
    data = encode_state(AorState(made, seen), 1000.0, WALL)
    assert bool(data) == bool(made or seen)
    if not data:
        return
    state = decode_state(AOR, data, 1000.0, WALL)
    assert state.devices == seen
    assert len(state.bindings) == len(made)
    for read, written in zip(state.bindings, made, strict=True):
        assert read.expires_at == pytest.approx(written.expires_at, abs=0.001)
        read.expires_at = written.expires_at
        assert fields(read) == fields(written)


def test_nothing_is_no_octets() -> None:
    assert encode_state(AorState((), {}), 0.0, WALL) == b""


def test_octets_that_are_no_text_stay_what_they_are() -> None:
    odd = b"<urn:uuid:\xff\xfe>".decode("utf-8", "surrogateescape")
    data = encode_state(AorState((binding(1, instance=odd),), {odd: WALL}), 0.0, WALL)
    state = decode_state(AOR, data, 0.0, WALL)
    assert state.bindings[0].instance == odd
    assert list(state.devices) == [odd]


@pytest.mark.parametrize(
    "values",
    [{"contact": b"sip:a\nb"}, {"path": (b"a", b"b\nc")}, {"instance": "a\nb"}],
)
def test_a_line_feed_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode_state(AorState((binding(1, **values),), {}), 0.0, WALL)


@given(st.binary(max_size=200))
def test_other_octets_are_refused_or_a_state(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(decode_state(AOR, b"1 1 1\n" + data, 0.0, WALL), AorState)


@pytest.mark.parametrize("devices", [{}, {"<a>": WALL}])
def test_an_entry_cut_off_anywhere_is_refused(devices: dict[str, float]) -> None:
    data = encode_state(AorState((binding(1),), devices), 0.0, WALL)
    for end in range(len(data)):
        with pytest.raises(ValueError, match=AOR):
            decode_state(AOR, data[:end], 0.0, WALL)


def test_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        decode_state(AOR, b"2 0 0\n", 0.0, WALL)
