# SPDX-License-Identifier: Apache-2.0
"""Requests and responses as read from the wire, and the octets made from them.

A message is an index over its header lines: the lines stay as they came, and what nobody changes is
sent on octet for octet. Spec: RFC 3261 sections 7, 8.2.6, 16.6, 16.7 and 18.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from . import octets
from .errors import LocalProtocolError
from .grammar import split_commas
from .headers.address import Address, Star, parse_address, parse_addresses, parse_contacts
from .headers.layout import Layout, find_layout, learn_layout
from .headers.via import Via, copy_via, source_text
from .reasons import REASONS
from .uri import Uri

_STATUS_LINES: Final[dict[int, bytes]] = {
    status: b"SIP/2.0 %d %b" % (status, reason) for status, reason in REASONS.items()
}
_MAX_FORWARDS: Final = tuple(b"Max-Forwards: %d" % count for count in range(256))
_NO_NAMES: Final[frozenset[str]] = frozenset()
_EMPTY: Final = b"Content-Length: 0\r\n\r\n"


def unfold(line: bytes) -> bytes:
    """Return a header line or value with each fold replaced by one space (RFC 3261 7.3.1)."""
    if octets.find(line, b"\r\n", 0) < 0:
        return line
    return b" ".join([part.strip(b" \t") for part in line.split(b"\r\n")])


def trim(value: bytes) -> bytes:
    """Return a header value unfolded and without surrounding white space."""
    return unfold(value).strip(b" \t")


class Message:
    """What requests and responses share. Built by the parser only; the node may take lines away.

    ``names`` are canonical header names (lower-case long form), ``lines`` the header lines as they
    came, folds kept, without the final CRLF; both in wire order. ``method`` is the CSeq method.
    ``call_id``, ``from_tag`` and ``to_tag`` are octets, b"" when there is no tag. ``via`` is the
    topmost Via, ``branch`` its branch, ``hop`` a Via that has all else in common with it;
    ``via_count`` is the number of Via values.

    A message that nobody has changed is mostly kept as one text in which the lines are marked; its
    ``lines`` are cut when somebody asks for them, and are what counts from then on.
    """

    __slots__ = (
        "_contacts",
        "_folded",
        "_from",
        "_layout",
        "_lines",
        "_marks",
        "_routes",
        "_text",
        "_to",
        "_values",
        "_via",
        "_via_rest",
        "body",
        "branch",
        "call_id",
        "cseq",
        "from_tag",
        "from_uri",
        "hop",
        "method",
        "names",
        "to_tag",
        "to_uri",
        "via_count",
    )

    # Set by the parser.
    names: tuple[str, ...]
    body: bytes
    branch: bytes
    method: str
    call_id: bytes
    cseq: int
    from_tag: bytes
    from_uri: Uri
    hop: Via
    to_tag: bytes
    to_uri: Uri
    _layout: Layout
    # Only where ``_lines`` is None.
    _marks: octets.Marks

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.via_count: int = 1
        self._via_rest: bytes = b""  # further Via values on the topmost Via line
        self._folded: bool = False  # set by the parser when some line is
        self._lines: list[bytes] | None = None
        self._text: bytes = b""
        self._values: list[bytes] | None = None
        self._from: Address | None = None
        self._to: Address | None = None
        self._via: Via | None = None
        self._routes: list[Address] | None = None
        self._contacts: list[Address] | Star | None = None

    @property
    def lines(self) -> list[bytes]:
        """The header lines."""
        return self._cut_lines()

    def _cut_lines(self) -> list[bytes]:
        lines = self._lines
        if lines is None:
            lines = self._lines = [self.line_at(at) for at in range(self._marks.count)]
        return lines

    def line_at(self, at: int) -> bytes:
        """Return one of ``lines``, by its place."""
        lines = self._lines
        if lines is not None:
            line: bytes = lines[at]
            return line
        text = self._text
        return text[self._marks.at[at] : self._marks.at[at + 1] - 2]

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self._top()

    def _top(self) -> Via:
        via = self._via
        if via is None:
            at = self._layout.via
            via = self._via = copy_via(self.hop, self._value(at), self.branch)
        return via

    @property
    def values(self) -> list[bytes]:
        """The values of ``lines``, trimmed and unfolded."""
        values = self._values
        if values is None:
            values = self._values = [self._value(at) for at in range(len(self.names))]
        return values

    def _value(self, at: int) -> bytes:
        cut = self._layout.cuts[at]
        lines = self._lines
        if lines is None:
            return octets.value_in(self._text, self._marks.at[at] + cut, self._marks.at[at + 1] - 2)
        value = octets.value_after(lines[at], cut)
        return trim(value) if self._folded else value

    def has(self, name: str) -> bool:
        """Say whether a header of this canonical name is present."""
        return name in self._layout.at

    def is_steered(self) -> bool:
        """Say whether a header bears on how it is forwarded: Route, Privacy and their like."""
        return self._layout.steered

    def is_inner(self) -> bool:
        """Say whether a header is for this network alone: one of `layout.BORDER`."""
        return self._layout.inner

    def repeats(self, name: str) -> bool:
        """Say whether more than one line has this canonical name."""
        return name in self._layout.repeated

    def get(self, name: str) -> bytes | None:
        """Return the trimmed value of the first line of that canonical name, or None."""
        at = self._layout.at.get(name)
        return None if at is None else self._value(at)

    def get_all(self, name: str) -> list[bytes]:
        """Return the trimmed values of all lines of that name, one per line, in order."""
        first = self._layout.at.get(name)
        if first is None:
            return []
        if name not in self._layout.repeated:
            return [self._value(first)]
        names = self.names
        return [self._value(at) for at in range(first, len(names)) if names[at] == name]

    def items(self, name: str) -> list[bytes]:
        """Return the comma-separated items of all lines of that name, in order, without empty ones.

        Raises: ParseError for a quoted string or bracket that never ends.
        """
        items: list[bytes] = []
        for value in self.get_all(name):
            items += [item for item in split_commas(value, name) if item]
        return items

    def tokens(self, name: str) -> list[bytes]:
        """Return the items of a token list such as Supported, lower-case.

        Raises: ParseError as ``items`` does.
        """
        return [item.lower() for item in self.items(name)]

    def from_address(self) -> Address:
        """Return From, parsed on first use."""
        address = self._from
        if address is None:
            address = self._from = parse_address(self._value(self._layout.sender), "From")
        return address

    def to_address(self) -> Address:
        """Return To, parsed on first use."""
        address = self._to
        if address is None:
            address = self._to = parse_address(self._value(self._layout.target), "To")
        return address

    def contacts(self) -> list[Address] | Star:
        """Return the Contact values in order ([] without one), or STAR for ``Contact: *``."""
        contacts = self._contacts
        if contacts is None:
            contacts = self._contacts = parse_contacts(self.get_all("contact"))
        return contacts

    def record_routes(self) -> list[Address]:
        """Return the Record-Route values in order."""
        return parse_addresses(self.get_all("record-route"), "Record-Route")

    def line(self, name: str) -> bytes | None:
        """Return the first header line of that name as it came, or None."""
        at = self._layout.at.get(name)
        return None if at is None else self.line_at(at)

    def remove_lines(self, indexes: Sequence[int]) -> None:
        """Leave out header lines that must not go further, such as credentials for our realm.

        The headers every message must have can not be removed.
        """
        self._take([line for at, line in enumerate(self.lines) if at not in indexes])

    def remove_headers(self, names: frozenset[str], add: Sequence[bytes] = ()) -> None:
        """Leave out all lines of these canonical names, and put whole lines behind the rest."""
        kept = [self.lines[at] for at, name in enumerate(self.names) if name not in names]
        self._take([*kept, *add])

    def replace_body(self, body: bytes) -> None:
        """Carry another body of the same type, with the Content-Length it needs."""
        self.body = body
        layout = self._layout
        at = layout.content_length
        if at >= 0:
            self._cut_lines()[at] = b"%b%d" % (layout.starts[at], len(body))
            self._values = None

    def _take(self, lines: list[bytes]) -> None:
        layout = find_layout(lines)
        if layout is None:
            layout = learn_layout(lines)
        self._lines = lines
        self.names = layout.names
        self._layout = layout
        self._values = None
        self._routes = None
        self._contacts = None


class Request(Message):
    """A request. ``uri`` is the Request-URI as it came, ``max_forwards`` 70 when absent.

    ``is_text`` says that its body is of a text type, or of none that is named: nothing that a
    server between two users has to read.

    The endpoint sets ``received_host`` and ``received_port`` to the source of the request before
    anything is built from it; they are printed into the topmost Via.
    """

    __slots__ = (
        "_ruri",
        "_top_via",
        "is_text",
        "max_forwards",
        "received_host",
        "received_port",
        "uri",
    )

    uri: bytes
    _ruri: Uri

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._clear()
        self.max_forwards: int = 70
        self.is_text: bool = True
        self.received_host: str = ""
        self.received_port: int = 0
        self._top_via: bytes | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri!r} {self.call_id!r}>"

    def ruri(self) -> Uri:
        """Return the Request-URI, parsed."""
        return self._ruri

    def routes(self) -> list[Address]:
        """Return the Route values in order, parsed on first use."""
        routes = self._routes
        if routes is None:
            routes = self._routes = parse_addresses(self.get_all("route"), "Route")
        return routes

    def top_via_line(self) -> bytes:
        """Return the line of the topmost Via with received and rport as the source demands."""
        line = self._top_via
        if line is None:
            line = self._stamped_line() if self.received_host else self.line_at(self._layout.via)
            self._top_via = line
        return line

    def _stamped_line(self) -> bytes:
        if self._lines is None and self.hop.rport and self.hop.received is None:
            # The usual Via: rport is asked for and stands there without a value.
            text = self._text
            at = self._layout.via
            cut = self._layout.cuts[at]
            start = self._marks.at[at] + cut
            stop = self._marks.at[at + 1] - 2
            end = octets.find_in(text, b";rport", start, stop) + 6
            if end == stop or octets.starts(text, b";", end):
                source = source_text(self.received_host, self.received_port)
                return octets.insert(b"Via: ", text, start, end, source, stop)
        line = b"Via: " + self._top().stamped(self.received_host, self.received_port)
        if self._via_rest:
            line += b", " + self._via_rest
        return line

    def size(self) -> int:
        """Return about the size of the request in octets, never less than it is."""
        if self._lines is None:
            return self._marks.at[self._marks.count] + 2 + len(self.body)
        size = len(self.uri) + len(self.method) + 12 + len(self.body)
        for line in self._lines:
            size += len(line) + 2
        return size


class Response(Message):
    """A response: ``status`` from 100 to 699, the reason phrase, the start line as it goes on."""

    __slots__ = ("reason", "start", "status")

    status: int
    reason: bytes
    start: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.method} {self.call_id!r}>"


class Partial:
    """What could be read of a request that is refused before it became one.

    ``via_lines`` are the Via lines, ``copied`` the first From, To, Call-ID and CSeq lines that
    exist; all are free of control octets. ``via`` is the topmost Via when it parses.
    """

    __slots__ = ("copied", "method", "received_host", "received_port", "to_at", "via", "via_lines",
                 "via_rest")  # fmt: skip

    def __init__(self, method: str, via_lines: list[bytes], via: Via | None, via_rest: bytes,
                 copied: list[bytes], to_at: int) -> None:  # fmt: skip
        self.method: str = method
        self.via_lines: list[bytes] = via_lines
        self.via: Via | None = via
        self.via_rest: bytes = via_rest
        self.copied: list[bytes] = copied
        self.to_at: int = to_at
        """Index of a To line without tag in ``copied``, or -1."""
        self.received_host: str = ""
        self.received_port: int = 0


def status_line(status: int, reason: bytes | None) -> bytes:
    """Return the first line of a response; None takes the usual phrase."""
    if reason is None:
        known = _STATUS_LINES.get(status)
        return known if known is not None else b"SIP/2.0 %d " % status
    return b"SIP/2.0 %d %b" % (status, _harmless(reason))


def _harmless(text: bytes) -> bytes:
    if octets.find(text, b"\r", 0) >= 0 or octets.find(text, b"\n", 0) >= 0:
        raise LocalProtocolError("line break in a header line or reason phrase")
    return text


def build_response(
    request: Request,
    status: int,
    reason: bytes | None = None,
    extra: Sequence[bytes] = (),
    body: bytes = b"",
    content_type: bytes | None = None,
    to_tag: bytes = b"",
    record_route: bool = False,
) -> bytes:
    """Return the octets of a response to ``request`` (RFC 3261 8.2.6).

    Args: extra: whole header lines without CRLF. to_tag: added to To when the request has none
        and the status is above 100. record_route: copy Record-Route (dialog-forming responses).
    Raises: LocalProtocolError for a line break in reason, extra or content_type.
    """
    layout = request._layout
    parts = [status_line(status, reason), request.top_via_line()]
    if layout.more_vias:
        parts += [request.lines[at] for at in layout.more_vias]
    if record_route and "record-route" in layout.at:
        lines = request.lines
        parts += [lines[at] for at, name in enumerate(layout.names) if name == "record-route"]
    to_line = request.line_at(layout.target)
    if to_tag and status > 100 and not request.to_tag:
        to_line = octets.concat(to_line, b";tag=", to_tag, b"")
    parts.append(request.line_at(layout.sender))
    parts.append(to_line)
    parts.append(request.line_at(layout.call_id))
    parts.append(request.line_at(layout.cseq))
    for line in extra:
        parts.append(_harmless(line))
    if content_type is not None:
        parts.append(b"Content-Type: " + _harmless(content_type))
    if not body:
        parts.append(_EMPTY)
    else:
        parts.append(b"Content-Length: %d\r\n" % len(body))
        parts.append(body)
    return octets.join(b"\r\n", parts)


_COMPACT: Final = {
    b"via": b"v",
    b"from": b"f",
    b"to": b"t",
    b"call-id": b"i",
    b"content-length": b"l",
    b"content-type": b"c",
    b"supported": b"k",
}


def shorten_response(data: bytes, room: int) -> bytes:
    """Return a response that fits ``room`` octets if it can, otherwise the same.

    First the reason phrase goes, then the long header names (RFC 3261 7.3.3). The result may
    still be too long.
    """
    start, _, rest = data.partition(b"\r\n")
    data = start[:12] + b"\r\n" + rest
    if len(data) <= room:
        return data
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    short = [lines[0]]
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = _COMPACT.get(name.strip(b" \t").lower(), name)
        short.append(name + colon + value.lstrip(b" \t") if colon else line)
    short += [b"", body]
    return b"\r\n".join(short)


def build_error(
    partial: Partial, status: int, reason: bytes | None = None, to_tag: bytes = b""
) -> bytes:
    """Return the octets of an error response to a request that could not be parsed.

    Only lines that exist are copied, so the answer may lack From, To, Call-ID or CSeq when the
    request did (RFC 4475 3.3.1).
    """
    parts = [status_line(status, reason), *partial.via_lines]
    if partial.via is not None and partial.received_host:
        parts[1] = b"Via: " + partial.via.stamped(partial.received_host, partial.received_port)
        if partial.via_rest:
            parts[1] += b", " + partial.via_rest
    copied = list(partial.copied)
    if to_tag and partial.to_at >= 0:
        copied[partial.to_at] += b";tag=" + to_tag
    parts += copied
    parts.append(_EMPTY)
    return b"\r\n".join(parts)


def forward_request(
    request: Request,
    uri: bytes,
    via_line: bytes,
    max_forwards: int,
    routes: Sequence[bytes] | None = None,
    drop: frozenset[str] = _NO_NAMES,
    record_route: bytes | None = None,
    extra: Sequence[bytes] = (),
) -> bytes:
    """Return the octets of ``request`` as a proxy sends it on (RFC 3261 16.6).

    Args: uri: new Request-URI. via_line: our whole Via line. routes: None keeps the Route lines, a
        sequence replaces them by one line per value. drop: canonical names to leave out (never the
        ones this function writes). record_route: one Record-Route value put before those that
        exist. extra: whole header lines put after all others.
    """
    layout = request._layout
    if (
        request._lines is None
        and routes is None
        and record_route is None
        and 0 <= layout.via < layout.max_forwards
        and layout.content_length >= 0
        and not (drop and _has_any(layout, drop))
    ):
        return _respell(request, uri, via_line, max_forwards, extra)
    start = b"".join((request.method.encode("ascii"), b" ", uri, b" SIP/2.0"))
    parts = [start, via_line]
    parts += request.lines
    parts[2 + layout.via] = request.top_via_line()
    added: list[bytes] = []
    if layout.max_forwards >= 0:
        parts[2 + layout.max_forwards] = _MAX_FORWARDS[max_forwards]
    else:
        added.append(_MAX_FORWARDS[max_forwards])
    if routes is not None:
        added += [b"Route: " + route for route in routes]
        drop = drop | {"route"}
    if record_route is not None:
        added.append(b"Record-Route: " + record_route)
    if drop:
        parts = _without(parts, layout, drop)
    if added:
        parts[2:2] = added
    parts += extra
    if layout.content_length < 0:
        parts.append(b"Content-Length: %d" % len(request.body))
    parts.append(b"")
    parts.append(request.body)
    return b"\r\n".join(parts)


def _respell(
    request: Request, uri: bytes, via_line: bytes, max_forwards: int, extra: Sequence[bytes]
) -> bytes:
    """Forward a request that is one text: two of its lines change, and some are put in."""
    text = request._text
    layout = request._layout
    method_end = octets.find(text, b" ", 0) + 1
    front = octets.concat(octets.cut(text, 0, method_end), uri, b" SIP/2.0\r\n", via_line)
    more = b""
    for line in extra:
        more = octets.concat(more, line, b"\r\n", b"")
    empty_line = request._marks.at[request._marks.count]
    return octets.replace_two(
        front,
        text,
        request._marks.at[0] - 2,
        request._marks.at[layout.via],
        request._marks.at[layout.via + 1] - 2,
        request.top_via_line(),
        request._marks.at[layout.max_forwards],
        request._marks.at[layout.max_forwards + 1] - 2,
        _MAX_FORWARDS[max_forwards],
        empty_line,
        more,
        empty_line + 2 + len(request.body),
    )


def _has_any(layout: Layout, names: frozenset[str]) -> bool:
    places = layout.at
    for name in names:  # noqa: SIM110 - compiled, a generator costs more than its work
        if name in places:
            return True
    return False


def _without(parts: list[bytes], layout: Layout, drop: frozenset[str]) -> list[bytes]:
    """Leave the lines of some headers out of a message whose header lines start at index 2."""
    if not _has_any(layout, drop):
        return parts
    names = layout.names
    kept = parts[:2]
    for at in range(len(names)):
        if names[at] not in drop:
            kept.append(parts[2 + at])
    return kept


def forward_response(response: Response) -> bytes:
    """Return the octets of ``response`` without its topmost Via value (RFC 3261 16.7 step 3)."""
    layout = response._layout
    if response._lines is None and layout.content_length >= 0:
        at = layout.via
        stop = response._marks.at[response._marks.count] + 2 + len(response.body)
        return octets.leave_out(
            response._text, response._marks.at[at], response._marks.at[at + 1], stop
        )
    parts = [response.start]
    parts += response.lines
    if response._via_rest:
        parts[1 + layout.via] = b"Via: " + response._via_rest
    else:
        del parts[1 + layout.via]
    if layout.content_length < 0:
        parts.append(b"Content-Length: %d" % len(response.body))
    parts.append(b"")
    parts.append(response.body)
    return b"\r\n".join(parts)


def build_request(
    method: str,
    uri: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes = b"",
) -> bytes:
    """Return the octets of a request of our own; Content-Length is added.

    Raises: LocalProtocolError for a line break in a name or value.
    """
    parts = [b"%b %b SIP/2.0" % (method.encode("ascii"), _harmless(uri))]
    for name, value in headers:
        parts.append(_harmless(b"%b: %b" % (name, value)))
    parts.append(b"Content-Length: %d\r\n" % len(body))
    parts.append(body)
    return b"\r\n".join(parts)
