# SPDX-License-Identifier: Apache-2.0
"""Milenage, TUAK and Keccak-f[1600] on what was published about them."""

from __future__ import annotations

import hashlib

import pytest

from imsnode.identity.vault import block_cipher
from sip.aka import Milenage, Tuak, milenage_opc, tuak_topc
from sip.aka.keccak import keccak_f1600
from tests.support.aka_sets import MILENAGE, TUAK, MilenageSet, TuakSet


@pytest.mark.parametrize("one", MILENAGE, ids=lambda one: f"set {one.number}")
def test_milenage(one: MilenageSet) -> None:
    encrypt = block_cipher(one.key)
    assert milenage_opc(encrypt, one.op) == one.opc
    functions = Milenage(encrypt, one.opc)
    assert functions.f1(one.rand, one.sqn, one.amf) == one.mac_a
    assert functions.f1_star(one.rand, one.sqn, one.amf) == one.mac_s
    assert functions.f2345(one.rand) == (one.res, one.ck, one.ik, one.ak)
    assert functions.f5_star(one.rand) == one.ak_star


@pytest.mark.parametrize("one", TUAK, ids=lambda one: f"set {one.number}")
def test_tuak(one: TuakSet) -> None:
    iterations = int(one.iterations)
    assert tuak_topc(one.key, one.top, iterations) == one.topc
    functions = Tuak(
        one.key, one.topc, len(one.res), len(one.mac_a), len(one.ck), len(one.ik), iterations
    )
    assert functions.f1(one.rand, one.sqn, one.amf) == one.mac_a
    assert functions.f1_star(one.rand, one.sqn, one.amf) == one.mac_s
    assert functions.f2345(one.rand) == (one.res, one.ck, one.ik, one.ak)
    assert functions.f5_star(one.rand) == one.ak_star


@pytest.mark.parametrize("size", [0, 1, 134])
def test_keccak_makes_the_sha3_that_everybody_has(size: int) -> None:
    """One block of SHA3-256 is one permutation of the padded text (FIPS 202 section 6.1)."""
    text = bytes(range(size))
    state = bytearray(text.ljust(200, b"\0"))
    state[size] ^= 0x06
    state[135] ^= 0x80
    assert keccak_f1600(bytes(state))[:32] == hashlib.sha3_256(text).digest()
