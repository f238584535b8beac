# SPDX-License-Identifier: Apache-2.0
"""One message from octets (RFC 3261 sections 7, 18.3 and 25).

One pass indexes the header lines; what every element needs is parsed and checked at once, other
structured headers only when they are present, the rest not at all.
"""

from __future__ import annotations

from typing import Final

from .errors import BadMessage, LimitExceeded, ParseError
from .grammar import TEXT, TOKEN, WORD, is_token, parse_uint
from .headers.address import read_uri_and_tag
from .headers.content_length import parse_content_length
from .headers.names import KNOWN, SINGLE, canonical_name
from .headers.structure import CHECKED, check_header
from .headers.via import Via, parse_via
from .grammar import split_commas
from .limits import Limits
from .message import Message, Partial, Request, Response, trim
from .uri import parse_uri

_COUNT: Final = range(100_000)
_METHODS: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in (
        "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK",
        "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE",
    )
}  # fmt: skip
_MAX_CSEQ: Final = 2**31 - 1


def parse_message(data: bytes, limits: Limits, stream: bool = False) -> Request | Response:
    """Parse the single SIP message that ``data`` holds.

    Args: data: one datagram, where octets past Content-Length are ignored, or with ``stream`` one
        whole message as the framer cut it. limits: sizes in octets, counts in items.
    Returns: the message with header order and unknown headers preserved.
    Raises: ParseError or LimitExceeded (status_hint 400, 413, 505 or 513) with ``partial`` set when
        a request can be answered. Any other exception is a bug.
    Spec: RFC 3261 sections 7, 18.3, 20 and 25; RFC 4475.
    """
    try:
        return _parse(data, limits, stream)
    except BadMessage as error:
        if error.partial is None:
            error.partial = salvage(data, limits)
        raise


def _parse(data: bytes, limits: Limits, stream: bool) -> Request | Response:
    if len(data) > limits.message_bytes:
        raise LimitExceeded("message_bytes", limits.message_bytes, "Message is too large")
    if data.startswith(b"\r\n"):
        data = data.lstrip(b"\r\n")  # RFC 3261 7.5: empty lines before the start line
    end = data.find(b"\r\n\r\n")
    if end < 0 or end > limits.head_bytes:
        raise _no_head(data, limits)
    lines = split_head(data[:end], limits)
    start = lines.pop(0)
    if len(lines) > limits.headers:
        raise LimitExceeded("headers", limits.headers, "Too many header lines")
    if start.startswith(b"SIP/2.0 "):
        response = Response()
        _read_status_line(response, start)
        _read_headers(response, lines, limits)
        _read_body(response, data, end + 4, limits.body_bytes, stream)
        return response
    request = Request()
    _read_request_line(request, start, limits)
    method = request.method
    _read_headers(request, lines, limits)
    if request.method != method:
        raise ParseError("CSeq", "CSeq method does not match")
    at = request._at.get("max-forwards")
    if at is None:
        request.max_forwards = 70
    else:
        request.max_forwards = parse_uint(trim(request._raw[at]), 255, "Max-Forwards")
    maximum = limits.message_body_bytes if method == "MESSAGE" else limits.body_bytes
    _read_body(request, data, end + 4, maximum, stream)
    return request


def _no_head(data: bytes, limits: Limits) -> BadMessage:
    if len(data) > limits.head_bytes:
        error: BadMessage = LimitExceeded("head_bytes", limits.head_bytes, "Headers are too large")
    else:
        error = ParseError("message", "Headers do not end with an empty line")
    error.close = True
    return error


def split_head(head: bytes, limits: Limits) -> list[bytes]:
    """Cut the header block into its start line and logical header lines, folds kept inside them.

    Raises: ParseError with ``close`` for control octets and bare CR or LF, LimitExceeded.
    """
    # Deleting all text octets leaves the controls: with nothing but CRLF line ends, two octets each.
    if len(head.translate(None, TEXT)) != 2 * head.count(b"\r\n"):
        _check_controls(head)
    lines = head.split(b"\r\n")
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = _join_folds(lines)
    if len(head) > limits.header_bytes or len(head) > limits.start_line_bytes:
        if len(lines[0]) > limits.start_line_bytes:
            raise LimitExceeded("start_line_bytes", limits.start_line_bytes, "Start line too long")
        if max(map(len, lines)) > limits.header_bytes:
            raise LimitExceeded("header_bytes", limits.header_bytes, "A header line is too long")
    return lines


