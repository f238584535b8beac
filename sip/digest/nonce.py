# SPDX-License-Identifier: Apache-2.0
"""Nonces that need no memory until they are used, and the memory that stops replays.

A nonce is the time it was made, its number in this process's series, and a keyed hash over both,
the realm and the source it was made for: from another source it is good for nothing, so that who
forges a source address cannot use one of their own there. Making one stores nothing, so challenges
cannot fill a table. A counter slot is written only after credentials proved right, so strangers
cannot push out the state of users either.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b

from .. import octets
from ..errors import LocalProtocolError
from ..sources import source_of

FRESH = 0
"""The nonce is ours, in its lifetime and countable here."""
STALE = 1
"""The nonce is ours but too old, or another process's: the client may try again with a new one."""
FOREIGN = 2
"""The nonce was never made with our secret for this realm."""

_MASK = 0xFFFFFFFFFFFFFFFF
_HALF = 0x8000000000000000
_HEAD = 24  # hexadecimal digits: 8 of time, 16 of the series
_SIZE = 40
_BLOCK = 8  # nonces one hash is enough for
_LAST = 4096  # nonces that are remembered, those made last
_DIGITS = b"0123456789abcdef"
_TAGS = 4096  # sources whose tag is kept; emptied when full
_SKEW_S = 5.0  # how far a clock that was set back may make a nonce come from the future


class NonceSource:
    """Makes and recognises nonces.

    ``secret``: 16 octets or more. ``start``: 64 random bits, fresh in every process; processes that
    share a secret tell their own nonces by the series. Two nonces of one source tell how many
    challenges were made between them, nothing else.

    The hash over time and number gives 64 octets, so it is taken once for eight numbers in a row,
    each of which has eight octets of it for its own. The last nonces are remembered: most come
    back while they are.
    Spec: RFC 7616 section 3.3 (nonce) and 5.4.
    """

    __slots__ = ("_last", "_made", "_realm", "_realms", "_second", "_secret", "_start", "_states",
                 "_tags", "lifetime_s")  # fmt: skip

    def __init__(self, secret: bytes, start: int, lifetime_s: float = 300.0) -> None:
        if len(secret) < 16:
            raise LocalProtocolError("nonce secret shorter than 16 octets")
        self._secret = secret[:64]
        self._start = start & _MASK
        self._made = 0
        self.lifetime_s = lifetime_s
        self._states: dict[bytes, blake2b] = {}  # one per realm of the configuration
        self._tags: dict[str, int] = {"": 0}
        # By number: the last nonces made, and those of the block begun for this second and realm.
        self._last: list[bytes] = [b""] * _LAST
        self._realms: list[bytes] = [b""] * _LAST
        self._second = -1
        self._realm = b""

    def make(self, wall: float, realm: bytes, source: str = "") -> bytes:
        """Return a new nonce of 40 hexadecimal digits for ``realm``; ``wall`` in epoch seconds.

        Args: source: host address where alone it will be good; "": anywhere.
        """
        second = int(wall)
        number = (self._start + self._made) & _MASK
        if number % _BLOCK == 0 or second != self._second or realm != self._realm:
            self._prepare(number, second, realm)
        self._made += 1
        return self._bound(self._last[number % _LAST], source)

    def check(self, nonce: bytes, realm: bytes, wall: float, source: str = "") -> int:
        """Classify a nonce that came with credentials for ``realm``: FRESH, STALE or FOREIGN.

        One that was made for another source is FOREIGN.
        """
        second = octets.hex_number(nonce, 0, 8)
        if len(nonce) != _SIZE or second < 0 or octets.hex_number(nonce, 8, 16) < 0:
            return FOREIGN
        if octets.hex_number(nonce, 16, _HEAD) < 0:
            return FOREIGN
        number = self.sequence(nonce)
        place = (number - self._start) & _MASK
        ours = place < self._made
        if ours and self._made - place <= _LAST - _BLOCK:
            expected = self._last[number % _LAST]
            if realm != self._realms[number % _LAST]:
                return FOREIGN
        else:
            expected = self._block(number - number % _BLOCK, second, realm)[number % _BLOCK]
        if not octets.same_secret(self._bound(expected, source), nonce):
            return FOREIGN
        age = wall - second
        if age >= self.lifetime_s or age < -_SKEW_S:
            return STALE
        return FRESH if ours else STALE

    def of_another_run(self, nonce: bytes, wall: float) -> bool:
        """Say of a STALE nonce that its age is good and only its series is not ours."""
        age = wall - int(nonce[:8], 16)
        return -_SKEW_S <= age < self.lifetime_s

    def sequence(self, nonce: bytes) -> int:
        """Number of a nonce that ``check`` found FRESH; the key for NonceCounter."""
        front = octets.hex_number(nonce, 8, 16)
        return front << 32 | octets.hex_number(nonce, 16, _HEAD)

    def _bound(self, nonce: bytes, source: str) -> bytes:
        """Mix the tag of a source into a nonce's part of the hash, which nobody has seen without.

        The hash is as good as random and used for one nonce, so what is shown tells nothing of the
        tag.
        """
        if not source:
            return nonce
        known = self._tags.get(source)
        tag = self._tag(source) if known is None else known
        high = octets.hex_number(nonce, _HEAD, _HEAD + 8) ^ (tag >> 32)
        low = octets.hex_number(nonce, _HEAD + 8, _SIZE) ^ (tag & 0xFFFFFFFF)
        return octets.concat(octets.cut(nonce, 0, _HEAD), octets.hex8(high), octets.hex8(low), b"")

    def _tag(self, source: str) -> int:
        """Work out the tag of a source, and keep it for a while."""
        if len(self._tags) >= _TAGS:
            self._tags.clear()
        keyed = blake2b(
            source_of(source).encode(), key=self._secret, digest_size=8, person=b"source"
        )
        tag = self._tags[source] = int.from_bytes(keyed.digest(), "big")
        return tag

    def _prepare(self, number: int, second: int, realm: bytes) -> None:
        """Make what is left of the block that ``number`` is in."""
        block = self._block(number - number % _BLOCK, second, realm)
        for place in range(number % _BLOCK, _BLOCK):
            self._last[number % _LAST] = block[place]
            self._realms[number % _LAST] = realm
            number += 1
        self._second = second
        self._realm = realm

    def _block(self, first: int, second: int, realm: bytes) -> list[bytes]:
        """The eight nonces of a second and a realm whose numbers begin with ``first``."""
        state = self._states.get(realm)
        if state is None:
            state = self._states[realm] = blake2b(realm, key=self._secret, digest_size=64)
        state = state.copy()
        head = octets.concat(
            octets.hex8(second & 0xFFFFFFFF),
            octets.hex8(first >> 32),
            octets.hex8(first & 0xFFFFFFFF),
            b"",
        )
        state.update(head)
        macs = state.hexdigest().encode()
        front = octets.cut(head, 0, _HEAD - 1)
        digit = first % 16
        return [
            octets.concat(
                front,
                octets.cut(_DIGITS, digit + place, digit + place + 1),
                octets.cut(macs, 16 * place, 16 * place + 16),
                b"",
            )
            for place in range(_BLOCK)
        ]


