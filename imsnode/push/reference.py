# SPDX-License-Identifier: Apache-2.0
"""PURRs: what a dialog names a device by that may have to be woken (RFC 8599 section 6.2.1).

Nothing is kept for them: user and device are sealed under the node's key, anew with every REGISTER.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from sip.gruu import Seal
from sip.registrar import Binding

__all__ = ["References"]

_SCOPE: Final = b"purr"
_MARK: Final = 8
_PAD: Final = 64  # lengths say nothing of users
_LONGEST: Final = 700


class References:
    """Make PURRs and find the binding behind one. Args: bindings: the live bindings of a user."""

    def __init__(self, seal: Seal, bindings: Callable[[str, float], Sequence[Binding]]) -> None:
        self._seal = seal
        self._bindings = bindings

    def of(self, binding: Binding) -> bytes:
        """Return the PURR that the REGISTER behind a binding has got."""
        aor = binding.aor.encode()
        number = (binding.cseq & 0xFFFFFFFF).to_bytes(4, "big")
        content = _mark(binding) + number + aor + b"\0" * (-len(aor) % _PAD)
        return urlsafe_b64encode(self._seal.close(content, _SCOPE)).rstrip(b"=")

    def find(self, reference: bytes, now: float) -> Binding | None:
        """Return the binding that a PURR was given to, as it is now; None when there is none."""
        if len(reference) > _LONGEST:
            return None
        try:
            sealed = urlsafe_b64decode(reference + b"=" * (-len(reference) % 4))
        except (Base64Error, ValueError):
            return None
        content = self._seal.open(sealed, _SCOPE)
        if content is None:
            return None
        mark, aor = content[:_MARK], content[_MARK + 4 :].rstrip(b"\0").decode()
        return next(
            (one for one in self._bindings(aor, now) if compare_digest(_mark(one), mark)), None
        )


def _mark(binding: Binding) -> bytes:
    """Return what tells the devices of a user apart."""
    name = binding.instance.encode("utf-8", "surrogateescape") or binding.contact
    return blake2b(name, digest_size=_MARK).digest()
