# SPDX-License-Identifier: Apache-2.0
"""GRUUs: URIs that lead to one device of a user from wherever they are used (RFC 5627).

Nothing is kept for them. A public GRUU is the address of record with the instance id; a temporary
one carries user, instance and Call-ID sealed under the node's key, so that nobody can link two of
them, and each REGISTER makes another. A temporary GRUU counts while a binding of its instance made
with its Call-ID lives.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, Protocol
from urllib.parse import quote

from .registrar import Binding
from .uri import Uri

__all__ = ["Gruu", "Gruus", "Seal", "device_of"]

_PREFIX: Final = b"tgruu."
_MARK: Final = 8  # octets of the digests of an instance id and a Call-ID
_PAD: Final = 32  # user parts are filled up to a multiple: their length says nothing
_LONGEST: Final = 700  # characters of a sealed user part
_UNESCAPED: Final = "-_.!~*'()[]/:&+$"  # in the value of a URI parameter (RFC 3261 25.1)


class Gruu:
    """What a GRUU says. aor: the user's. instance: the device's id, "" for a temporary one.

    marks: digests of instance and Call-ID of a temporary one.
    """

    __slots__ = ("aor", "instance", "marks")

    def __init__(self, aor: str, instance: str, marks: bytes = b"") -> None:
        self.aor = aor
        self.instance = instance
        self.marks = marks

    @property
    def temporary(self) -> bool:
        """True for one that does not tell whose it is."""
        return bool(self.marks)

    def leads_to(self, binding: Binding) -> bool:
        """Say whether a binding is of the device, and for a temporary one of its registration."""
        if not self.marks:
            return binding.instance == self.instance
        return bool(binding.instance) and hmac.compare_digest(self.marks, _marks(binding))


class Seal(Protocol):
    """Closes octets so that nobody else can read, change or compare them; the same ones alike."""

    def close(self, content: bytes, scope: bytes) -> bytes:
        """Return them sealed for one scope."""
        ...

    def open(self, sealed: bytes, scope: bytes) -> bytes | None:
        """Return what `close` took, None for anything that it did not give."""
        ...


class Gruus:
    """Make and read GRUUs. The key of the seal must be the same after a restart."""

    __slots__ = ("_seal",)

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def fit(self, binding: Binding) -> bool:
        """Say whether a binding has GRUUs: it is a device's, and its user has a SIP URI."""
        return bool(binding.instance) and binding.aor.startswith("sip:") and "@" in binding.aor

    def public(self, binding: Binding) -> bytes:
        """Return the public GRUU of a binding's device (RFC 5627 5.1)."""
        scheme, _, rest = binding.aor.partition(":")
        value = quote(binding.instance.strip("<>"), safe=_UNESCAPED, errors="surrogateescape")
        scheme = "sips" if binding.secure else scheme
        return f"{scheme}:{rest};gr={value}".encode("ascii")

    def temporary(self, binding: Binding) -> bytes:
        """Return the temporary GRUU that the REGISTER behind a binding has got."""
        user, _, host = binding.aor.partition(":")[2].rpartition("@")
        name = user.encode("ascii")
        content = b"%b%b%b" % (
            _marks(binding),
            (binding.cseq & 0xFFFFFFFF).to_bytes(4, "big"),
            name + b"\0" * (-len(name) % _PAD),
        )
        sealed = urlsafe_b64encode(self._seal.close(content, host.encode())).rstrip(b"=")
        scheme = b"sips" if binding.secure else b"sip"
        return b"%b:%b%b@%b;gr" % (scheme, _PREFIX, sealed, host.encode())

    def params(self, binding: Binding) -> bytes:
        """Return the parameters of a Contact in a 200 (RFC 5627 5.2), b"" where there are none."""
        if not self.fit(binding):
            return b""
        return b';pub-gruu="%b";temp-gruu="%b"' % (self.public(binding), self.temporary(binding))

    def read(self, uri: Uri) -> Gruu | None:
        """Return what a URI with the parameter gr says, None when it is no GRUU of ours."""
        if "gr" not in uri.params or uri.user is None:
            return None
        value = uri.param("gr")
        if value:
            return Gruu(uri.aor, f"<{value.decode('utf-8', 'surrogateescape')}>")
        if not uri.user.startswith(_PREFIX) or len(uri.user) > _LONGEST:
            return None
        return self._open(uri.user.removeprefix(_PREFIX), uri.host)

    def _open(self, text: bytes, host: str) -> Gruu | None:
        shown = f"[{host}]" if ":" in host else host
        try:
            sealed = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            return None
        content = self._seal.open(sealed, shown.encode())
        if content is None:
            return None
        marks, name = content[: 2 * _MARK], content[2 * _MARK + 4 :].rstrip(b"\0")
        return Gruu(f"sip:{name.decode('ascii')}@{shown}", "", marks)


def device_of(gruu: Gruu, bindings: Iterable[Binding]) -> str:
    """Return the instance id of the device behind a GRUU, "" when no binding is of it."""
    return next((one.instance for one in bindings if gruu.leads_to(one)), "")


def _marks(binding: Binding) -> bytes:
    instance = binding.instance.encode("utf-8", "surrogateescape")
    return _digest(instance) + _digest(binding.call_id)


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=_MARK).digest()
