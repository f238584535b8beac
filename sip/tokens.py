# SPDX-License-Identifier: Apache-2.0
"""Flow tokens: who a Record-Route or Path of ours belongs to, kept in the URI itself.

A token is the user part of a URI this node writes. It names the flow a client is reached by, or no
flow at all, and carries a MAC over that and a scope (Call-ID and caller's tag), so that nobody
can aim the node at another address or re-use the route of one dialog for another.

Spec: RFC 5626 5.2 and 5.3; RFC 3261 16.6 item 4 (a value may be bound to its dialog).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from ipaddress import IPv4Address, IPv6Address, ip_address

from .flow import Flow

MAC_OCTETS = 10  # the 80 bits of RFC 5626 5.2
PATH_SCOPE = b"path"  # of tokens in a Path, which are good for any dialog
LONGEST_TOKEN = 64  # characters: MAC, kind and two IPv6 addresses with ports
_TRANSPORTS = ("", "UDP", "TCP", "TLS", "WS", "WSS")
_V6 = 0x80


class FlowName:
    """The flow a token names: transport token and both addresses; empty transport: none.

    `proven` tells that the name came out of a token whose MAC was right; `path` that it stood in a
    Path, which proves no dialog.
    """

    __slots__ = ("local", "path", "proven", "remote", "transport")

    def __init__(
        self,
        transport: str,
        local: tuple[str, int],
        remote: tuple[str, int],
        proven: bool = True,
        path: bool = False,
    ) -> None:
        self.transport = transport
        self.local = local
        self.remote = remote
        self.proven = proven
        self.path = path

    def names(self, flow: Flow) -> bool:
        """Tell whether `flow` is the one named."""
        return (
            self.transport == flow.transport
            and self.remote == flow.remote
            and self.local == flow.local
        )


UNBOUND = FlowName("", ("", 0), ("", 0))  # a token that names no flow
NO_TOKEN = FlowName("", ("", 0), ("", 0), proven=False)  # a URI of ours without a token


class FlowTokens:
    """Make and check tokens under one secret.

    The secret must outlive the process if dialogs over UDP are to survive a restart.
    Raises: ValueError for a secret shorter than 20 octets.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 20:
            raise ValueError("the flow token secret needs at least 20 octets")
        self._secret = secret

    def make(self, flow: Flow | None, scope: bytes) -> bytes:
        """Return the user part for `flow` (None: only prove that the URI is ours).

        `scope` is what the token is good for: the dialog in a Record-Route, or PATH_SCOPE.
        """
        content = b"\x00" if flow is None else _pack(flow)
        return urlsafe_b64encode(self._mac(content, scope) + content).rstrip(b"=")

    def read(self, token: bytes, scope: bytes) -> FlowName | None:
        """Return what the token says, UNBOUND for no flow, None when it is not ours as it stands.

        Spec: RFC 5626 5.3.1 (a token that was tampered with is refused).
        """
        if len(token) > LONGEST_TOKEN:
            return None
        try:
            raw = urlsafe_b64decode(token + b"=" * (-len(token) % 4))
        except (Base64Error, ValueError):
            return None
        content = raw[MAC_OCTETS:]
        if not content or not hmac.compare_digest(raw[:MAC_OCTETS], self._mac(content, scope)):
            return None
        return _unpack(content)

    def _mac(self, content: bytes, scope: bytes) -> bytes:
        return hmac.digest(self._secret, content + scope, "sha256")[:MAC_OCTETS]


def _pack(flow: Flow) -> bytes:
    local = ip_address(flow.local[0])
    remote = ip_address(flow.remote[0])
    kind = _TRANSPORTS.index(flow.transport)
    if remote.version == 6:
        kind |= _V6
    return b"%c%b%b%b%b" % (
        kind,
        local.packed,
        flow.local[1].to_bytes(2, "big"),
        remote.packed,
        flow.remote[1].to_bytes(2, "big"),
    )


def _unpack(content: bytes) -> FlowName | None:
    kind = content[0]
    if kind == 0:
        return UNBOUND if len(content) == 1 else None
    width = 16 if kind & _V6 else 4
    kind &= ~_V6
    if kind >= len(_TRANSPORTS) or len(content) != 1 + 2 * (width + 2):
        return None
    return FlowName(
        _TRANSPORTS[kind],
        _address(content[1 : 3 + width], width),
        _address(content[3 + width :], width),
    )


def _address(packed: bytes, width: int) -> tuple[str, int]:
    host = IPv6Address(packed[:width]) if width == 16 else IPv4Address(packed[:width])
    return str(host), int.from_bytes(packed[width:], "big")
