# SPDX-License-Identifier: Apache-2.0
"""SUBSCRIBE in: what is refused, what begins, what is refreshed (RFC 6665 4.2.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from sip.bodies.encoding import ACCEPTED, decode_body
from sip.bodies.mime import media_type
from sip.dialog import accept_request, key_of_request, uas_dialog
from sip.endpoint import Endpoint
from sip.errors import BadMessage, ParseError
from sip.flow import Flow
from sip.forward import is_bound
from sip.message import Request, build_response
from sip.transaction.server import ServerTransaction
from sip.uri import parse_uri

from .delivery import Delivery
from .fields import Event, accepted_types, expires_of, icid_of, parse_event
from .notifier import Notifier
from .package import EventPackage, Refused, Standing, Terms
from .ports import Clock
from .states import WatcherEvent, WatcherState
from .stats import EventStats
from .subscription import NOW, Subscription

__all__ = ["SubscribeServer", "contact_of"]

Choose = Callable[[EventPackage, str, Request], EventPackage]

_HOUR_S: Final = 3_600
_MAX_BODY: Final = 65_536


class SubscribeServer:
    """Serves SUBSCRIBE requests whose sender is known; every answer is final.

    Args: trusts: tells of a flow whether a peer is there who says the truth about the way behind
        it. retry_after: header lines of a 503.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        notifier: Notifier,
        delivery: Delivery,
        clock: Clock,
        trusts: Callable[[Flow], bool],
        retry_after: Callable[[], tuple[bytes, ...]],
        stats: EventStats,
    ) -> None:
        self._trusts = trusts
        self._endpoint = endpoint
        self._notifier = notifier
        self._delivery = delivery
        self._clock = clock
        self._retry_after = retry_after
        self._stats = stats
        #: choose(package, resource, request): the package to use, for lists (RFC 4662, RFC 5367).
        self.choose: Choose = _that

    def request(
        self, request: Request, flow: Flow, watcher: str, resource: str, now: float
    ) -> None:
        """Serve one request; `resource` is not looked at inside a dialog."""
        try:
            if request.to_tag:
                self._refresh(request, flow, watcher, now)
            else:
                self._subscribe(request, flow, watcher, resource, now)
        except Refused as refused:
            self._stats.rejected += 1
            self._endpoint.reply(request, flow, refused.status, now, refused.reason, refused.lines)
        except BadMessage as error:
            self._stats.rejected += 1
            self._endpoint.reply(request, flow, error.status_hint, now, error.phrase)

    # --------------------------------------------------------------------- new

    def _subscribe(
        self, request: Request, flow: Flow, watcher: str, resource: str, now: float
    ) -> None:
        notifier = self._notifier
        event, package = self._package(request)
        package = self.choose(package, resource, request)
        expires = self._expires(request, package)
        self._check_room(package.key, watcher, resource)
        wall = self._clock.wall()
        if not package.admits(resource):
            raise Refused(404)
        decision = package.authorise(resource, watcher, wall)
        if decision.standing is Standing.BLOCK:
            raise Refused(403, b"Not allowed to subscribe")
        dialog = uas_dialog(request, self._endpoint.to_tag(request), flow.secure)
        dialog.local_uri = _shared(_angled(dialog.local_uri))
        dialog.remote_uri = _angled(dialog.remote_uri)
        sub = Subscription(
            notifier,
            notifier.number(),
            package,
            resource,
            watcher,
            dialog,
            _terms(request, None),
            event.id,
            contact_of(flow),
            now,
        )
        sub.suppress = request.get("suppress-if-match") or b""
        sub.charging = icid_of(request)
        self._take_way(sub, request, flow, now)
        package.open(sub, wall)
        self._delivery.pace(sub, event)
        transaction = self._endpoint.accept(request, flow, now)
        self._stats.subscribed += 1
        notifier.begin(sub, now)
        notifier.admit(sub, decision, now)
        notifier.prolong(sub, expires, now) if expires else None
        if expires:
            notifier.keep(sub, lambda kept: self._kept(transaction, sub, expires, kept))
        else:
            self._fetched(transaction, sub, now)

    def _kept(
        self, transaction: ServerTransaction, sub: Subscription, expires: int, kept: bool
    ) -> None:
        """Answer after the commit; then the first NOTIFY."""
        now = self._clock.now()
        if not kept:
            self._notifier.terminate(sub, WatcherEvent.DEACTIVATED, now, silent=True)
            self._endpoint.respond(transaction, 503, now, None, self._retry_after())
            return
        sub.kept = True
        self._answer(transaction, sub, 200, expires, now)
        if sub.state is WatcherState.TERMINATED:
            self._notifier.ended_early(sub)
        sub.due |= NOW
        self._delivery.push(sub, now)

    def _fetched(self, transaction: ServerTransaction, sub: Subscription, now: float) -> None:
        """Answer one that wants the state once (RFC 6665 4.4.3); there is nothing to keep."""
        self._answer(transaction, sub, 200, 0, now)
        sub.kept = True
        sub.cseq_limit = 1
        self._notifier.terminate(sub, WatcherEvent.TIMEOUT, now)

    def _check_room(self, package: str, watcher: str, resource: str) -> None:
        settings, notifier = self._notifier.settings, self._notifier
        most = settings.per_pair if watcher else settings.nameless
        if len(notifier) >= settings.total:
            raise Refused(503, b"Too many subscriptions", self._retry_after())
        if len(notifier.subscriptions(package, resource)) >= settings.per_resource:
            raise Refused(503, b"Too many watchers", self._retry_after())
        count = notifier.by_watcher.get(watcher, 0)
        if watcher and count >= settings.per_watcher:
            raise Refused(403, b"Too many subscriptions of one user")
        # Nobody takes all the room that others have at a resource.
        if count >= most:
            same = notifier.subscriptions(package, resource)
            if sum([one.watcher == watcher for one in same]) >= most:
                raise Refused(403, b"Too many subscriptions to one resource")

    # ----------------------------------------------------------------- refresh

    def _refresh(self, request: Request, flow: Flow, watcher: str, now: float) -> None:
        notifier = self._notifier
        sub = notifier.dialogs.get(key_of_request(request))
        if sub is None:
            raise Refused(481)
        # A watcher who is nobody in particular is known by the tags of its dialog.
        if sub.watcher and watcher != sub.watcher:
            raise Refused(403, b"The subscription is somebody else's")
        event, package = self._package(request)
        if package.name != sub.package.name or event.id != sub.event_id:
            raise Refused(481, b"No such subscription in the dialog")
        expires = self._expires(request, sub.package)
        status = accept_request(sub.dialog, request)
        if status:
            raise Refused(status)
        wall = self._clock.wall()
        self._renegotiate(sub, request, event, wall)
        self._stats.refreshed += 1
        self._take_way(sub, request, flow, now)
        transaction = self._endpoint.accept(request, flow, now)
        if expires == 0:
            self._answer(transaction, sub, 200, 0, now)
            notifier.terminate(sub, WatcherEvent.TIMEOUT, now)
            return
        notifier.prolong(sub, expires, now)
        matched = self._matches(request, sub, wall)
        notifier.keep(sub, lambda kept: self._refreshed(transaction, sub, expires, matched, kept))

    def _renegotiate(self, sub: Subscription, request: Request, event: Event, wall: float) -> None:
        """Take new terms when a refresh states any; a refusal leaves what was."""
        terms = _terms(request, sub.terms)
        before = sub.terms
        if terms != before or request.body:
            sub.terms = terms
            try:
                sub.package.open(sub, wall)
            except Refused:
                sub.terms = before
                raise
        self._delivery.pace(sub, event)

    def _matches(self, request: Request, sub: Subscription, wall: float) -> bool:
        """Tell whether the watcher has the state already (RFC 5839 6.2)."""
        tag = request.get("suppress-if-match")
        if tag is None or sub.state is not WatcherState.ACTIVE:
            return False
        return tag == b"*" or tag == sub.package.etag(sub, wall)

    def _refreshed(
        self,
        transaction: ServerTransaction,
        sub: Subscription,
        expires: int,
        matched: bool,
        kept: bool,
    ) -> None:
        now = self._clock.now()
        if not kept:
            self._endpoint.respond(transaction, 503, now, None, self._retry_after())
        elif matched:
            self._stats.suppressed += 1
            self._answer(transaction, sub, 204, expires, now)
        else:
            self._answer(transaction, sub, 200, expires, now)
            sub.memo = None
            sub.due |= NOW
        self._delivery.push(sub, now)

    # ------------------------------------------------------------------- parts

    def _take_way(self, sub: Subscription, request: Request, flow: Flow, now: float) -> None:
        """Send NOTIFYs to where the SUBSCRIBE came from, whatever its Contact and routes say.

        They lead elsewhere only for a peer that is trusted: with them anybody could have NOTIFYs
        sent to whom they like (threats.md R2, R3). Over UDP it is the address that counts, and the
        port is the Contact's, as for a binding (design D7); behind a NAT it is the source's.
        """
        if request.via_count > 1 and self._trusts(flow):
            return
        sub.flow, sub.bound = flow, is_bound(request, flow)
        if sub.bound and not flow.reliable:
            contact = parse_uri(sub.dialog.remote_target)
            if contact.host == flow.remote[0]:
                direct = self._endpoint.transport.flow_to("UDP", *contact.hostport(5060), now)
                if direct is not None:
                    sub.flow, sub.bound = direct, False
        sub.origin = (flow.transport, *sub.flow.remote)

    def _package(self, request: Request) -> tuple[Event, EventPackage]:
        value = request.get("event")
        event = parse_event(value) if value is not None else None
        package = None if event is None else self._notifier.package(event.package)
        if event is None or package is None:
            raise Refused(489, None, (self._notifier.allow_events,))
        return event, package

    def _expires(self, request: Request, package: EventPackage) -> int:
        """Return the granted seconds, never more than asked for (RFC 6665 4.2.1.1)."""
        asked = expires_of(request, package.expires_default)
        if 0 < asked < min(package.expires_min, _HOUR_S):
            raise Refused(423, None, (b"Min-Expires: %d" % package.expires_min,))
        return min(asked, package.expires_max)

    def _answer(
        self,
        transaction: ServerTransaction,
        sub: Subscription,
        status: int,
        expires: int,
        now: float,
    ) -> None:
        request = transaction.request
        lines: Sequence[bytes] = (
            b"Expires: %d" % expires,
            b"Contact: " + sub.contact,
            *sub.package.lines,
        )
        tag = sub.dialog.local_tag
        data = build_response(request, status, None, lines, to_tag=tag, record_route=True)
        transaction.respond(data, status, now)


