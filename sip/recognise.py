# SPDX-License-Identifier: Apache-2.0
"""Messages that look like others before them, read without taking their lines apart.

Most messages of a sender differ in little but Call-ID, tags, branch and number. Here such a message
is read by comparing it with what the parser has learned; anything else, and anything that is not
quite as it should be, is left to the parser, whose result is the same.
"""

from __future__ import annotations

from typing import Final

from . import octets
from .grammar import WORD, only
from .headers.address import read_uri_and_tag, recognise_tag, recognise_uri
from .headers.layout import Layout, layouts_of
from .headers.structure import check_header
from .headers.via import recognise_via
from .known import Known
from .limits import Limits
from .message import Message, Request, Response
from .uri import Uri
from .uri import recognise_uri as recognise_ruri

_MAX_CSEQ: Final = 2**31 - 1
_LINE_BYTES: Final = 128  # longer lines are not remembered
_CONTACT_BYTES: Final = 512  # the same for Contact lines: those of devices say what they can do
_ONLY_CALL_ID: Final = only(WORD + b"@")

_methods: Final = Known(4096)
_statuses: Final = Known(1024)
_types: Final = Known(4096)
_contacts: Final = Known(4096)


def learn_method(name: bytes, method: str) -> None:
    """Know a method by its octets from now on."""
    _methods.keep(name, method)


def learn_status(start: bytes, known: tuple[int, bytes, bytes]) -> None:
    """Know a status line: its status, its reason phrase, and how it is sent on."""
    if known[2] == start and len(start) <= _LINE_BYTES:
        _statuses.keep(start, known)


def learn_type(line: bytes, is_text: bool) -> None:
    """Know a good Content-Type line, and whether it is a text type."""
    if len(line) <= _LINE_BYTES:
        _types.keep(line, is_text)


def recognise(data: bytes, limits: Limits, stream: bool) -> Request | Response | None:
    """Read a message that is made like those before it; None for any other.

    Args: as `parse_message`. Raises: ParseError, where the parser does.
    """
    if octets.starts(data, b"SIP/2.0 ", 0):
        response = Response.__new__(Response)
        response._clear()
        return response if _read_response(response, data, limits, stream) else None
    request = Request.__new__(Request)
    request._begin()
    return request if _read_request(request, data, limits, stream) else None


def _read_response(response: Response, data: bytes, limits: Limits, stream: bool) -> bool:
    if not _mark(response, data, limits):
        return False
    known = _statuses.find(data, 0, response._marks.at[0] - 2)
    if known is None or not _read_parties(response, data):
        return False
    if response._layout.more_vias and not _count_vias(response, data, limits, True):
        return False
    response.status, response.reason, response.start = known
    return _read_body(response, data, limits.body_bytes, stream)


def _read_request(request: Request, data: bytes, limits: Limits, stream: bool) -> bool:
    if not _mark(request, data, limits):
        return False
    end = request._marks.at[0] - 10
    blank = octets.find_octet(data, b" ", 0, end)
    if (
        blank <= 0
        or not octets.same(data, end, end + 8, b" SIP/2.0")
        or octets.find_octet(data, b" ", blank + 1, end) >= 0
        or blank + 1 == end
    ):
        return False
    method = _methods.find(data, 0, blank)
    if method is None:
        return False
    uri = recognise_ruri(data, blank + 1, end)
    if uri.headers:
        return False
    request.uri = uri.raw
    request._ruri = uri
    if not _read_parties(request, data) or request.method != method:
        return False
    layout = request._layout
    if layout.more_vias and not _count_vias(request, data, limits, False):
        return False
    at = layout.max_forwards
    if at >= 0:
        cut = layout.cuts[at]
        start = request._marks.at[at] + cut
        number = octets.number_in(data, start, request._marks.at[at + 1] - 2)
        if number < 0 or number > 255:
            return False
        request.max_forwards = number
    at = layout.content_type
    if at >= 0:
        is_text = _types.find(data, request._marks.at[at], request._marks.at[at + 1] - 2)
        if is_text is None:
            return False
        request.is_text = is_text
    for name in layout.checked:
        if layout.contact >= 0 and name == "contact":
            _check_contact(request, data, layout.contact)
        else:
            check_header(request, name)
    maximum = limits.message_body_bytes if method == "MESSAGE" else limits.body_bytes
    return _read_body(request, data, maximum, stream)


