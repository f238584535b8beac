# SPDX-License-Identifier: Apache-2.0
"""Via: one hop of the way back (RFC 3261 20.42, RFC 3581, RFC 5118 4.5)."""

from __future__ import annotations

from typing import Final

from ..errors import ParseError
from ..grammar import TOKEN, check_param_value, is_token, split_list
from ..uri import parse_host, parse_hostport

_TRANSPORTS: Final[dict[bytes, str]] = {
    b"SIP/2.0/" + name.encode(): name for name in ("UDP", "TCP", "TLS", "SCTP", "WS", "WSS")
}
_SENT_BY_ITEMS: Final = 4096
_sent_by: dict[bytes, tuple[bytes, str, int | None]] = {}


class Via:
    """One Via value. ``raw`` is the value as it came, ``params`` its parameters as they came.

    ``sent_by`` is host and port in lower case as they came, the form transactions are matched by;
    ``host`` is lower-case without brackets. ``branch`` is b"" when absent. ``rport`` says that the
    parameter is present, with or without a value. ``received`` is what the sender or an earlier
    hop wrote: in a request it decides nothing.
    """

    __slots__ = ("branch", "host", "maddr", "params", "port", "raw", "received", "rport",
                 "sent_by", "transport")  # fmt: skip

    def __init__(self, raw: bytes, transport: str, sent_by: bytes, host: str,
                 port: int | None) -> None:  # fmt: skip
        self.raw: bytes = raw
        self.transport: str = transport
        self.sent_by: bytes = sent_by
        self.host: str = host
        self.port: int | None = port
        self.branch: bytes = b""
        self.rport: bool = False
        self.received: bytes | None = None
        self.maddr: bytes | None = None
        self.params: list[bytes] = []

    def __repr__(self) -> str:
        return f"Via({self.raw!r})"

    def stamped(self, host: str, port: int) -> bytes:
        """Return the value as the receiving side must pass it on, from source ``host``:``port``.

        received and rport of the sender are overwritten; received is added when the source differs
        from sent-by or rport was asked for. Spec: RFC 3261 18.2.1, RFC 3581 section 4.
        """
        if self.received is None and not self.rport:
            if host == self.host:
                return self.raw
            return b"%b;received=%b" % (self.raw, host.encode("ascii"))
        kept = [self.raw.partition(b";")[0].rstrip(b" \t")]
        for piece in self.params:
            name = piece.partition(b"=")[0].rstrip(b" \t").lower()
            if name != b"received" and name != b"rport":
                kept.append(piece)
        kept.append(b"received=" + host.encode("ascii"))
        if self.rport:
            kept.append(b"rport=%d" % port)
        return b";".join(kept)


def parse_via(value: bytes) -> Via:
    """Parse one via-parm, unfolded.

    Raises: ParseError. received may be an IPv6 address with or without brackets (RFC 5118 4.5).
    """
    pieces = value.split(b";") if b'"' not in value else split_list(value, b";", "Via")
    protocol, _, sent_by = pieces[0].partition(b" ")
    transport = _TRANSPORTS.get(protocol)
    if transport is None:
        transport, sent_by = _read_protocol(pieces[0])
    known = _sent_by.get(sent_by)
    if known is None:
        known = _read_sent_by(sent_by)
    via = Via(value, transport, known[0], known[1], known[2])
    del pieces[0]
    via.params = pieces
    has_branch = False
    for piece in pieces:
        if piece == b"rport" and not via.rport:
            via.rport = True
        elif not has_branch and piece.startswith(b"branch=") and is_token(piece[7:]):
            via.branch = piece[7:]
            has_branch = True
        else:
            has_branch = _read_param(via, piece, has_branch)
    return via


def _read_param(via: Via, piece: bytes, has_branch: bool) -> bool:
    """Take one parameter that is not in its usual form; return whether a branch was seen."""
    name, equals, text = piece.partition(b"=")
    name = name.strip(b" \t").lower()
    text = text.strip(b" \t")
    if not is_token(name):
        raise ParseError("Via", "Via has an empty or malformed parameter")
    if equals and (text or name != b"rport"):
        check_param_value(text, "Via")
    if name == b"branch":
        if has_branch or not is_token(text):
            raise ParseError("Via", "Via has a malformed branch")
        via.branch = text
        return True
    if name == b"rport":
        if via.rport:
            raise ParseError("Via", "Via repeats a parameter")
        via.rport = True
    elif name == b"received":
        if via.received is not None:
            raise ParseError("Via", "Via repeats a parameter")
        host = text if b":" not in text or text.startswith(b"[") else b"[%b]" % text
        parse_host(host, "Via")
        via.received = text
    elif name == b"maddr":
        via.maddr = text
    return has_branch


def _read_protocol(text: bytes) -> tuple[str, bytes]:
    """Read ``SIP / 2.0 / transport sent-by`` with white space anywhere it is allowed."""
    parts = text.split(b"/", 2)
    if len(parts) != 3:
        raise ParseError("Via", "Via has no protocol")
    name = parts[0].strip(b" \t").upper()
    version = parts[1].strip(b" \t")
    rest = parts[2].strip(b" \t").replace(b"\t", b" ")
    transport, _, sent_by = rest.partition(b" ")
    if name != b"SIP" or version != b"2.0":
        raise ParseError("Via", "Via has an unknown protocol")
    if not transport or transport.translate(None, TOKEN):
        raise ParseError("Via", "Via has a malformed transport")
    return transport.upper().decode("ascii"), sent_by


def _read_sent_by(text: bytes) -> tuple[bytes, str, int | None]:
    sent_by = text.strip(b" \t").lower()
    if b" " in sent_by or b"\t" in sent_by:
        host, colon, port = sent_by.rpartition(b":")
        sent_by = host.rstrip(b" \t") + colon + port.lstrip(b" \t")
    known = (sent_by, *parse_hostport(sent_by, "Via"))
    if len(_sent_by) >= _SENT_BY_ITEMS:
        _sent_by.clear()
    _sent_by[text] = known
    return known