def _that(package: EventPackage, _resource: str, _request: Request) -> EventPackage:
    return package


def _terms(request: Request, before: Terms | None) -> Terms:
    """Return what a SUBSCRIBE asks for; a refresh leaves standing what it does not mention."""
    accept = accepted_types(request)
    body = request.body
    if len(body) > _MAX_BODY:
        raise Refused(413)
    if request.has("content-encoding"):
        body = _unpacked(request.get("content-encoding") or b"", body)
    content_type = media_type(request.get("content-type") or b"") if body else b""
    if before is not None:
        accept = before.accept if accept is None else accept
        if not body:
            content_type, body = before.content_type, before.body
    supported = request.tokens("supported") if request.has("supported") else []
    if body:
        event = request.get("event") or b""
        return Terms(event, accept or (), content_type, body, b"eventlist" in supported)
    return _plain_terms(request.get("event") or b"", accept or (), b"eventlist" in supported)


@lru_cache(maxsize=256)
def _plain_terms(event: bytes, accept: tuple[bytes, ...], eventlist: bool) -> Terms:
    """Return one object for all who ask for the same, as nearly all do."""
    return Terms(event, accept, eventlist=eventlist)


def _unpacked(encoding: bytes, body: bytes) -> bytes:
    try:
        return decode_body(encoding, body, _MAX_BODY)
    except ParseError as error:
        unknown = error.status_hint == 415
        lines = (b"Accept-Encoding: " + ACCEPTED,) if unknown else ()
        raise Refused(error.status_hint, error.phrase, lines) from None


@lru_cache(maxsize=4096)
def _shared(value: bytes) -> bytes:
    """Return one object for equal octets: the watchers of a resource name it alike."""
    return value


def contact_of(flow: Flow) -> bytes:
    """Return our Contact: a GRUU, which leads here and nowhere else (RFC 6665 4.5.1)."""
    return _contact(flow.sent_by, flow.transport)


@lru_cache(maxsize=64)
def _contact(sent_by: bytes, transport: str) -> bytes:
    kind = b"" if transport == "UDP" else b";transport=" + transport.lower().encode()
    return b"<sip:%b%b;gr>" % (sent_by, kind)


def _angled(value: bytes) -> bytes:
    return value if b"<" in value else b"<" + value + b">"
