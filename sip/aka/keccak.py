# SPDX-License-Identifier: Apache-2.0
"""The permutation Keccak-f[1600] (FIPS 202 section 3.3), which no library of ours gives bare."""

from __future__ import annotations

from struct import Struct

__all__ = ["keccak_f1600"]

_LANES = Struct("<25Q")
_MASK = (1 << 64) - 1


def keccak_f1600(state: bytes) -> bytes:
    """Permute 200 octets; lane (x, y) is the 64-bit little-endian word at x + 5y."""
    a = list(_LANES.unpack(state))
    for constant in _CONSTANTS:
        # theta
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ _turned(c[(x + 1) % 5], 1) for x in range(5)]
        # rho and pi
        b = [0] * 25
        for place, (source, turn) in enumerate(_MOVES):
            b[place] = _turned(a[source] ^ d[source % 5], turn)
        # chi
        a = [
            b[row + x] ^ (~b[row + (x + 1) % 5] & b[row + (x + 2) % 5])
            for row in range(0, 25, 5)
            for x in range(5)
        ]
        # iota
        a[0] ^= constant
    return _LANES.pack(*a)


def _turned(lane: int, turn: int) -> int:
    return (lane << turn | lane >> (64 - turn)) & _MASK


def _moves() -> tuple[tuple[int, int], ...]:
    """For each lane after rho and pi: which one it was before, and by how much it was turned."""
    turns = [0] * 25
    x, y = 1, 0
    for step in range(24):
        turns[x + 5 * y] = (step + 1) * (step + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    moves = []
    for place in range(25):
        x, y = place % 5, place // 5
        source = (x + 3 * y) % 5 + 5 * x
        moves.append((source, turns[source]))
    return tuple(moves)


def _round_constants() -> tuple[int, ...]:
    """FIPS 202 section 3.2.5: bits of a shift register at places 2**j - 1 of the lane."""
    constants = []
    register = 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


_MOVES = _moves()
_CONSTANTS = _round_constants()
