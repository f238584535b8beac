# SPDX-License-Identifier: Apache-2.0
"""Via: one hop of the way back (RFC 3261 20.42, RFC 3581, RFC 5118 4.5)."""

from __future__ import annotations

from typing import Final

from .. import octets
from ..errors import ParseError
from ..grammar import TOKEN, check_param_value, is_token, only, split_list
from ..known import Known
from ..uri import parse_host, parse_hostport

_ONLY_TOKEN: Final = only(TOKEN)

# What stands before the parameters repeats from message to message, and so does all of a value but
# its branch. Both tables are emptied when full.
_HOPS: Final = 4096
_HOP_BYTES: Final = 128
_hops: dict[bytes, tuple[str, bytes, str, int | None]] = {}
_shapes: dict[bytes, Via] = {}
_fronts: Final = Known(_HOPS)

# ``=port;received=host`` by source. Emptied when full.
_SOURCES: Final = 16384
_sources: dict[tuple[str, int], bytes] = {}


class Via:
    """One Via value. ``raw`` is the value as it came.

    ``sent_by`` is host and port in lower case as they came, the form transactions are matched by;
    ``host`` is lower-case without brackets. ``branch`` is b"" when absent. ``rport`` says that the
    parameter is present, with or without a value. ``received`` is what the sender or an earlier
    hop wrote: in a request it decides nothing. ``front`` is the length of what stands before the
    branch, and ``tail`` what follows it, in a value whose shape is known.
    """

    __slots__ = ("branch", "front", "host", "maddr", "port", "raw", "received", "rport", "sent_by",
                 "tail", "transport")  # fmt: skip

    def __init__(
        self,
        raw: bytes,
        branch: bytes,
        transport: str,
        sent_by: bytes,
        host: str,
        port: int | None,
        rport: bool = False,
        received: bytes | None = None,
        maddr: bytes | None = None,
    ) -> None:
        self.raw = raw
        self.branch = branch
        self.transport = transport
        self.sent_by = sent_by
        self.host = host
        self.port = port
        self.rport = rport
        self.received = received
        self.maddr = maddr
        self.front = 0
        self.tail = b""

    def __repr__(self) -> str:
        return f"Via({self.raw!r})"

    @property
    def params(self) -> list[bytes]:
        """The parameters as they came."""
        return _split(self.raw)[1:]

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
            end = octets.find(raw, b";rport", 0) + 6
            if octets.find(raw, b'"', 0) < 0:
                if end == len(raw):
                    return raw + source_text(host, port)
                if octets.starts(raw, b";", end):
                    return raw[:end] + source_text(host, port) + raw[end:]
        kept = [raw.partition(b";")[0].rstrip(b" \t")]
        for piece in self.params:
            name = piece.partition(b"=")[0].rstrip(b" \t").lower()
            if name != b"received" and name != b"rport":
                kept.append(piece)
        kept.append(b"received=" + host.encode("ascii"))
        if self.rport:
            kept.append(b"rport=%d" % port)
        return b";".join(kept)


def source_text(host: str, port: int) -> bytes:
    """Return what follows ``;rport`` in the Via of a request from there (RFC 3581 section 4)."""
    key = (host, port)
    text = _sources.get(key)
    if text is None:
        text = f"={port};received={host}".encode("ascii")
        if len(_sources) >= _SOURCES:
            _sources.clear()
        _sources[key] = text
    return text


def parse_via(value: bytes) -> Via:
    """Parse one via-parm, unfolded; white space around it is left out.

    Raises: ParseError. received may be an IPv6 address with or without brackets (RFC 5118 4.5).
    """
    at = octets.find(value, b";branch=", 0)
    if at < 0:
        return _read(octets.value_after(value, 0))
    text = value
    at += 8
    end = octets.find(value, b";", at)
    if end < 0:
        end = len(value)
    # With the name of the parameter in it, a shape tells where its branch stands.
    front = text[:at]
    shape = front + text[end : len(value)]
    branch = text[at:end]
    known = _shapes.get(shape)
    if known is not None and branch and octets.is_only(branch, _ONLY_TOKEN):
        _fronts.keep(front, known)
        return copy_via(known, value, branch)
    trimmed = octets.value_after(value, 0)
    if len(trimmed) != len(value):
        return parse_via(trimmed)
    via = _read(value)
    # Only what can be put together again in one way: the branch is what was cut out.
    if via.branch == branch and len(shape) <= _HOP_BYTES and b'"' not in value:
        via.front = at
        via.tail = text[end : len(value)]
        _fronts.keep(front, via)
        if len(_shapes) >= _HOPS:
            _shapes.clear()
        _shapes[shape] = via
    return via


def recognise_via(text: bytes, start: int, stop: int) -> Via | None:
    """Return a Via like the value from ``start`` to ``stop`` but for branch and raw, or None.

    The branch stands between its ``front`` and its ``tail``.
    """
    at = octets.find_in(text, b";branch=", start, stop)
    if at < 0:
        return None
    at += 8
    via: Via | None = _fronts.find(text, start, at)
    if via is None:
        return None
    end = stop - len(via.tail)
    if octets.only_in(text, _ONLY_TOKEN, at, end) and octets.same(text, end, stop, via.tail):
        return via
    return None


def copy_via(known: Via, raw: bytes, branch: bytes) -> Via:
    """Return a Via like ``known`` with another branch, as it stands in ``raw``."""
    # Field by field: handing nine arguments to __init__ takes twice as long.
    via = Via.__new__(Via)
    via.raw = raw
    via.branch = branch
    via.transport = known.transport
    via.sent_by = known.sent_by
    via.host = known.host
    via.port = known.port
    via.rport = known.rport
    via.received = known.received
    via.maddr = known.maddr
    via.front = known.front
    via.tail = known.tail
    return via


def _read(value: bytes) -> Via:
    pieces = _split(value)
    hop = _hops.get(pieces[0])
    if hop is None:
        hop = _read_hop(pieces[0])
    via = Via(value, b"", *hop)
    del pieces[0]
    has_branch = False
    for piece in pieces:
        has_branch = _read_param(via, piece, has_branch)
    return via


def _split(value: bytes) -> list[bytes]:
    return value.split(b";") if b'"' not in value else split_list(value, b";", "Via")


def _read_param(via: Via, piece: bytes, has_branch: bool) -> bool:
    """Take one parameter; return whether a branch was seen."""
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