def _join_folds(lines: list[bytes]) -> list[bytes]:
    """Put continuation lines back to the line they continue, CRLF kept (RFC 3261 7.3.1)."""
    if len(lines) > 1 and lines[1][:1] in (b" ", b"\t"):
        raise ParseError("header", "Continuation line without a header before it")
    groups: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and groups:
            if groups[-1][-1].endswith(b"\\"):
                raise ParseError("header", "Header line is folded inside an escape")
            groups[-1].append(line)
        else:
            groups.append([line])
    return [b"\r\n".join(group) for group in groups]


def _check_controls(head: bytes) -> None:
    """Allow control octets only as quoted pairs inside quoted strings (RFC 3261 25.1).

    CR and LF can not be quoted, so any that do not form a line end are refused.
    """
    for line in head.split(b"\r\n"):
        if not line.translate(None, TEXT):
            continue
        quoted = False
        escaped = False
        for octet in line:
            if octet == 0x0D or octet == 0x0A:
                raise ParseError("header", "Bare CR or LF in the headers", close=True)
            if escaped:
                escaped = False
            elif octet < 0x20 and octet != 0x09 or octet == 0x7F:
                raise ParseError("header", "Control character in the headers", close=True)
            elif octet == 0x22:
                quoted = not quoted
            elif octet == 0x5C and quoted:
                escaped = True


def _read_request_line(request: Request, start: bytes, limits: Limits) -> None:
    words = start.split(b" ")
    if len(words) != 3 or words[2] != b"SIP/2.0":
        _check_version(words)
    name = words[0]
    method = _METHODS.get(name)
    if method is None:
        if len(name) > limits.method_bytes or not is_token(name):
            raise ParseError("method", "Method is malformed or too long")
        method = name.decode("ascii")
    request.method = method
    uri = words[1]
    request.uri = uri
    if not uri:
        raise ParseError("Request-URI", "Request-URI is missing")
    request._ruri = ruri = parse_uri(uri)
    if ruri.headers:
        # RFC 3261 19.1.1, table 1: headers have no place in a Request-URI (RFC 4475 3.1.2.11).
        raise ParseError("Request-URI", "Request-URI has headers")


def _check_version(words: list[bytes]) -> None:
    """Raise for a start line that is not ``method SP uri SP SIP/2.0``."""
    version = words[-1].upper()
    if len(words) != 3:
        raise ParseError("start line", "Start line is malformed")
    if version == b"SIP/2.0":
        return  # RFC 3261 7.1: the version is case-insensitive
    if version.startswith(b"SIP/") and version[4:].replace(b".", b"", 1).isdigit():
        raise ParseError("start line", "SIP version is not 2.0", 505)
    raise ParseError("start line", "Start line is malformed")


def _read_status_line(response: Response, start: bytes) -> None:
    code, _, reason = start[8:].partition(b" ")
    if len(code) != 3 or not code.isdigit() or not b"100" <= code <= b"699":
        raise ParseError("status line", "Status code is out of range")
    response.status = int(code)
    response.reason = reason


def _read_headers(message: Message, lines: list[bytes], limits: Limits) -> None:
    """Index the header lines and read the headers every message must have."""
    message.lines = lines
    parts = [line.partition(b":") for line in lines]
    try:
        names = [KNOWN[part[0]] for part in parts]
    except KeyError:
        names = [KNOWN.get(part[0]) or canonical_name(part[0], part[1]) for part in parts]
    raw = [part[2] for part in parts]
    at = dict(zip(names, _COUNT, strict=False))
    if len(at) != len(names):
        at = _first_places(names)
    message.names = names
    message._raw = raw
    message._at = at
    try:
        vias = raw[at["via"]]
        sender = raw[at["from"]]
        target = raw[at["to"]]
        call_id = raw[at["call-id"]]
        cseq = raw[at["cseq"]]
    except KeyError as missing:
        header = str(missing.args[0]).title().replace("Id", "ID").replace("Cseq", "CSeq")
        raise ParseError(header, f"{header} header is missing") from None
    _read_vias(message, vias, limits)
    message.from_uri, message.from_tag = read_uri_and_tag(trim(sender), "From")
    message.to_uri, message.to_tag = read_uri_and_tag(trim(target), "To")
    message.call_id = call_id = trim(call_id)
    if not call_id or call_id.translate(None, WORD + b"@"):
        raise ParseError("Call-ID", "Call-ID is malformed")
    _read_cseq(message, trim(cseq))
    for name in names:
        if name in CHECKED:
            check_header(message, name)


