# SPDX-License-Identifier: Apache-2.0
"""The alphabets of short messages: GSM 7 bit with its extension, UCS2, and how septets are packed.

Septets are handled one to an octet; `pack` and `unpack` are for where they stand side by side.

Spec: 3GPP TS 23.038 6.1.2.1 (packing), 6.2.1 (default alphabet and extension table).
"""

from __future__ import annotations

from typing import Final

__all__ = ["decode_septets", "encode_septets", "pack", "unpack"]

_ESCAPE: Final = 0x1B
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
    0x40: "|", 0x65: "€",
}  # fmt: skip
_SEPTETS: Final = {
    **{letter: bytes((place,)) for place, letter in enumerate(_BASIC) if place != _ESCAPE},
    **{letter: bytes((_ESCAPE, place)) for place, letter in _EXTENSION.items()},
}


def encode_septets(text: str) -> bytes | None:
    """Return text in the default alphabet, None when it holds a letter that this has not."""
    try:
        return b"".join([_SEPTETS[letter] for letter in text])
    except KeyError:
        return None


def decode_septets(septets: bytes) -> str:
    """Return the text of septets; an escape before what is no extension is left out."""
    letters = []
    extended = False
    for septet in septets:
        septet &= 0x7F
        if septet == _ESCAPE and not extended:
            extended = True
            continue
        letter = _EXTENSION.get(septet) if extended else None
        letters.append(letter or (" " if septet == _ESCAPE else _BASIC[septet]))
        extended = False
    return "".join(letters)


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Return septets side by side, after `fill` empty bits."""
    bits = 0
    for place, septet in enumerate(septets):
        bits |= (septet & 0x7F) << (7 * place + fill)
    return bits.to_bytes((7 * len(septets) + fill + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Return `count` septets that stand side by side after `fill` bits.

    Raises: ValueError when there are not so many.
    """
    if 7 * count + fill > 8 * len(octets):
        raise ValueError("fewer septets than announced")
    bits = int.from_bytes(octets, "little") >> fill
    return bytes((bits >> (7 * place)) & 0x7F for place in range(count))
