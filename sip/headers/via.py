# SPDX-License-Identifier: Apache-2.0
"""Via: one hop of the way back (RFC 3261 20.42, RFC 3581, RFC 5118 4.5)."""

from __future__ import annotations

from typing import Final

from ..errors import ParseError
from ..grammar import check_param_value, is_token, split_list
from ..uri import parse_host, parse_hostport

# What stands before the parameters repeats from message to message; emptied when full.
_HOPS: Final = 4096
_HOP_BYTES: Final = 128
_hops: dict[bytes, tuple[str, bytes, str, int | None]] = {}


class Via:
    """One Via value. ``raw`` is the value as it came, ``params`` its parameters as they came.

    ``sent_by`` is host and port in lower case as they came, the form transactions are matched by;
    ``host`` is lower-case without brackets. ``branch`` is b"" when absent. ``rport`` says that the
    parameter is present, with or without a value. ``received`` is what the sender or an earlier
    hop wrote: in a request it decides nothing.
    """

    __slots__ = ("branch", "host", "maddr", "params", "port", "raw", "received", "rport",
                 "sent_by", "transport")  # fmt: skip

    transport: str
    sent_by: bytes
    host: str
    port: int | None

    def __init__(self, raw: bytes, hop: tuple[str, bytes, str, int | None]) -> None:
        self.raw: bytes = raw
        self.transport, self.sent_by, self.host, self.port = hop
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
        raw = self.raw
        if self.received is None:
            if not self.rport:
                if host == self.host:
                    return raw
                return b"%b;received=%b" % (raw, host.encode("ascii"))
            end = raw.find(b";rport") + 6
            if (end == len(raw) or raw[end] == 0x3B) and b'"' not in raw:
                return b"%b=%d;received=%b%b" % (raw[:end], port, host.encode("ascii"), raw[end:])
        kept = [raw.partition(b";")[0].rstrip(b" \t")]
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
    hop = _hops.get(pieces[0])
    if hop is None:
        hop = _read_hop(pieces[0])
    via = Via(value, hop)
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


def _read_hop(text: bytes) -> tuple[str, bytes, str, int | None]:
    """Read ``SIP / 2.0 / transport sent-by`` with white space anywhere it is allowed."""
    parts = text.replace(b"\t", b" ").split(b"/", 2)
    if len(parts) != 3 or parts[0].strip(b" ").upper() != b"SIP" or parts[1].strip(b" ") != b"2.0":
        raise ParseError("Via", "Via has an unknown protocol")
    transport, _, sent_by = parts[2].strip(b" ").partition(b" ")
    if not is_token(transport):
        raise ParseError("Via", "Via has a malformed transport")
    sent_by = sent_by.strip(b" ").lower()
    if b" " in sent_by:
        host, colon, port = sent_by.rpartition(b":")
        sent_by = host.rstrip(b" ") + colon + port.lstrip(b" ")
    host_name, port_number = parse_hostport(sent_by, "Via")
    hop = (transport.upper().decode("ascii"), sent_by, host_name, port_number)
    if len(text) <= _HOP_BYTES:
        if len(_hops) >= _HOPS:
            _hops.clear()
        _hops[text] = hop
    return hop
