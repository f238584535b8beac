# SPDX-License-Identifier: Apache-2.0
"""The journal of subscriptions: each SUBSCRIBE appends the whole state of its subscription.

The octets are lines ended by LF, which no header value can hold, and the body of the SUBSCRIBE
behind them. Times are milliseconds of wall time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import delete

from presence.event.package import Terms
from presence.event.ports import KeptSubscription

from .database import Database
from .errors import StoreDamaged
from .journal import JournalLane, read_journal
from .lanes import Submit
from .schema import subscription_journal

__all__ = ["Subscriptions", "read_subscriptions", "remove_subscription"]

_VERSION = b"1"
_LINES = 26


class Subscriptions:
    """`presence.event.ports.SubscriptionStore`."""

    def __init__(self, database: Database, submit: Submit) -> None:
        self.lane = JournalLane(database, subscription_journal)
        self._database = database
        self._submit = submit

    def append(
        self, number: int, kept: KeptSubscription | None, done: Callable[[bool], None]
    ) -> None:
        """Keep a subscription, None to forget it; see the port."""
        item = (number, "", "", b"")
        if kept is not None:
            item = (number, kept.resource, kept.watcher, encode(kept))
        self._submit(self.lane, item, done)

    def load(self) -> Iterator[tuple[int, KeptSubscription]]:
        """Give every subscription; once, before the first `append`. Blocks.

        Raises: StorageUnavailable, StoreDamaged.
        """
        index, entries = read_journal(self._database, subscription_journal)
        self.lane.adopt(index)
        return _decoded(self._database, list(entries.values()))


def read_subscriptions(database: Database) -> Iterator[tuple[int, KeptSubscription]]:
    """Give every subscription, beside a running node or without one; blocks.

    Raises: StorageUnavailable, StoreDamaged.
    """
    entries = read_journal(database, subscription_journal)[1]
    return _decoded(database, sorted(entries.values()))


def remove_subscription(database: Database, number: int) -> bool:
    """Remove a subscription in a store that no node uses now; False when there is none.

    Raises: StorageUnavailable, StoreDamaged.
    """
    which = subscription_journal.c.number == number
    with database.writing() as connection:
        return connection.execute(delete(subscription_journal).where(which)).rowcount > 0


def _decoded(
    database: Database, entries: list[tuple[int, str, str, bytes]]
) -> Iterator[tuple[int, KeptSubscription]]:
    for number, resource, watcher, data in entries:
        if data:
            try:
                yield number, decode(resource, watcher, data)
            except (IndexError, ValueError) as error:
                text = f"subscription {number} is damaged"
                raise StoreDamaged(database.name, text) from error


def encode(kept: KeptSubscription) -> bytes:
    """Return the octets of a subscription; resource and watcher stand beside them."""
    terms, (transport, host, port) = kept.terms, kept.origin
    numbers = (
        b"%d\n%d\n%d\n%d\n%d\n%d\n%d\n%d\n%d"
        % (
            int(kept.since * 1000),
            int(kept.expires_at * 1000),
            kept.version,
            kept.waiting,
            kept.local_cseq,
            kept.remote_cseq,
            kept.secure,
            kept.bound,
            terms.eventlist,
        )
    )  # fmt: skip
    lines = (
        _VERSION,
        kept.package.encode(),
        numbers,
        terms.event,
        b",".join(terms.accept),
        terms.content_type,
        kept.call_id,
        kept.local_tag,
        kept.remote_tag,
        kept.local_uri,
        kept.remote_uri,
        kept.remote_target,
        kept.contact,
        f"{transport}\n{host}\n{port}".encode(),
        b"%d" % len(kept.route_set),
        *kept.route_set,
    )
    return b"\n".join((*lines, terms.body))


def decode(resource: str, watcher: str, data: bytes) -> KeptSubscription:
    """Read what `encode` wrote. Raises: ValueError, IndexError when it is damaged."""
    lines = data.split(b"\n", _LINES - 1)
    if lines[0] != _VERSION:
        raise ValueError("unknown version")
    since, expires, version, waiting, local, remote, secure, bound, eventlist = map(
        int, lines[2:11]
    )
    event, accept, content_type = lines[11:14]
    routes = int(lines[24])
    *route_set, body = lines[25].split(b"\n", routes)
    if len(route_set) != routes:
        raise ValueError("routes are missing")
    terms = _plain_terms(event, accept, bool(eventlist))
    if content_type or body:
        terms = replace(terms, content_type=content_type, body=body)
    transport, host, port = lines[21].decode(), lines[22].decode(), int(lines[23])
    return KeptSubscription(
        lines[1].decode(),
        resource,
        watcher,
        terms,
        since / 1000,
        expires / 1000,
        version,
        bool(waiting),
        call_id=lines[14],
        local_tag=lines[15],
        remote_tag=lines[16],
        local_uri=_shared(lines[17]),
        remote_uri=lines[18],
        remote_target=lines[19],
        route_set=tuple(route_set),
        local_cseq=local,
        remote_cseq=remote,
        secure=bool(secure),
        contact=_shared(lines[20]),
        origin=(transport, host, port),
        bound=bool(bound),
    )


@lru_cache(maxsize=256)
def _plain_terms(event: bytes, accept: bytes, eventlist: bool) -> Terms:
    """Return one object for all who ask for the same, as nearly all do."""
    return Terms(event, tuple(accept.split(b",")) if accept else (), eventlist=eventlist)


@lru_cache(maxsize=4096)
def _shared(value: bytes) -> bytes:
    """Return one object for equal octets: the watchers of a resource name it alike."""
    return value
