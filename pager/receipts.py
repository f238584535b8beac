# SPDX-License-Identifier: Apache-2.0
"""The node as an intermediary of RFC 5438: it tells senders what they asked to hear, and routes
and remembers what devices tell them.

It never says that a message was delivered: only a device knows that (12.2), or the network of
another kind that serves it and says so. What it says has an
identity that follows from the message and from what is said, and is stored before it is sent, so
that the store recognises it if it is said again, after a crash as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from sip.bodies.cpim import MEDIA_TYPE, CpimMessage, address_uri, parse_cpim
from sip.bodies.imdn import Notification, build_imdn, wrap_imdn
from sip.bodies.imdn_request import (
    NAMESPACE,
    NEGATIVE_DELIVERY,
    POSITIVE_DELIVERY,
    PROCESSING,
    Glance,
    glance,
    top_route,
    with_record_route,
    without_top_route,
)
from sip.bodies.mediatype import is_cpim
from sip.errors import ParseError
from sip.headers.date import format_timestamp
from sip.uri import Uri, parse_uri

from . import policy, rules
from .contents import cpim_within, notice_of, read_notice, stored_notice
from .ports import Bindings, Clock, Ledger
from .submission import Submission
from .values import ExpiredMessage, LedgerEntry, Notice, StoredMessage

if TYPE_CHECKING:
    from .tally import Tallies

#: The user part of the node's own address in every domain, where routed notifications come to.
ADDRESS: Final = "imdn"
_ANONYMOUS: Final = "anonymous.invalid"

#: send(sender, recipient, body): a message/cpim of the node's own, to be stored first.
Send = Callable[[str, str, bytes], None]
#: displayed(author, reader, IMDN Message-ID): the reader says that the message was shown.
Displayed = Callable[[str, str, bytes], None]


@dataclass(frozen=True, slots=True)
class Onward:
    """Where a notification goes from here, by AoR and URI, and with which body."""

    aor: str
    uri: bytes
    body: bytes


class Receipts:
    """Examiner and observer of the pager for RFC 5438.

    tallies: gather what is said about messages to many.

    Args:
        send: takes notifications of the node's own.
        aor_of: the canonical AoR of a SIP URI. known: tells whether an AoR is a user of ours.
        secret: makes their Message-IDs, and the routes this node sets, impossible to guess.
        record_route: have notifications come back through this node (RFC 5438 6.5). Off by
            default: those of its own users come anyway, and the body stays as it was written.
        displayed: hears which message was shown to its reader.
    """

    def __init__(
        self,
        send: Send,
        aor_of: Callable[[Uri], str],
        known: Callable[[str], bool],
        ledger: Ledger,
        bindings: Bindings,
        clock: Clock,
        secret: bytes,
        record_route: bool = False,
        displayed: Displayed | None = None,
    ) -> None:
        self.record_route = record_route
        self._displayed = displayed
        self._send = send
        self._aor_of = aor_of
        self._known = known
        self._ledger = ledger
        self._bindings = bindings
        self._clock = clock
        self._key = blake2b(b"receipts", key=secret[:64]).digest()
        self.tallies: Tallies | None = None

    # --- pager.ports.Examiner

    def examine(self, submission: Submission, network: bool) -> policy.Decision | None:
        """Read what a message asks for or tells; keep away who writes in another's name."""
        request = submission.request
        content_type = request.get("content-type") or b""
        if not is_cpim(content_type):
            submission.notice = read_notice(content_type, request.body)
            return None
        seen = glance(content_type, request.body)
        notice = submission.notice = notice_of(seen, request.body)
        record = bool(self.record_route and notice is not None and notice.asked & ~PROCESSING)
        ordinary = notice is not None and not notice.kind and not record
        if ordinary and (not network or _is_plainly_from(seen, submission.sender)):
            return None
        try:
            message = parse_cpim(request.body)
            if network and not self._is_from(message, submission.sender):
                return policy.NOT_THE_SENDER
            if (
                notice is not None
                and notice.kind == rules.IMDN
                and self.tallies is not None
                and self.tallies.take(submission, message, notice)
            ):
                return policy.GATHERED
            if notice is None or not notice.id or not network:
                return None
            if notice.kind == rules.IMDN:
                return self._pass_on(submission, message, notice)
        except ParseError:
            return policy.MALFORMED
        if record:
            route = self._route(submission.sender, submission.recipient, notice.id)
            request.replace_body(with_record_route(message, route).encode())
        return None

    def _pass_on(
        self, submission: Submission, message: CpimMessage, notice: Notice
    ) -> policy.Decision | None:
        """Take our own route off a notification that came straight to the sender's address."""
        route = top_route(message)
        if route is None or not _is_ours(route, submission.sender):
            return None
        if not self._proven(route, submission.recipient, submission.sender, notice):
            return policy.UNKNOWN_RECEIPT
        submission.request.replace_body(without_top_route(message).encode())
        return None

    def _is_from(self, message: CpimMessage, sender: str) -> bool:
        """Say whether nobody but ``sender``, or nobody at all, is named as the author.

        Raises: ParseError.
        """
        for uri in message.claimed_senders():
            author = self.party(uri)
            if author != sender and not author.endswith("@" + _ANONYMOUS):
                return False
        return True

    def party(self, uri: bytes) -> str:
        """Return the canonical AoR of a SIP, SIPS, IM or PRES URI; any other as it stands.

        Raises: ParseError.
        """
        scheme, _, rest = uri.partition(b":")
        if scheme.lower() in (b"im", b"pres"):
            uri = b"sip:" + rest
        parsed = parse_uri(uri)
        return self._aor_of(parsed) if parsed.is_sip else parsed.aor

    def content(
        self, content_type: bytes, body: bytes, sender: str
    ) -> tuple[Notice, CpimMessage] | policy.Decision | None:
        """Read the CPIM message that is sent to many, alone or among the parts of a body.

        Args: sender: who has to be its author, "" for anybody.
        Returns: None when there is none; the decision to refuse it.
        """
        try:
            wrapped = cpim_within(content_type, body)
            if not wrapped:
                return None
            message = parse_cpim(wrapped)
            if sender and not self._is_from(message, sender):
                return policy.NOT_THE_SENDER
        except ParseError:
            return policy.MALFORMED
        return read_notice(MEDIA_TYPE, wrapped) or Notice("", b""), message

    # --- the address of the node itself

    def onward(self, sender: str, body: bytes) -> Onward | None:
        """Say where a notification goes that was sent to the node's own address (RFC 5438 8).

        Args:
            sender: canonical AoR of the authenticated sender.
        Returns: None for one about a message that did not go through here, or not to this
            sender: it is dropped without a word.
        Raises: ParseError for what is no notification of the sender's own.
        """
        message = parse_cpim(body)
        notice = read_notice(MEDIA_TYPE, body)
        to = message.get(b"To")
        if notice is None or notice.kind != rules.IMDN or to is None:
            raise ParseError("CPIM", "no notification")
        if not self._is_from(message, sender):
            raise ParseError("CPIM", "not a notification of its sender")
        route, author = top_route(message), address_uri(to)
        if route is None or not self._proven(route, self.party(author), sender, notice):
            return None
        message = without_top_route(message)
        following = top_route(message)
        uri = author if following is None else following
        return Onward(self.party(uri), uri, message.encode())

    def _route(self, sender: str, recipient: str, message_id: bytes) -> bytes:
        """Return the route for the notifications of one message, with the proof that it is ours.

        It holds for this message, its sender and its recipient alone, and needs no memory.
        """
        domain = recipient.rpartition("@")[2]
        proof = self._digest(f"{sender}\n{recipient}\n".encode() + message_id)
        return f"sip:{ADDRESS}@{domain};proof={proof}".encode()

    def _proven(self, route: bytes, sender: str, recipient: str, notice: Notice) -> bool:
        """Say whether this node set a route for the notifications of this very message."""
        return any(
            compare_digest(route, self._route(sender, recipient, message_id))
            for message_id, _ in notice.told
        )

    # --- pager.ports.Observer

    def answered(self, submission: Submission, now: float) -> None:
        """Note what a notification tells; answer a request for a processing notification."""
        notice = submission.notice
        if notice is None:
            return
        if notice.kind == rules.IMDN:
            self._note(submission, notice, now)
        elif notice.asked & PROCESSING and 200 <= submission.status < 300:
            says = ("processing", "stored" if submission.status == 202 else "processed")
            request = submission.request
            body = cpim_within(request.get("content-type") or b"", request.body)
            self._tell(submission.sender, submission.recipient, body, says, submission.at)

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Tell the sender when nobody is left who could take the message."""
        if final and status >= 300 and not message.accepted:
            if self._unreached(message.sender, message.call_id, message.recipient):
                return
            self._failed(message.sender, message.recipient, message.head, message.body)

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """Tell the sender when nobody took the message before its deadline."""
        if gone.accepted or self._unreached(gone.sender, gone.call_id, gone.recipient):
            return
        if gone.body:
            self._failed(gone.sender, gone.recipient, gone.head, gone.body)

    def reported(self, sender: str, recipient: str, asked: bytes, delivered: bool) -> None:
        """Tell the sender what a network behind this node says of a message, if asked to.

        Args: asked: the CPIM message, its content aside.
        """
        notice = read_notice(MEDIA_TYPE, asked)
        wanted = POSITIVE_DELIVERY if delivered else NEGATIVE_DELIVERY
        if notice is not None and notice.asked & wanted:
            says = ("delivery", "delivered" if delivered else "failed")
            self._tell(sender, recipient, asked, says, self._clock.wall())

    def _unreached(self, sender: str, call_id: bytes, recipient: str) -> bool:
        """Gather with others that a copy reached nobody; False for what is no such copy."""
        return self.tallies is not None and self.tallies.failed(sender, call_id, recipient)

    def _failed(self, sender: str, recipient: str, head: bytes, body: bytes) -> None:
        notice = stored_notice(head, body)
        if notice is not None and notice.asked & NEGATIVE_DELIVERY:
            self._tell(sender, recipient, body, ("delivery", "failed"), self._clock.wall())

    # --- what the node says

    def _tell(
        self, sender: str, recipient: str, body: bytes, says: tuple[str, str], at: float
    ) -> None:
        """Send a notification about a message to who sent it.

        Args: at: taken for the time of the message when it does not say its own.
        """
        try:
            message = parse_cpim(body)
            message_id = message.get(b"Message-ID", NAMESPACE)
            if not message_id:
                return
            original = message.get(b"Original-To", NAMESPACE)
            author, to = message.get(b"From"), message.get(b"To")
            routes = self._recorded(message, sender, recipient)
            document = build_imdn(
                Notification(
                    *says,
                    message_id.decode(),
                    (message.get(b"DateTime") or format_timestamp(at)).decode(),
                    recipient,
                    address_uri(original).decode() if original else "",
                )
            )
            wrapped = wrap_imdn(
                document,
                self._identity(sender, recipient, message_id, says[0]),
                address_uri(to) if to else recipient.encode(),
                address_uri(author) if author else sender.encode(),
                routes,
            )
            target = self.party(routes[0]) if routes else sender
        except ParseError:
            return  # taken before contents were read, or with an address that is none
        self._send(recipient, target, wrapped.encode())

    def _recorded(self, message: CpimMessage, sender: str, recipient: str) -> list[bytes]:
        """Return the routes that nodes in front of this one want notifications to take.

        A user of ours has none in front: a route from there would make this node send to whomever
        the user likes, in the recipient's name (RFC 5438 14, threats.md X8).
        """
        if self._known(sender):
            return []
        found = message.get_all(b"IMDN-Record-Route", NAMESPACE)
        routes = [address_uri(header.value) for header in found]
        return [route for route in routes if not _is_ours(route, recipient)]

    def _identity(self, sender: str, recipient: str, message_id: bytes, disposition: str) -> bytes:
        """Return the Message-ID of the one notification of a disposition about a message."""
        who = f"{disposition}\n{sender}\n{recipient}\n".encode()
        return self._digest(who + message_id).encode()

    def _digest(self, text: bytes) -> str:
        return blake2b(text, key=self._key, digest_size=16).hexdigest()

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Note nothing: the ledger finds the copies by their IMDN Message-ID."""

    # --- what devices say

    def _note(self, submission: Submission, notice: Notice, now: float) -> None:
        """Have the ledger remember what a notification tells of which message."""
        at = submission.wall(now)
        for told in notice.told:
            if told[1] == rules.SAYS_DISPLAYED and self._displayed is not None:
                self._displayed(submission.recipient, submission.sender, told[0])
            step = (at, rules.RECEIPT, self._device(submission, now), 0, told[1])
            self._ledger.note(
                LedgerEntry(
                    submission.id,
                    submission.call_id,
                    submission.at,
                    submission.sender,
                    submission.recipient,
                    len(submission.request.body),
                    [step],
                    "",
                    False,
                    Notice(notice.kind, notice.id, 0, (told,)),
                )
            )

    def _device(self, submission: Submission, now: float) -> str:
        """Return the device a message came from, by the address it came from."""
        request = submission.request
        source = (request.received_host, request.received_port)
        for target in self._bindings.targets(submission.sender, now):
            if target.flow.remote[:2] == source:
                return self._bindings.device_of(target)
        return ""


def _is_plainly_from(seen: Glance | None, sender: str) -> bool:
    """Say whether a message has nobody but ``sender`` as its author.

    Of many a message this says nothing: those are read header by header, which takes far longer.
    """
    if seen is None:
        return False
    bare = sender.removeprefix("sip:").encode()
    return seen.author.endswith((b"<sip:" + bare + b">", b"<im:" + bare + b">"))


def _is_ours(route: bytes, recipient: str) -> bool:
    """Say whether a route is one that this node sets for notifications of a user of its own."""
    domain = recipient.rpartition("@")[2]
    return route.startswith(f"sip:{ADDRESS}@{domain};proof=".encode())
