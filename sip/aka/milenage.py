# SPDX-License-Identifier: Apache-2.0
"""Milenage, 3GPP's example algorithm set (TS 35.206 section 4.1)."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["BlockCipher", "Milenage", "milenage_opc"]

BlockCipher = Callable[[bytes], bytes]
"""Encrypts one block of 16 octets under the subscriber's K: AES-128 in every known network."""

_MASK = (1 << 128) - 1
# TS 35.206 section 4.1: by how much the input of each output is turned left, and its constant.
_OUT1 = (64, 0)
_OUT2 = (0, 1)
_OUT3 = (32, 2)
_OUT4 = (64, 4)
_OUT5 = (96, 8)


def milenage_opc(encrypt: BlockCipher, op: bytes) -> bytes:
    """Derive OPc, which a subscriber's record holds, from the operator's OP (16 octets)."""
    return (_number(encrypt(op)) ^ _number(op)).to_bytes(16, "big")


class Milenage:
    """`sip.aka.AkaFunctions` of one subscriber; RES has 8 octets.

    Args: encrypt: the block cipher under K. opc: 16 octets.
    """

    __slots__ = ("_encrypt", "_opc")

    def __init__(self, encrypt: BlockCipher, opc: bytes) -> None:
        self._encrypt = encrypt
        self._opc = _number(opc)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._macs(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._macs(rand, sqn, amf)[8:]

    def f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        temp = self._temp(rand)
        out2 = self._out(temp, 0, _OUT2)
        return out2[8:], self._out(temp, 0, _OUT3), self._out(temp, 0, _OUT4), out2[:6]

    def f5_star(self, rand: bytes) -> bytes:
        return self._out(self._temp(rand), 0, _OUT5)[:6]

    def _macs(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._out(_number((sqn + amf) * 2), self._temp(rand), _OUT1)

    def _temp(self, rand: bytes) -> int:
        return _number(self._encrypt((_number(rand) ^ self._opc).to_bytes(16, "big")))

    def _out(self, turned: int, plain: int, constants: tuple[int, int]) -> bytes:
        """E(rot(turned xor OPc, r) xor c xor plain) xor OPc."""
        turn, constant = constants
        block = turned ^ self._opc
        block = (block << turn | block >> (128 - turn)) & _MASK
        block ^= constant ^ plain
        return (_number(self._encrypt(block.to_bytes(16, "big"))) ^ self._opc).to_bytes(16, "big")


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
