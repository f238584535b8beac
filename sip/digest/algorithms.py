# SPDX-License-Identifier: Apache-2.0
"""The hashes of digest authentication and what is computed from them.

Spec: RFC 7616 section 3.4, RFC 8760 section 2.2, RFC 3261 section 22.4. All hashes here are
lower-case hexadecimal octets, the form in which digest hashes them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

try:
    # The interpreter's own MD5 costs half of what the OpenSSL binding costs per call, and it works
    # where a policy of the machine has switched MD5 off in OpenSSL.
    from _md5 import md5 as _md5  # type: ignore[import-not-found, unused-ignore]
except ImportError:  # an interpreter built without it
    from hashlib import md5 as _md5

from .. import octets
from ..errors import LocalProtocolError

if TYPE_CHECKING:
    from .credentials import Credentials

MD5 = "MD5"
SHA_256 = "SHA-256"
SHA_512_256 = "SHA-512-256"
ALGORITHMS: tuple[str, ...] = (SHA_512_256, SHA_256, MD5)
"""Known algorithms, strongest first; each also exists with the suffix ``-sess``."""

AKA_V1_MD5 = "AKAv1-MD5"
AKA_V2_MD5 = "AKAv2-MD5"
AKA_V2_SHA_256 = "AKAv2-SHA-256"
"""Those whose password is made anew by AKA for each challenge: ``sip.aka``."""

Hexer = Callable[[bytes], bytes]


def _md5_hex(data: bytes) -> bytes:
    return _md5(data).hexdigest().encode()  # type: ignore[no-any-return, unused-ignore] # noqa: S324


def _sha256_hex(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _sha512_256_hex(data: bytes) -> bytes:
    return hashlib.new("sha512_256", data).hexdigest().encode()


_HEXERS: dict[str, Hexer] = {
    MD5: _md5_hex,
    SHA_256: _sha256_hex,
    SHA_512_256: _sha512_256_hex,
    MD5 + "-sess": _md5_hex,
    SHA_256 + "-sess": _sha256_hex,
    SHA_512_256 + "-sess": _sha512_256_hex,
    AKA_V1_MD5: _md5_hex,
    AKA_V2_MD5: _md5_hex,
    AKA_V2_SHA_256: _sha256_hex,
}

# Hash of method and digest uri by algorithm: the same for every registration of a domain, say.
_TARGETS: dict[str, dict[bytes, bytes]] = {name: {} for name in _HEXERS}
_TARGETS_KEPT = 1024  # of one algorithm; the table is emptied when full
_TARGET_OCTETS = 256

_NAMES: dict[bytes, str] = {name.lower().encode(): name for name in _HEXERS}
_NAMES.update({name.encode(): name for name in _HEXERS})
_NAMES[b""] = MD5  # RFC 7616 3.3: an absent algorithm means MD5


def algorithm_name(token: bytes) -> str:
    """Canonical name of the ``algorithm`` parameter ``token``; "" when it is not known here."""
    return _NAMES.get(token) or _NAMES.get(token.lower(), "")


def ha1(user: str, realm: str, password: str, algorithm: str = MD5) -> bytes:
    """Hash the secret that digest needs instead of the password: H(user ":" realm ":" password).

    Raises: LocalProtocolError for an unknown algorithm.
    Spec:   RFC 7616 section 3.4.2; text is UTF-8 (section 4).
    """
    return secret_of(algorithm, user.encode(), realm.encode(), password.encode())


def secret_of(algorithm: str, user: bytes, realm: bytes, password: bytes) -> bytes:
    """Do what ``ha1`` does for octets: passwords that AKA makes are no text."""
    return _hexer(algorithm)(b":".join((user, realm, password)))


def response_hex(
    algorithm: str, secret: bytes, method: bytes, credentials: Credentials, body: bytes = b""
) -> bytes:
    """Compute the ``response`` that goes with ``credentials`` for the HA1 ``secret``.

    Without qop the form of RFC 2069 is computed; qop values other than auth-int hash no body.
    Spec: RFC 7616 sections 3.4.1 to 3.4.3, RFC 3261 section 22.4 rules 7 and 8.
    """
    hexer = _hexer(algorithm)
    qop = credentials.qop
    if algorithm.endswith("-sess"):
        secret = hexer(b":".join((secret, credentials.nonce, credentials.cnonce)))
    a2 = method + b":" + credentials.uri
    if qop == b"auth-int":
        a2 += b":" + hexer(body)
    target = _target_hash(algorithm, hexer, a2)
    if not qop:
        return hexer(b":".join((secret, credentials.nonce, target)))
    return hexer(
        b":".join((secret, credentials.nonce, credentials.nc, credentials.cnonce, qop, target))
    )


def _target_hash(algorithm: str, hexer: Hexer, a2: bytes) -> bytes:
    known = _TARGETS[algorithm]
    digest = known.get(a2)
    if digest is None:
        digest = hexer(a2)
        if len(a2) <= _TARGET_OCTETS:
            if len(known) >= _TARGETS_KEPT:
                known.clear()
            known[a2] = digest
    return digest


def verify(credentials: Credentials, method: bytes, secret: bytes, body: bytes = b"") -> bool:
    """Say whether ``credentials`` prove knowledge of the HA1 ``secret`` for a request.

    Nothing but the arithmetic is checked: nonce, uri, realm and qop policy are the caller's. The
    comparison takes the same time whatever the position of the first difference.
    """
    algorithm = algorithm_name(credentials.algorithm)
    if not algorithm:
        return False
    want = response_hex(algorithm, secret, method, credentials, body)
    return octets.same_secret(want, credentials.response)


def _hexer(algorithm: str) -> Hexer:
    hexer = _HEXERS.get(algorithm)
    if hexer is None:
        raise LocalProtocolError(f"unknown digest algorithm {algorithm!r}")
    return hexer