class NonceCounter:
    """Last nonce count per nonce, in a table that never grows (12 octets a slot).

    Nonces are numbered, so a nonce has one slot: its number modulo the capacity. A newer nonce
    takes the slot of an older one, and the older one counts as stale from then on. Nothing is
    ever accepted twice. ``capacity`` is rounded up to a power of two.
    Spec: RFC 7616 section 3.4 (nc), RFC 3261 section 22.4.
    """

    __slots__ = ("_counts", "_mask", "_numbers")

    def __init__(self, capacity: int = 1 << 18) -> None:
        size = 1 << max(capacity - 1, 1).bit_length()
        self._mask = size - 1
        self._numbers = array("Q", bytes(8 * size))
        self._counts = array("I", bytes(4 * size))  # 0: the slot was never used

    def claim(self, sequence: int, count: int) -> bool:
        """Use up ``count`` of the nonce ``sequence``; False when it is not higher than the last.

        Also False when the nonce lost its slot to a newer one. Call it only for credentials whose
        response is right.
        """
        slot = sequence & self._mask
        used = self._counts[slot]
        if used:
            known = self._numbers[slot]
            if known == sequence:
                if count <= used:
                    return False
            elif (known - sequence) & _MASK < _HALF:
                return False
        elif count <= 0:
            return False
        self._numbers[slot] = sequence
        self._counts[slot] = count
        return True
