# SPDX-License-Identifier: Apache-2.0
"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3).

A key is one octet string: blanks cannot occur in its parts, so they keep them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import octets
from ..ids import MAGIC_COOKIE

if TYPE_CHECKING:
    from ..message import Request

__all__ = ["cancel_candidates", "client_key", "server_key"]

_SUFFIX: dict[str, bytes] = {
    name: b" " + name.encode("ascii")
    for name in (
        "INVITE",
        "MESSAGE",
        "REGISTER",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "OPTIONS",
        "BYE",
        "INFO",
        "REFER",
        "UPDATE",
        "PRACK",
        "CANCEL",
    )
}
_CANCELLABLE = tuple(suffix for name, suffix in _SUFFIX.items() if name != "CANCEL")
_SUFFIX["ACK"] = _SUFFIX["INVITE"]


def client_key(branch: bytes, method: str) -> bytes:
    """Return the key of a client transaction; a CANCEL shares the branch of its INVITE."""
    return branch + b" CANCEL" if method == "CANCEL" else branch


def _old_stem(request: Request) -> bytes:
    """Return what 17.2.3 compares for RFC 2543 peers, and after a cookie with nothing behind it.

    The To tag is left out: it is our own in the ACK and absent in the INVITE, and inside a dialog
    the CSeq differs.
    """
    return b" ".join(
        (
            b"2543",
            request.uri,
            request.from_tag,
            request.call_id,
            b"%d" % request.cseq,
            request.via.raw.replace(b" ", b""),
        )
    )


def server_key(request: Request) -> bytes:
    """Return the key of the server transaction a request belongs to; ACK counts as INVITE."""
    method = request.method
    suffix = _SUFFIX.get(method)
    if suffix is None:
        suffix = b" " + method.encode("utf-8")
    branch = request.branch
    if len(branch) > 7 and octets.starts(branch, MAGIC_COOKIE, 0):
        return octets.concat(branch, b" ", request.hop.sent_by, suffix)
    return _old_stem(request) + suffix


def cancel_candidates(cancel: Request) -> list[bytes]:
    """Return the keys a CANCEL may mean, INVITE first: its method does not count (9.2)."""
    stem = server_key(cancel)[: -len(_SUFFIX["CANCEL"])]
    return [stem + suffix for suffix in _CANCELLABLE]
