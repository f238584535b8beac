# SPDX-License-Identifier: Apache-2.0
"""One message from octets (RFC 3261 sections 7, 18.3 and 25).

One pass indexes the header lines; what every element needs is parsed and checked at once, other
structured headers only when they are present, the rest not at all.
"""

from __future__ import annotations

from typing import Final

from . import octets
from .errors import BadMessage, LimitExceeded, ParseError
from .grammar import WORD, is_token, only, parse_uint, split_commas
from .head import join_folds, split_head
from .headers.address import read_uri_and_tag
from .headers.content_length import parse_content_length
from .headers.layout import find_layout, learn_layout
from .headers.structure import check_content_type, check_header
from .headers.via import Via, parse_via
from .limits import Limits
from .message import Message, Request, Response, unfold
from .recognise import learn_method, learn_status, learn_type, recognise
from .salvage import salvage
from .uri import parse_uri

_METHODS: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in (
        "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK",
        "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE",
    )
}  # fmt: skip
_MAX_CSEQ: Final = 2**31 - 1
_ONLY_CALL_ID: Final = only(WORD + b"@")

# Whole lines of Max-Forwards, Content-Length and Content-Type that were found good, with the number
# they hold, of a Content-Type 1 for text; emptied when full.
_GOOD_LINES: Final = 8192
_GOOD_BYTES: Final = 128
_good: dict[bytes, int] = {}
_status_lines: dict[bytes, tuple[int, bytes, bytes]] = {}


def parse_message(data: bytes, limits: Limits, stream: bool = False) -> Request | Response:
    """Parse the single SIP message that ``data`` holds.

    Args: data: one datagram, where octets past Content-Length are ignored, or with ``stream`` one
        whole message as the framer cut it. limits: sizes in octets, counts in items.
    Returns: the message with header order and unknown headers preserved. Contact, Route, Require
        and their kin are checked in requests; in a response they raise ParseError on use.
    Raises: ParseError or LimitExceeded (status_hint 400, 413, 505 or 513) with ``partial`` set when
        a request can be answered. Any other exception is a bug.
    Spec: RFC 3261 sections 7, 18.3, 20 and 25; RFC 4475.
    """
    try:
        if len(data) <= limits.message_bytes:
            message = recognise(data, limits, stream)
            if message is not None:
                return message
        return _parse(data, limits, stream)
    except BadMessage as error:
        if error.partial is None:
            error.partial = salvage(data, limits)
        raise


def _parse(data: bytes, limits: Limits, stream: bool) -> Request | Response:
    if len(data) > limits.message_bytes:
        raise LimitExceeded("message_bytes", limits.message_bytes, "Message is too large")
    if octets.starts(data, b"\r\n", 0):
        data = _skip_empty_lines(data)
    size = octets.find(data, b"\r\n\r\n", 0)
    if size < 0 or size > limits.head_bytes:
        raise _no_head(data if size < 0 else data[:size], limits)
    lines = split_head(data, size, limits)
    start = lines.pop(0)
    if octets.starts(start, b"SIP/2.0 ", 0):
        response = Response()
        _read_status_line(response, start)
        lines = _read_headers(response, lines, limits, size)
        _read_body(response, lines, data, size + 4, limits.body_bytes, stream)
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
        line = lines[at]
        count = _good.get(line)
        if count is None:
            text = octets.value_after(line, layout.cuts[at])
            count = _remember(line, parse_uint(text, 255, "Max-Forwards"))
        request.max_forwards = count
    at = layout.content_type
    if at >= 0:
        line = lines[at]
        kind = _good.get(line)
        if kind is None:
            text = octets.value_after(line, layout.cuts[at])
            check_content_type(text)
            kind = _remember(line, 1 if octets.starts(text, b"text/", 0) else 0)
        request.is_text = kind == 1
        learn_type(line, kind == 1)
    for name in layout.checked:
        check_header(request, name)
    maximum = limits.message_body_bytes if method == "MESSAGE" else limits.body_bytes
    _read_body(request, lines, data, size + 4, maximum, stream)
    return request


def _remember(line: bytes, number: int) -> int:
    if len(line) <= _GOOD_BYTES:
        if len(_good) >= _GOOD_LINES:
            _good.clear()
        _good[line] = number
    return number


def _skip_empty_lines(data: bytes) -> bytes:
    """Drop CRLFs before the start line (RFC 3261 7.5)."""
    rest = data.lstrip(b"\r\n")
    if data[: len(data) - len(rest)].replace(b"\r\n", b""):
        raise ParseError("message", "Bare CR or LF before the start line", close=True)
    return rest


def _no_head(head: bytes, limits: Limits) -> BadMessage:
    if len(head) > limits.head_bytes:
        error: BadMessage = LimitExceeded("head_bytes", limits.head_bytes, "Headers are too large")
    else:
        error = ParseError("message", "Headers do not end with an empty line")
    error.close = True
    return error


def _index(message: Message, lines: list[bytes], limits: Limits, size: int) -> list[bytes]:
    """Set lines and layout of a message; return the lines without folds."""
    layout = find_layout(lines)
    flat = lines
    if layout is None:
        if not lines:
            raise ParseError("message", "Headers are missing")
        lines = join_folds(lines)
        message._folded = True
        flat = [unfold(line) for line in lines]
        layout = find_layout(lines) or learn_layout(lines)
    if len(lines) > limits.headers:
        raise LimitExceeded("headers", limits.headers, "Too many header lines")
    if size > limits.header_bytes and max(map(len, lines)) > limits.header_bytes:
        raise LimitExceeded("header_bytes", limits.header_bytes, "A header line is too long")
    message._lines = lines
    message.names = layout.names
    message._layout = layout
    return flat


