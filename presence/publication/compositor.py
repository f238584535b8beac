# SPDX-License-Identifier: Apache-2.0
"""The event state compositor: PUBLISH in, entity tags, expiry (RFC 3903).

What a 200 promises has been committed; watchers hear of it after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from sip.bodies.mime import media_type
from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.grammar import is_token
from sip.ids import IdSource
from sip.message import Request
from sip.transaction.server import ServerTransaction

from ..event.fields import expires_of, parse_event
from ..event.package import Refused
from ..event.ports import Clock
from ..event.stats import EventStats
from .publication import KeptPublication, Publication, PublicationStore, PublishedPackage

__all__ = ["Compositor", "CompositorSettings"]

_HOUR_S: Final = 3_600
_EXPIRY: Final = 1
_TAG_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class CompositorSettings:
    """Seconds a publication lives; publications per resource and package; octets of a body."""

    expires_default: int = 3_600
    expires_min: int = 60
    expires_max: int = 3_600
    per_resource: int = 20
    body_octets: int = 65_536


class Compositor:
    """Publications by resource and package.

    Args:
        ids: where entity tags come from; none is ever given twice.
        retry_after: header lines of a 503.
    """

    def __init__(
        self,
        packages: Iterable[PublishedPackage],
        endpoint: Endpoint,
        ids: IdSource,
        store: PublicationStore,
        clock: Clock,
        settings: CompositorSettings,
        retry_after: Callable[[], tuple[bytes, ...]],
        stats: EventStats,
    ) -> None:
        self.settings = settings
        self._packages = {package.key: package for package in packages}
        self._endpoint = endpoint
        self._ids = ids
        self._store = store
        self._clock = clock
        self._retry_after = retry_after
        self._stats = stats
        self._kept: dict[tuple[str, str], tuple[Publication, ...]] = {}
        self._next = 1
        for package in self._packages.values():
            package.composed(self)

    # ----------------------------------------------------------------- look-up

    def of(self, package: str, resource: str) -> Sequence[Publication]:
        """Return the publications of a resource, the one that was begun first first."""
        return self._kept.get((package, resource), ())

    def parsed(self, package: str, resource: str) -> list[object]:
        """Return what was read from them, in the same order."""
        return [publication.parsed for publication in self.of(package, resource)]

    def __iter__(self) -> Iterator[Publication]:
        return (one for some in list(self._kept.values()) for one in some)

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    @property
    def allow_events(self) -> bytes:
        """The Allow-Events header line of packages that can be published."""
        return b"Allow-Events: " + ", ".join(sorted(self._packages)).encode("ascii")

    # ----------------------------------------------------------------- PUBLISH

    def request(self, request: Request, flow: Flow, resource: str, now: float) -> None:
        """Serve a PUBLISH of somebody who may speak for `resource` (RFC 3903 6)."""
        try:
            self._publish(request, flow, resource, now)
        except Refused as refused:
            self._endpoint.reply(
                request,
                flow,
                refused.status,
                now,
                refused.reason,
                refused.lines,
                body=refused.body,
                content_type=refused.content_type,
            )
        except BadMessage as error:
            self._endpoint.reply(request, flow, error.status_hint, now, error.phrase)

    def _publish(self, request: Request, flow: Flow, resource: str, now: float) -> None:
        package = self._package(request)
        if not package.admits(resource):
            raise Refused(404)
        tag = _if_match(request)
        publication = None if tag is None else self._find(package, resource, tag)
        expires = self._expires(request)
        if publication is None:
            if not request.body or expires == 0:
                raise Refused(400, b"An initial publication needs a body and a lifetime")
            if len(self.of(package.key, resource)) >= self.settings.per_resource:
                raise Refused(403, b"Too many publications of one resource")
            publication = Publication(self, self._next, package, resource, now)
        content: tuple[object, bytes, bytes] = (
            publication.parsed, publication.content_type, publication.body,
        )  # fmt: skip
        if request.body and expires:
            content = self._read(request, package, resource, publication.parsed)
        self._next = max(self._next, publication.number + 1)
        transaction = self._endpoint.accept(request, flow, now)
        self._stats.published += 1
        _Change(self, transaction, publication, content, expires).commit(now)

    def _package(self, request: Request) -> PublishedPackage:
        value = request.get("event")
        package = None if value is None else self._packages.get(parse_event(value).package)
        if package is None:
            raise Refused(489, None, (self.allow_events,))
        return package

    def _find(self, package: PublishedPackage, resource: str, tag: bytes) -> Publication:
        for publication in self.of(package.key, resource):
            if publication.etag == tag and not publication.busy:
                return publication
        self._stats.conflicts += 1
        raise Refused(412)

    def _expires(self, request: Request) -> int:
        settings = self.settings
        asked = expires_of(request, settings.expires_default)
        if 0 < asked < min(settings.expires_min, _HOUR_S):
            raise Refused(423, None, (b"Min-Expires: %d" % settings.expires_min,))
        return min(asked, settings.expires_max)

    def _read(
        self, request: Request, package: PublishedPackage, resource: str, before: object | None
    ) -> tuple[object, bytes, bytes]:
        content_type = media_type(request.get("content-type") or b"")
        if content_type not in package.published or request.has("content-encoding"):
            accept = b"Accept: " + b", ".join(package.published)
            raise Refused(415, None, (accept, b"Accept-Encoding: identity"))
        if len(request.body) > self.settings.body_octets:
            raise Refused(413)
        return package.parse(resource, content_type, request.body, before)

    # ------------------------------------------------------------------ changes

    def tag(self) -> bytes:
        """Return an entity tag that no publication has had."""
        return self._ids.token(_TAG_DIGITS).encode("ascii")

    def append(
        self, number: int, kept: KeptPublication | None, done: Callable[[bool], None]
    ) -> None:
        """Have the store keep or forget a publication."""
        self._store.append(number, kept, done)

    def now(self) -> tuple[float, float]:
        """Return monotonic and wall seconds."""
        return self._clock.now(), self._clock.wall()

    def answer(
        self, transaction: ServerTransaction, tag: bytes, expires: int, kept: bool, now: float
    ) -> None:
        """Answer a PUBLISH after its commit."""
        if kept:
            lines = (b"Expires: %d" % expires, b"SIP-ETag: " + tag)
            self._endpoint.respond(transaction, 200, now, None, lines)
        else:
            self._endpoint.respond(transaction, 503, now, None, self._retry_after())

    def place(self, publication: Publication, now: float) -> None:
        """Enter or re-enter a publication, and watch for its end."""
        key = (publication.package.key, publication.resource)
        known = self._kept.get(key, ())
        if publication not in known:
            self._kept[key] = (*known, publication)
        self._arm(publication)

    def _arm(self, publication: Publication) -> None:
        """Set the timer of its end, unless one is set that comes before and looks again."""
        if publication.expires_at < publication.armed:
            publication.armed = publication.expires_at
            self._endpoint.timers.schedule(publication.armed, publication, _EXPIRY)

    def drop(self, publication: Publication) -> None:
        """Take a publication out."""
        key = (publication.package.key, publication.resource)
        left = tuple(one for one in self._kept.get(key, ()) if one is not publication)
        if left:
            self._kept[key] = left
        else:
            self._kept.pop(key, None)

    def expire(self, publication: Publication, now: float) -> None:
        """Remove a publication whose time has come."""
        if publication.armed <= now:
            publication.armed = inf
        if publication not in self.of(publication.package.key, publication.resource):
            return
        if publication.expires_at > now:
            self._arm(publication)
        elif not publication.busy:
            self.remove(publication, now)

    def remove(self, publication: Publication, now: float) -> None:
        """Remove a publication at once."""
        self.drop(publication)
        self._store.append(publication.number, None, _nobody_waits)
        publication.package.published_changed(publication.resource, now)

    def forget_user(self, aor: str, now: float) -> None:
        """Remove all that somebody published who is no user any more."""
        for package in self._packages:
            for publication in self.of(package, aor):
                self.remove(publication, now)

    def restore(self, rows: Iterable[tuple[int, KeptPublication]], now: float) -> int:
        """Take over what the store holds; returns how many publications are alive."""
        wall = self._clock.wall()
        alive = 0
        for number, kept in sorted(rows):
            self._next = max(self._next, number + 1)
            package = self._packages.get(kept.package)
            if (
                package is None
                or kept.expires_at <= wall
                or not self._resume(number, kept, package, now, wall)
            ):
                self._store.append(number, None, _nobody_waits)
                continue
            alive += 1
        return alive

    def _resume(
        self, number: int, kept: KeptPublication, package: PublishedPackage, now: float, wall: float
    ) -> bool:
        publication = Publication(self, number, package, kept.resource, now)
        try:
            parsed, content_type, body = package.parse(
                kept.resource, kept.content_type, kept.body, None
            )
        except (Refused, BadMessage):
            return False  # rules have become stricter since
        publication.parsed, publication.content_type, publication.body = parsed, content_type, body
        publication.etag = kept.etag
        publication.since = now - max(0.0, wall - kept.since)
        publication.expires_at = now + (kept.expires_at - wall)
        self.place(publication, now)
        return True


class _Change:
    """One accepted PUBLISH on its way to the store and back."""

    __slots__ = ("_compositor", "_content", "_expires", "_publication", "_tag", "_transaction")

    def __init__(
        self,
        compositor: Compositor,
        transaction: ServerTransaction,
        publication: Publication,
        content: tuple[object, bytes, bytes],
        expires: int,
    ) -> None:
        self._compositor = compositor
        self._transaction = transaction
        self._publication = publication
        self._content = content
        self._expires = expires
        self._tag = compositor.tag()

    def commit(self, now: float) -> None:
        publication, (_, content_type, body) = self._publication, self._content
        publication.busy = True
        kept = None
        if self._expires:
            _, wall = self._compositor.now()
            kept = KeptPublication(
                publication.package.key,
                publication.resource,
                self._tag,
                wall - (now - publication.since),
                wall + self._expires,
                content_type,
                body,
            )
        self._compositor.append(publication.number, kept, self._done)

    def _done(self, kept: bool) -> None:
        compositor, publication = self._compositor, self._publication
        now, _ = compositor.now()
        publication.busy = False
        compositor.answer(self._transaction, self._tag, self._expires, kept, now)
        if not kept:
            compositor.expire(publication, now)
            return
        changed = True
        if self._expires:
            changed = self._content[2] is not publication.body
            publication.etag = self._tag
            publication.parsed, publication.content_type, publication.body = self._content
            publication.expires_at = now + self._expires
            compositor.place(publication, now)
        else:
            compositor.drop(publication)
        if changed:
            publication.package.published_changed(publication.resource, now)


def _if_match(request: Request) -> bytes | None:
    """Return the entity tag of SIP-If-Match; exactly one may stand there (RFC 3903 6 step 3)."""
    values = request.get_all("sip-if-match")
    if not values:
        return None
    if len(values) > 1 or not is_token(values[0]):
        raise Refused(400, b"SIP-If-Match needs exactly one entity tag")
    return values[0]


def _nobody_waits(_committed: bool) -> None:
    """When it is lost the next start finds it expired."""
