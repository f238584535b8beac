# SPDX-License-Identifier: Apache-2.0
"""The list server `sip:list@DOMAIN`: a MESSAGE that brings its recipients along (RFC 5365)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pager.submission import Answering
from sip.bodies.mime import Part, media_type, parse_fields
from sip.bodies.multipart import is_multipart, join_parts, parse_multipart
from sip.bodies.resource_lists import MEDIA_TYPE, Entry, build_history, parse_recipients
from sip.endpoint import Endpoint
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.grammar import is_token, unescape
from sip.headers.names import canonical_name
from sip.ids import IdSource
from sip.message import Request
from sip.routing import Refusal
from sip.transaction.server import ServerTransaction
from sip.uri import Uri, parse_uri

from .distribution import Distribution
from .groups import unserved
from .oversize import Oversize

EXTENSION = b"recipient-list-message"
#: Header fields that the URI of a recipient may set for its copy.
_GRANTED: Final = {
    "accept-contact": b"Accept-Contact",
    "in-reply-to": b"In-Reply-To",
    "priority": b"Priority",
    "reject-contact": b"Reject-Contact",
    "request-disposition": b"Request-Disposition",
    "subject": b"Subject",
}
_PRINTED: Final = bytes(range(0x20, 0x7F))
#: By AoR: header lines of that copy alone, each with its lower-case name.
Recipients = dict[str, tuple[tuple[str, bytes], ...]]
_NEEDED = Refusal(
    421, b"The recipients are missing", (b"Require: " + EXTENSION, b"Supported: " + EXTENSION)
)


class Consent:
    """Who elsewhere agreed to be on lists (RFC 5360): addresses, and whole domains."""

    def __init__(self, agreed: Iterable[str]) -> None:
        self._agreed = frozenset(one.lower() for one in agreed)

    def given(self, aor: str) -> bool:
        """Tell whether somebody may be sent what a list brings."""
        name = aor.lower()
        return name in self._agreed or name.rpartition("@")[2] in self._agreed


class ListService:
    """Serves `sip:list@DOMAIN`.

    Args:
        aor_of: canonical AoR of a URI, as this node sees it. local: the domains served here.
        known: tells who can get a copy at all.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        distribution: Distribution,
        aor_of: Callable[[Uri], str],
        local: Collection[str],
        known: Callable[[str], bool],
        ids: IdSource,
    ) -> None:
        self.endpoint = endpoint
        self.distribution = distribution
        self.aor_of = aor_of
        self.local = frozenset(local)
        self.known = known
        self.ids = ids
        self.oversize: Oversize | None = None
        self.configure(50, 32768, ())

    def configure(self, most: int, body_bytes: int, consent: Iterable[str]) -> None:
        """Take at most so many recipients, and bodies of so many octets, from now on."""
        self.most = most
        self.body_bytes = body_bytes
        self.consent = Consent(consent)

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request for the service."""
        refusal = unserved(request, frozenset((EXTENSION,)))
        if refusal is None:
            outcome = self._read(request)
            if not isinstance(outcome, Refusal):
                transaction = self.endpoint.accept(request, flow, now)
                self._fit(transaction, request, sender, aor, outcome, now)
                return
            refusal = outcome
        self.endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)

    def _read(self, request: Request) -> _Read | Refusal:
        """Return the recipients and what they get."""
        content_type = request.get("content-type") or b""
        if EXTENSION not in [tag.lower() for tag in request.items("require")]:
            return _NEEDED
        if len(request.body) > self.body_bytes:
            return Refusal(413, b"The message is too large", ())
        try:
            if not is_multipart(content_type):
                raise ParseError("list", "the body has no list of recipients")
            parts = parse_multipart(content_type, request.body)
            lists = [part for part in parts if _is_list(part)]
            if len(lists) != 1:
                raise ParseError("list", "the body has not exactly one list of recipients")
            entries = parse_recipients(lists[0].content, self.most)
        except ParseError as error:
            if error.status_hint == 413:
                return Refusal(403, b"At most %d recipients are allowed" % self.most, ())
            return Refusal(400, str(error).encode("ascii", "replace"), ())
        recipients = self._recipients(entries)
        if isinstance(recipients, Refusal):
            return recipients
        kept = [part for part in parts if part is not lists[0]]
        if not kept:
            return Refusal(400, b"There is nothing to send beside the list", ())
        return _Read(recipients, kept, entries)

    def _recipients(self, entries: Iterable[Entry]) -> Recipients | Refusal:
        """Return everybody once, by AoR, with the header lines that their URIs ask for.

        Parameters of a URI, its method too, mean nothing here.
        """
        found: Recipients = {}
        missing: dict[str, None] = {}
        for entry in entries:
            try:
                uri = parse_uri(entry.uri.encode("ascii"))
            except (SipError, UnicodeEncodeError):
                return Refusal(400, b"The list has something that is no URI", ())
            aor = self.aor_of(uri)
            if not uri.is_sip or not uri.user:
                return Refusal(400, b"The list has somebody who is no SIP user", ())
            found.setdefault(aor, header_lines(uri.headers) if uri.headers else ())
            if aor.rpartition("@")[2] not in self.local and not self.consent.given(aor):
                missing[aor] = None
        if missing:
            # RFC 5360 5.9.1: who has to be asked first.
            uris = b", ".join([b"<%b>" % aor.encode() for aor in missing])
            return Refusal(470, b"Consent Needed", (b"Permission-Missing: " + uris,))
        if not any(self.known(aor) for aor in found):
            return Refusal(404, b"Nobody on the list is known", ())
        return found

    def _fit(
        self,
        transaction: ServerTransaction,
        request: Request,
        sender: str,
        aor: str,
        read: _Read,
        now: float,
    ) -> None:
        """Send copies, of which what is too large for its way is dealt with first."""
        if len(read.kept) == 1:
            part = read.kept[0]
            content = part.get(b"content-type") or b"text/plain", part.content
        else:
            boundary, joined = join_parts(read.kept, b"list-" + self.ids.tag())
            kind = media_type(request.get("content-type") or b"")
            content = b'%b;boundary="%b"' % (kind, boundary), joined

        def go(kind: bytes, body: bytes) -> None:
            if (kind, body) != content:
                head = b"Content-Type: " + kind
                read.kept[:] = [Part(head, parse_fields(head, "list"), body)]
            now = self.distribution.fanout.pager.clock.now()
            self._send(transaction, request, sender, aor, read, now)

        recipients = list(read.recipients)
        if self.oversize is None or not self.oversize.take_many(
            transaction, request, sender, aor, recipients, recipients, content, go, now
        ):
            self._send(transaction, request, sender, aor, read, now)

    def _content(self, content_type: bytes, read: _Read) -> tuple[bytes, bytes]:
        """Return header lines and body of what everybody gets. Spec: RFC 5365 7.3."""
        kept = list(read.kept)
        if any(entry.copy != "bcc" for entry in read.entries):
            head = (
                b"Content-Type: %b\r\n"
                b"Content-Disposition: recipient-list-history; handling=optional" % MEDIA_TYPE
            )
            kept.append(Part(head, parse_fields(head, "list"), build_history(read.entries)))
        if len(kept) == 1:
            # One body needs no wrapper.
            lines = [
                b"%b: %b" % (name.title(), value)
                for name, value in kept[0].fields
                if name.startswith(b"content-")
            ]
            if kept[0].get(b"content-type") is None:
                lines.append(b"Content-Type: text/plain")
            return b"\r\n".join(lines), kept[0].content
        boundary, body = join_parts(kept, b"list-" + self.ids.tag())
        kind = media_type(content_type)
        return b'Content-Type: %b;boundary="%b"' % (kind, boundary), body

    def _send(
        self,
        answering: Answering,
        request: Request,
        sender: str,
        aor: str,
        read: _Read,
        now: float,
    ) -> None:
        added = {who: lines for who, lines in read.recipients.items() if lines}
        self.distribution.send(
            answering, request, sender, aor, list(read.recipients), now,
            content=self._content(request.get("content-type") or b"", read), added=added or None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Read:
    """What a request for the service says. kept: the parts beside the list."""

    recipients: Recipients
    kept: list[Part]
    entries: Sequence[Entry]


def header_lines(headers: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the header lines that a URI asks for, as far as they are granted.

    Those of RFC 3261 19.1.5 that could deceive or harm are not, nor is a body (RFC 5365 7), nor
    one that would not be a line: what is left chooses devices or describes the message.
    """
    lines: dict[str, bytes] = {}
    for field in headers.split(b"&"):
        hname, _, hvalue = field.partition(b"=")
        spelt, value = unescape(hname), unescape(hvalue).strip(b" ")
        name = canonical_name(spelt) if is_token(spelt) else ""
        if name in _GRANTED and value and not value.translate(None, _PRINTED):
            lines.setdefault(name, b"%b: %b" % (_GRANTED[name], value))
    return tuple(lines.items())


def _is_list(part: Part) -> bool:
    disposition = part.get(b"content-disposition") or b""
    kind = part.get(b"content-type") or b""
    return media_type(disposition) == b"recipient-list" and media_type(kind) == MEDIA_TYPE