def _read_request_line(request: Request, start: bytes, limits: Limits) -> None:
    words = octets.split(start, b" ")
    if len(words) != 3 or words[2] != b"SIP/2.0":
        _check_version(words)
    name = words[0]
    method = _METHODS.get(name)
    if method is None:
        if len(name) > limits.method_bytes or not is_token(name):
            raise ParseError("method", "Method is malformed or too long")
        method = name.decode("ascii")
    else:
        learn_method(name, method)
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
    known = _status_lines.get(start)
    if known is None:
        known = _parse_status_line(start)
        if len(start) <= _GOOD_BYTES:
            if len(_status_lines) >= _GOOD_LINES:
                _status_lines.clear()
            _status_lines[start] = known
    learn_status(start, known)
    response.status, response.reason, response.start = known


def _parse_status_line(start: bytes) -> tuple[int, bytes, bytes]:
    """Return status, reason phrase and the line as it is sent on."""
    code = start[8:11]
    status = octets.number(code)
    if len(code) != 3 or not 100 <= status < 700 or start[11:12] not in (b" ", b""):
        raise ParseError("status line", "Status code is out of range")
    return status, start[12:], start if len(start) > 11 else start + b" "


def _read_headers(message: Message, lines: list[bytes], limits: Limits, size: int) -> list[bytes]:
    """Index the header lines and read what every message must have; return them without folds."""
    lines = _index(message, lines, limits, size)
    layout = message._layout
    cuts = layout.cuts
    at = layout.via
    line = lines[at]
    whole = line
    value = whole[cuts[at] : len(line)]
    if layout.more_vias or octets.find(value, b",", 0) >= 0:
        _read_vias(message, value, lines, limits)
    else:
        _set_via(message, parse_via(value))
    at = layout.sender
    message.from_uri, message.from_tag = read_uri_and_tag(lines[at], "From", cuts[at])
    at = layout.target
    message.to_uri, message.to_tag = read_uri_and_tag(lines[at], "To", cuts[at])
    at = layout.call_id
    line = lines[at]
    whole = line
    value = whole[cuts[at] : len(line)]
    if not value or not octets.is_only(value, _ONLY_CALL_ID):
        value = octets.value_after(value, 0)
        if not value or not octets.is_only(value, _ONLY_CALL_ID):
            raise ParseError("Call-ID", "Call-ID is malformed")
    message.call_id = value
    at = layout.cseq
    line = lines[at]
    blank = octets.find(line, b" ", cuts[at])
    whole = line
    method = _METHODS.get(whole[blank + 1 : len(line)]) if blank >= 0 else None
    if method is None:
        _read_odd_cseq(message, octets.value_after(line, cuts[at]))
    else:
        message.cseq = parse_uint(whole[cuts[at] : blank], _MAX_CSEQ, "CSeq")
        message.method = method
        # A NOTIFY may be known by nothing but the answers to it.
        learn_method(whole[blank + 1 : len(line)], method)
    return lines


def _read_odd_cseq(message: Message, value: bytes) -> None:
    """Read a CSeq with other white space than one blank, or with a method of its own."""
    number, _, name = value.replace(b"\t", b" ").partition(b" ")
    method = _read_method(name)
    message.cseq = parse_uint(number, _MAX_CSEQ, "CSeq")
    message.method = method


def _read_method(name: bytes) -> str:
    name = name.lstrip(b" ")
    if not is_token(name):
        raise ParseError("CSeq", "CSeq is not a number and a method")
    return name.decode("ascii")


def _set_via(message: Message, via: Via) -> None:
    message._via = message.hop = via
    message.branch = via.branch


def _read_vias(message: Message, value: bytes, lines: list[bytes], limits: Limits) -> None:
    """Read the topmost of several Via values; count all, and in a request check them all."""
    rest: list[bytes] = []
    if octets.find(value, b",", 0) >= 0:
        rest = split_commas(value, "Via")
        value = rest.pop(0)
        message._via_rest = b", ".join(rest)
    _set_via(message, parse_via(value))
    # In a response the lower values are the ones we sent out ourselves.
    ours = isinstance(message, Response)
    layout = message._layout
    count = 1 + len(rest)
    for at in layout.more_vias:
        line = lines[at]
        if ours and octets.find(line, b",", 0) < 0:
            count += 1
        else:
            values = split_commas(octets.value_after(line, layout.cuts[at]), "Via")
            count += len(values)
            rest += values
    message.via_count = count
    if count > limits.vias:
        raise LimitExceeded("vias", limits.vias, "Too many Via values")
    if not ours:
        for other in rest:
            parse_via(other)


def _read_body(
    message: Message, lines: list[bytes], data: bytes, begin: int, maximum: int, stream: bool
) -> None:
    """Cut the body out of the octets from ``begin`` on by Content-Length (RFC 3261 18.3)."""
    layout = message._layout
    at = layout.content_length
    size = len(data) - begin
    if at >= 0:
        line = lines[at]
        length = _good.get(line)
        if length is None or length > maximum:
            text = octets.value_after(line, layout.cuts[at])
            length = _remember(line, parse_content_length(text, maximum))
        if length != size and (stream or length > size):
            raise ParseError(
                "Content-Length", "Content-Length does not fit the message", close=True
            )
        size = length
    elif stream:
        raise ParseError("Content-Length", "Content-Length is missing", close=True)
    elif size > maximum:
        raise LimitExceeded("body_bytes", maximum, "Body is too large", 413)
    whole = data
    message.body = whole[begin : begin + size]
