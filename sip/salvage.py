# SPDX-License-Identifier: Apache-2.0
"""What an answer to a broken request can be made of (RFC 4475 3.3.1, RFC 3261 8.2.6)."""

from __future__ import annotations

from .errors import BadMessage, ParseError
from .grammar import TEXT, is_token, split_commas
from .head import join_folds
from .headers.names import known_name
from .headers.via import Via, parse_via
from .limits import Limits
from .message import Partial, trim, unfold


def salvage(data: bytes, limits: Limits) -> Partial | None:
    """Collect what an error response needs from a request that does not parse.

    Returns: None when there is nothing to answer: no Via, a response, an ACK, or no SIP at all.
    Lines with control octets or beyond the limits are left out.
    """
    front = data[: limits.head_bytes].lstrip(b"\r\n")
    head, empty_line, _ = front.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if not empty_line and len(lines) > 1:
        lines.pop()  # nobody knows whether it is whole
    method, _, tail = lines[0].partition(b" ")
    version = tail.rstrip(b" ").rpartition(b" ")[2].upper()
    if not is_token(method) or not version.startswith(b"SIP/") or method == b"ACK":
        return None
    vias: list[bytes] = []
    found: dict[str, bytes] = {}
    for line in _whole_lines(lines[1:]):
        raw_name, colon, _ = line.partition(b":")
        name = known_name(raw_name)
        size = len(line)
        if not colon or size > limits.header_bytes or unfold(line).translate(None, TEXT):
            continue
        if name == "via" and len(vias) < limits.vias:
            vias.append(line)
        elif name in ("from", "to", "call-id", "cseq") and name not in found:
            found[name] = line
    if not vias:
        return None
    via, rest = _top_via(vias[0])
    copied = [found[name] for name in ("from", "to", "call-id", "cseq") if name in found]
    to_at = -1
    if "to" in found and b";tag=" not in found["to"].translate(None, b" \t\r\n").lower():
        to_at = copied.index(found["to"])
    return Partial(method.decode("ascii"), vias, via, rest, copied, to_at)


def _whole_lines(lines: list[bytes]) -> list[bytes]:
    """Join continuation lines; where they are out of order do without them."""
    try:
        return join_folds(lines)
    except ParseError:
        return [line for line in lines if line[:1] not in (b" ", b"\t")]


def _top_via(line: bytes) -> tuple[Via | None, bytes]:
    try:
        items = split_commas(trim(line.partition(b":")[2]), "Via")
        return parse_via(items[0]), b", ".join(items[1:])
    except BadMessage:
        return None, b""
