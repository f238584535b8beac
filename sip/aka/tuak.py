# SPDX-License-Identifier: Apache-2.0
"""TUAK, 3GPP's second algorithm set (TS 35.231 section 6).

3GPP numbers the bits of its parameters from the other end than Keccak does; what remains of that
is that the octets of every field stand in reverse order in the state.
"""

from __future__ import annotations

from .keccak import keccak_f1600

__all__ = ["Tuak", "tuak_topc"]

_NAME = b"TUAK1.0"
_PADDING = (96, 0x1F), (135, 0x80)
_STATE = 200
# INSTANCE, the octet that tells the functions apart: its bits 0 and 1, and bit 7 for a long key.
_F1 = 0x00
_F1_STAR = 0x80
_F2345 = 0x40
_F5_STAR = 0xC0
_LONG_KEY = 0x01
_LONG_CK = 0x04
_LONG_IK = 0x02
_LENGTHS = {4: 0x00, 8: 0x08, 16: 0x10, 32: 0x20}  # octets of a MAC or RES in bits 2 to 4


def tuak_topc(key: bytes, top: bytes, iterations: int = 1) -> bytes:
    """Derive TOPc, which a subscriber's record holds, from the operator's TOP (32 octets)."""
    return _field(_permuted(top, 0, b"", b"", b"", key, iterations), 0, 32)


class Tuak:
    """`sip.aka.AkaFunctions` of one subscriber.

    Args:
        key: K, 16 or 32 octets. topc: 32 octets. res: octets of RES, 4, 8, 16 or 32.
        mac, ck, ik: octets of MACs, CK and IK; AUTN and IMS want the defaults.
        iterations: how often the permutation is applied.
    """

    __slots__ = ("_ck", "_ik", "_iterations", "_key", "_mac", "_res", "_topc")

    def __init__(
        self,
        key: bytes,
        topc: bytes,
        res: int = 8,
        mac: int = 8,
        ck: int = 16,
        ik: int = 16,
        iterations: int = 1,
    ) -> None:
        self._key = key
        self._topc = topc
        self._res = res
        self._mac = mac
        self._ck = ck
        self._ik = ik
        self._iterations = iterations

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._mac_of(_F1, rand, sqn, amf)

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._mac_of(_F1_STAR, rand, sqn, amf)

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        instance = _F2345 | _LENGTHS[self._res]
        if self._ck == 32:
            instance |= _LONG_CK
        if self._ik == 32:
            instance |= _LONG_IK
        out = self._out(instance, rand, b"", b"")
        return (
            _field(out, 0, self._res),
            _field(out, 32, self._ck),
            _field(out, 64, self._ik),
            _field(out, 96, 6),
        )

    def f5_star(self, rand: bytes) -> bytes:
        return _field(self._out(_F5_STAR, rand, b"", b""), 96, 6)

    def _mac_of(self, instance: int, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        out = self._out(instance | _LENGTHS[self._mac], rand, sqn, amf)
        return _field(out, 0, self._mac)

    def _out(self, instance: int, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return _permuted(self._topc, instance, rand, amf, sqn, self._key, self._iterations)


def _permuted(
    top: bytes,
    instance: int,
    rand: bytes,
    amf: bytes,
    sqn: bytes,
    key: bytes,
    iterations: int,
) -> bytes:
    state = bytearray(_STATE)
    for place, field in ((0, top), (33, _NAME), (40, rand), (56, amf), (58, sqn), (64, key)):
        state[place : place + len(field)] = field[::-1]
    state[32] = instance | (_LONG_KEY if len(key) == 32 else 0)
    for place, octet in _PADDING:
        state[place] = octet
    out = bytes(state)
    for _ in range(iterations):
        out = keccak_f1600(out)
    return out


def _field(state: bytes, place: int, octets: int) -> bytes:
    return state[place : place + octets][::-1]