def _check_contact(request: Request, data: bytes, at: int) -> None:
    """Check the only Contact line, once for all requests of a device that bear it."""
    start = request._marks.at[at]
    stop = request._marks.at[at + 1] - 2
    if _contacts.find(data, start, stop) is None:
        check_header(request, "contact")
        if stop - start <= _CONTACT_BYTES:
            _contacts.keep(octets.cut(data, start, stop), True)


def _mark(message: Message, data: bytes, limits: Limits) -> bool:
    """Find the header lines and their layout."""
    message._marks = octets.mark_lines(data)
    count = message._marks.count
    if count <= 0 or count > limits.headers:
        return False
    size = message._marks.at[count] - 2
    if (
        size > limits.header_bytes
        or size > limits.head_bytes
        or message._marks.at[0] - 2 > limits.start_line_bytes
    ):
        return False
    candidates = layouts_of(count)
    if candidates is None:
        return False
    for place in range(len(candidates)):
        layout: Layout = candidates[place]
        if octets.all_start_at(data, message._marks.at, layout.starts):
            if place:
                candidates[place] = candidates[place - 1]
                candidates[place - 1] = layout
            message._text = data
            message._layout = layout
            message.names = layout.names
            return True
    return False


def _read_parties(message: Message, data: bytes) -> bool:
    """Read what every message must have: Via, From, To, Call-ID and CSeq."""
    layout = message._layout
    at = layout.via
    cut = layout.cuts[at]
    start = message._marks.at[at] + cut
    stop = message._marks.at[at + 1] - 2
    text = data
    hop = recognise_via(data, start, stop)
    if hop is None:
        return False
    message.hop = hop
    message.branch = text[start + hop.front : stop - len(hop.tail)]
    at = layout.call_id
    cut = layout.cuts[at]
    start = message._marks.at[at] + cut
    stop = message._marks.at[at + 1] - 2
    if not octets.only_in(data, _ONLY_CALL_ID, start, stop):
        return False
    message.call_id = text[start:stop]
    at = layout.cseq
    cut = layout.cuts[at]
    start = message._marks.at[at] + cut
    stop = message._marks.at[at + 1] - 2
    blank = octets.find_octet(data, b" ", start, stop)
    number = octets.number_in(data, start, blank)
    if number < 0 or number > _MAX_CSEQ:
        return False
    method = _methods.find(data, blank + 1, stop)
    if method is None:
        return False
    message.cseq = number
    message.method = method
    message.from_uri, message.from_tag = _read_party(message, data, layout.sender, "From")
    message.to_uri, message.to_tag = _read_party(message, data, layout.target, "To")
    return True


def _read_party(message: Message, data: bytes, at: int, where: str) -> tuple[Uri, bytes]:
    """Read URI and tag of From or To."""
    start = message._marks.at[at]
    stop = message._marks.at[at + 1] - 2
    end = octets.find_octet(data, b">", start, stop)
    uri = recognise_uri(data, start, end) if end > 0 else None
    tag = recognise_tag(data, end + 1, stop) if uri is not None else None
    if uri is None or tag is None:
        return read_uri_and_tag(octets.cut(data, start, stop), where, message._layout.cuts[at])
    return uri, tag


def _count_vias(message: Message, data: bytes, limits: Limits, ours: bool) -> bool:
    """Count the Via lines below the topmost; those of a response are the ones we sent out."""
    count = 1
    for at in message._layout.more_vias:
        cut = message._layout.cuts[at]
        start = message._marks.at[at] + cut
        stop = message._marks.at[at + 1] - 2
        if octets.find_octet(data, b",", start, stop) >= 0:
            return False
        if not ours and recognise_via(data, start, stop) is None:
            return False
        count += 1
    message.via_count = count
    return count <= limits.vias


def _read_body(message: Message, data: bytes, maximum: int, stream: bool) -> bool:
    """Cut the body out by Content-Length (RFC 3261 18.3)."""
    layout = message._layout
    at = layout.content_length
    begin = message._marks.at[message._marks.count] + 2
    size = len(data) - begin
    if at >= 0:
        cut = layout.cuts[at]
        start = message._marks.at[at] + cut
        length = octets.number_in(data, start, message._marks.at[at + 1] - 2)
        if length < 0 or length > size or (stream and length != size):
            return False
        size = length
    elif stream:
        return False
    if size > maximum:
        return False
    text = data
    message.body = text[begin : begin + size]
    return True
