# SPDX-License-Identifier: Apache-2.0
"""One message from octets (RFC 3261 sections 7, 18.3 and 25).

One pass indexes the header lines; what every element needs is parsed and checked at once, other
structured headers only when they are present, the rest not at all.
"""

from __future__ import annotations

from typing import Final

from .errors import BadMessage, LimitExceeded, ParseError
from .grammar import TEXT, WORD, is_token, parse_uint, split_commas
from .headers.address import read_uri_and_tag
from .headers.content_length import parse_content_length
from .headers.layout import find_layout, learn_layout
from .headers.names import KNOWN
from .headers.structure import GOOD_TYPES, check_content_type, check_header
from .headers.via import Via, parse_via
from .limits import Limits
from .message import Message, Partial, Request, Response, trim, unfold
from .uri import parse_uri

_METHODS: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in (
        "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK",
        "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE",
    )
}  # fmt: skip
_MAX_CSEQ: Final = 2**31 - 1
_CALL_ID: Final = WORD + b"@"
_HOP_COUNTS: Final[dict[bytes, int]] = {b" %d" % number: number for number in range(256)}


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
    head, empty_line, rest = data.partition(b"\r\n\r\n")
    size = len(head)
    if size > limits.head_bytes or not empty_line:
        raise _no_head(size, limits)
    lines = split_head(head, limits)
    start = lines[0]
    del lines[0]
    if start.startswith(b"SIP/2.0 "):
        response = Response()
        _read_status_line(response, start)
        lines = _read_headers(response, lines, limits, size)
        _read_body(response, lines, rest, limits.body_bytes, stream)
        return response
    request = Request()
    _read_request_line(request, start, limits)
    method = request.method
    lines = _read_headers(request, lines, limits, size)
    if request.method != method:
        raise ParseError("CSeq", "CSeq method does not match")
    layout = request._layout
    at = layout.max_forwards
    if at >= 0:
        text = lines[at][len(layout.starts[at]) :]
        count = _HOP_COUNTS.get(text)
        if count is None:
            count = parse_uint(text.strip(b" \t"), 255, "Max-Forwards")
        request.max_forwards = count
    maximum = limits.message_body_bytes if method == "MESSAGE" else limits.body_bytes
    _read_body(request, lines, rest, maximum, stream)
    return request


def _no_head(size: int, limits: Limits) -> BadMessage:
    if size > limits.head_bytes:
        error: BadMessage = LimitExceeded("head_bytes", limits.head_bytes, "Headers are too large")
    else:
        error = ParseError("message", "Headers do not end with an empty line")
    error.close = True
    return error


def split_head(head: bytes, limits: Limits) -> list[bytes]:
    """Cut the header block at its line ends; continuation lines are still lines of their own.

    Raises: ParseError with ``close`` for control octets and bare CR or LF, LimitExceeded.
    """
    lines = head.split(b"\r\n")
    # Deleting all text octets leaves the controls; with nothing but line ends, two octets for each.
    if len(head.translate(None, TEXT)) != 2 * len(lines) - 2:
        _check_controls(lines)
    if len(lines[0]) > limits.start_line_bytes:
        raise LimitExceeded("start_line_bytes", limits.start_line_bytes, "Start line is too long")
    return lines


def _index(message: Message, lines: list[bytes], limits: Limits, size: int) -> list[bytes]:
    """Set lines and layout of a message; return the lines without folds."""
    layout = find_layout(lines)
    flat = lines
    if layout is None:
        if not lines:
            raise ParseError("message", "Headers are missing")
        lines = join_folds(lines)
        flat = [unfold(line) for line in lines]
        layout = learn_layout(lines)
    if len(lines) > limits.headers:
        raise LimitExceeded("headers", limits.headers, "Too many header lines")
    if size > limits.header_bytes and max(map(len, lines)) > limits.header_bytes:
        raise LimitExceeded("header_bytes", limits.header_bytes, "A header line is too long")
    message.lines = lines
    message.names = layout.names
    message._layout = layout
    return flat


def join_folds(lines: list[bytes]) -> list[bytes]:
    """Put continuation lines back to the line they continue, CRLF kept (RFC 3261 7.3.1)."""
    groups: list[list[bytes]] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            groups.append([line])
            continue
        if not groups:
            raise ParseError("header", "Continuation line without a header before it")
        if groups[-1][-1].endswith(b"\\"):
            raise ParseError("header", "Header line is folded inside an escape")
        groups[-1].append(line)
    return [b"\r\n".join(group) for group in groups]