def _first_places(names: list[str]) -> dict[str, int]:
    """Map each name to its first line; headers that may stand once only are refused twice."""
    at: dict[str, int] = {}
    for index, name in enumerate(names):
        if name not in at:
            at[name] = index
        elif name in SINGLE:
            raise ParseError(
                SINGLE[name], f"{SINGLE[name]} appears twice", close=name == "content-length"
            )
    return at


def _read_vias(message: Message, value: bytes, limits: Limits) -> None:
    """Read the topmost Via; count all, and in a request check them all."""
    value = trim(value)
    rest: list[bytes] = []
    if b"," in value:
        rest = split_commas(value, "Via")
        value = rest.pop(0)
        message._via_rest = b", ".join(rest)
    message.via = parse_via(value)
    names = message.names
    lines = names.count("via")
    if lines > 1:
        first = message._at["via"]
        for index, name in enumerate(names):
            if name == "via" and index != first:
                rest += split_commas(trim(message._raw[index]), "Via")
    message.via_count = 1 + len(rest)
    if len(rest) >= limits.vias:
        raise LimitExceeded("vias", limits.vias, "Too many Via values")
    # In a response the lower values are the ones we sent out ourselves.
    if rest and isinstance(message, Request):
        for other in rest:
            parse_via(other)


def _read_cseq(message: Message, value: bytes) -> None:
    number, _, name = value.partition(b" ")
    message.cseq = parse_uint(number, _MAX_CSEQ, "CSeq")
    method = _METHODS.get(name)
    if method is None:
        name = name.lstrip(b" \t")
        if not is_token(name):
            raise ParseError("CSeq", "CSeq has no method")
        method = name.decode("ascii")
    message.method = method


def _read_body(message: Message, data: bytes, start: int, maximum: int, stream: bool) -> None:
    """Cut the body by Content-Length (RFC 3261 18.3)."""
    at = message._at.get("content-length")
    available = len(data) - start
    if at is None:
        if stream:
            raise ParseError("Content-Length", "Content-Length is missing", close=True)
        if available > maximum:
            raise LimitExceeded("body_bytes", maximum, "Body is too large", 413)
        message.body = data[start:]
        return
    length = parse_content_length(trim(message._raw[at]), maximum)
    if length > available or (stream and length != available):
        raise ParseError("Content-Length", "Content-Length does not fit the message", close=True)
    message.body = data[start : start + length]


def salvage(data: bytes, limits: Limits) -> Partial | None:
    """Collect what an error response needs from a request that does not parse.

    Returns: None when there is nothing to answer: no Via, a response, an ACK, or no SIP at all.
    Lines with control octets or beyond the limits are left out.
    """
    head = data[: limits.head_bytes].lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    lines = head.split(b"\r\n")
    method, _, tail = lines[0].partition(b" ")
    version = tail.rstrip(b" ").rpartition(b" ")[2].upper()
    if not is_token(method) or not version.startswith(b"SIP/") or method == b"ACK":
        return None
    vias: list[bytes] = []
    found: dict[str, bytes] = {}
    for line in _salvage_lines(lines[1:]):
        raw_name, colon, value = line.partition(b":")
        name = KNOWN.get(raw_name.rstrip(b" \t"))
        if not colon or line.replace(b"\r\n", b"").translate(None, TEXT) or len(line) > 8192:
            continue
        if name == "via" and len(vias) < limits.vias:
            vias.append(line)
        elif name in ("from", "to", "call-id", "cseq") and name not in found:
            found[name] = line
    if not vias:
        return None
    via, rest = _salvage_via(vias[0])
    copied = [found[name] for name in ("from", "to", "call-id", "cseq") if name in found]
    to_at = -1
    if "to" in found and b"tag" not in found["to"].lower():
        to_at = copied.index(found["to"])
    return Partial(method.decode("ascii"), vias, via, rest, copied, to_at)


def _salvage_lines(lines: list[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if joined:
                joined[-1] += b"\r\n" + line
        else:
            joined.append(line)
    return joined


def _salvage_via(line: bytes) -> tuple[Via | None, bytes]:
    try:
        items = split_commas(trim(line.partition(b":")[2]), "Via")
        return parse_via(items[0]), b", ".join(items[1:])
    except BadMessage:
        return None, b""
