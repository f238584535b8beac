# SPDX-License-Identifier: Apache-2.0
"""Nonces that need no memory until they are used, and the memory that stops replays.

A nonce is the time it was made, its number in this process's series, and a keyed hash over both and
the realm. Making one stores nothing, so challenges cannot fill a table. A counter slot is written
only after credentials proved right, so strangers cannot push out the state of users either.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from hmac import compare_digest

from ..errors import LocalProtocolError

FRESH = 0
"""The nonce is ours, in its lifetime and countable here."""
STALE = 1
"""The nonce is ours but too old, or another process's: the client may try again with a new one."""
FOREIGN = 2
"""The nonce was never made with our secret for this realm."""

_MASK = (1 << 64) - 1
_HALF = 1 << 63
_HEAD = 24  # hexadecimal digits: 8 of time, 16 of the series
_SIZE = 40
_SKEW_S = 5.0  # how far a clock that was set back may make a nonce come from the future


class NonceSource:
    """Makes and recognises nonces.

    ``secret``: 16 octets or more. ``start``: 64 random bits, fresh in every process; processes that
    share a secret tell their own nonces by the series. Two nonces of one source tell how many
    challenges were made between them, nothing else.
    Spec: RFC 7616 section 3.3 (nonce) and 5.4.
    """

    __slots__ = ("_made", "_secret", "_start", "_states", "lifetime_s")

    def __init__(self, secret: bytes, start: int, lifetime_s: float = 300.0) -> None:
        if len(secret) < 16:
            raise LocalProtocolError("nonce secret shorter than 16 octets")
        self._secret = secret[:64]
        self._start = start & _MASK
        self._made = 0
        self.lifetime_s = lifetime_s
        self._states: dict[bytes, blake2b] = {}  # one per realm of the configuration

    def make(self, wall: float, realm: bytes) -> bytes:
        """Return a new nonce of 40 hexadecimal digits for ``realm``; ``wall`` in epoch seconds."""
        stamp = (int(wall) & 0xFFFFFFFF) << 64 | (self._start + self._made) & _MASK
        self._made += 1
        head = stamp.to_bytes(12, "big").hex().encode()
        return head + self._mac(head, realm)

    def check(self, nonce: bytes, realm: bytes, wall: float) -> int:
        """Classify a nonce that came with credentials for ``realm``: FRESH, STALE or FOREIGN."""
        if len(nonce) != _SIZE:
            return FOREIGN
        head = nonce[:_HEAD]
        if not compare_digest(self._mac(head, realm), nonce[_HEAD:]):
            return FOREIGN
        stamp = int(head, 16)
        age = wall - (stamp >> 64)
        if age >= self.lifetime_s or age < -_SKEW_S:
            return STALE
        if (stamp - self._start) & _MASK >= self._made:
            return STALE
        return FRESH

    def of_another_run(self, nonce: bytes, wall: float) -> bool:
        """Say of a STALE nonce that its age is good and only its series is not ours."""
        age = wall - int(nonce[:8], 16)
        return -_SKEW_S <= age < self.lifetime_s

    def sequence(self, nonce: bytes) -> int:
        """Number of a nonce that ``check`` found FRESH; the key for NonceCounter."""
        return int(nonce[8:_HEAD], 16)

    def _mac(self, head: bytes, realm: bytes) -> bytes:
        state = self._states.get(realm)
        if state is None:
            state = blake2b(realm, key=self._secret, digest_size=8)
            self._states[realm] = state
        state = state.copy()
        state.update(head)
        return state.hexdigest().encode()


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