def _check_controls(lines: list[bytes]) -> None:
    """Allow control octets only as quoted pairs inside quoted strings (RFC 3261 25.1).

    CR and LF can not be quoted, so any that do not form a line end are refused.
    """
    for line in lines:
        if not line.translate(None, TEXT):
            continue
        quoted = False
        escaped = False
        for octet in line:
            if octet == 0x0D or octet == 0x0A:
                raise ParseError("header", "Bare CR or LF in the headers", close=True)
            if escaped:
                escaped = False
            elif (octet < 0x20 and octet != 0x09) or octet == 0x7F:
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


def _read_headers(message: Message, lines: list[bytes], limits: Limits, size: int) -> list[bytes]:
    """Index the header lines and read what every message must have; return them without folds."""
    lines = _index(message, lines, limits, size)
    layout = message._layout
    starts = layout.starts
    at = layout.via
    value = lines[at][len(starts[at]) :].strip(b" \t")
    if layout.more_vias or b"," in value:
        _read_vias(message, value, lines, limits)
    else:
        message.via = parse_via(value)
    at = layout.sender
    value = lines[at][len(starts[at]) :].strip(b" \t")
    message.from_uri, message.from_tag = read_uri_and_tag(value, "From")
    at = layout.target
    value = lines[at][len(starts[at]) :].strip(b" \t")
    message.to_uri, message.to_tag = read_uri_and_tag(value, "To")
    at = layout.call_id
    call_id = lines[at][len(starts[at]) :].strip(b" \t")
    if not call_id or call_id.translate(None, _CALL_ID):
        raise ParseError("Call-ID", "Call-ID is malformed")
    message.call_id = call_id
    at = layout.cseq
    number, _, name = lines[at][len(starts[at]) :].strip(b" \t").partition(b" ")
    message.cseq = parse_uint(number, _MAX_CSEQ, "CSeq")
    method = _METHODS.get(name)
    message.method = method if method is not None else _read_method(name)
    at = layout.content_type
    if at >= 0:
        value = lines[at][len(starts[at]) :].strip(b" \t")
        if value not in GOOD_TYPES:
            check_content_type(value)
    for header in layout.checked:
        check_header(message, header)
    return lines


def _read_method(name: bytes) -> str:
    name = name.lstrip(b" \t")
    if not is_token(name):
        raise ParseError("CSeq", "CSeq has no method")
    return name.decode("ascii")


def _read_vias(message: Message, value: bytes, lines: list[bytes], limits: Limits) -> None:
    """Read the topmost of several Via values; count all, and in a request check them all."""
    rest: list[bytes] = []
    if b"," in value:
        rest = split_commas(value, "Via")
        value = rest.pop(0)
        message._via_rest = b", ".join(rest)
    message.via = parse_via(value)
    layout = message._layout
    for at in layout.more_vias:
        rest += split_commas(lines[at][len(layout.starts[at]) :], "Via")
    message.via_count = 1 + len(rest)
    if len(rest) >= limits.vias:
        raise LimitExceeded("vias", limits.vias, "Too many Via values")
    # In a response the lower values are the ones we sent out ourselves.
    if isinstance(message, Request):
        for other in rest:
            parse_via(other)


def _read_body(
    message: Message, lines: list[bytes], rest: bytes, maximum: int, stream: bool
) -> None:
    """Cut the body out of the octets after the headers by Content-Length (RFC 3261 18.3)."""
    layout = message._layout
    at = layout.content_length
    if at >= 0:
        text = lines[at][len(layout.starts[at]) :].strip(b" \t")
        length = parse_content_length(text, maximum)
        if length != len(rest):
            if stream or length > len(rest):
                raise ParseError(
                    "Content-Length", "Content-Length does not fit the message", close=True
                )
            rest = rest[:length]
    elif stream:
        raise ParseError("Content-Length", "Content-Length is missing", close=True)
    elif len(rest) > maximum:
        raise LimitExceeded("body_bytes", maximum, "Body is too large", 413)
    message.body = rest


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
        raw_name, colon, _ = line.partition(b":")
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
