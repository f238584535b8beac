# SPDX-License-Identifier: Apache-2.0
"""Requests of the HTTP API that must count once: who repeats one gets the first answer.

A request is claimed in one commit before anything is done for it, and its answer is kept in
another. A claim without an answer is what a crash leaves: it is taken up again, under the same
message identities, which the pager and the devices recognise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, bindparam, delete, select, update

from .lanes import Lane, Submit
from .schema import api_request
from .statements import InsertRows, Query

__all__ = ["Claim", "Claimed", "RequestRetention", "Requests"]

_RETENTION_ROWS = 500
_RETENTION_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's key for a request. digest: of the request, to tell a repeat from a mistake."""

    token: str
    key: str
    digest: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is known of a key. digest: of the request that had it first. answer: "" for none yet."""

    fresh: bool
    digest: bytes
    answer: str


class _ClaimLane:
    """Claims keys, each for whoever comes first."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        self._claim = InsertRows(
            api_request,
            ("token", "key", "digest", "at", "answer"),
            dialect,
            lambda insert: insert.on_conflict_do_nothing(),
        )
        self._owner = Query(
            select(api_request.c.digest, api_request.c.answer).where(
                api_request.c.token == bindparam("token"), api_request.c.key == bindparam("key")
            ),
            dialect,
        )

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[Claim]) -> list[Claimed]:
        """Insert one by one: they are few, and who came first has to be known of each."""
        results = []
        for item in items:
            row = (item.token, item.key, item.digest, item.at, "")
            if self._claim.run(connection, [row]) == 1:
                results.append(Claimed(True, item.digest, ""))
            else:
                digest, answer = self._owner.run(connection, item.token, item.key).one()
                results.append(Claimed(False, bytes(digest), answer))
        return results

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: Claim, reason: str) -> None:
        """Return None: the claim could not be kept."""
        return


class _AnswerLane:
    """Keeps answers; an item is (token, key, answer)."""

    reads = False

    def __init__(self, dialect: Dialect) -> None:
        self._answer = Query(
            update(api_request)
            .values(answer=bindparam("text"))
            .where(
                api_request.c.token == bindparam("for_token"),
                api_request.c.key == bindparam("for_key"),
            ),
            dialect,
        )

    def attach(self, connection: Connection) -> None:
        """Nothing is kept in memory."""

    def execute(self, connection: Connection, items: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Write the answers."""
        for token, key, answer in items:
            self._answer.run(connection, answer, token, key)
        return [True] * len(items)

    def committed(self) -> None:
        """Nothing is kept in memory."""

    def failed(self, item: tuple[str, str, str], reason: str) -> bool:
        """Return False."""
        return False


class Requests:
    """The keys of a running node's API."""

    def __init__(self, dialect: Dialect, submit: Submit) -> None:
        self._submit = submit
        self._claim = _ClaimLane(dialect)
        self._answer = _AnswerLane(dialect)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes of the operations, in their order within a group."""
        return (self._claim, self._answer)

    def claim(self, claim: Claim, done: Callable[[Claimed | None], None]) -> None:
        """Claim a key; ``done`` follows the commit, with None when there was none."""
        self._submit(self._claim, claim, done)

    def answer(self, token: str, key: str, answer: str, done: Callable[[bool], None]) -> None:
        """Keep the answer to a claimed request."""
        self._submit(self._answer, (token, key, answer), done)


class RequestRetention:
    """In the background: forgets keys that are older than repeats are recognised."""

    def __init__(self, wall: Callable[[], float], memory_s: float) -> None:
        self.memory_s = memory_s
        self._wall = wall
        self._next_at = 0.0
        self._more = False

    def attach(self, connection: Connection) -> None:
        """Nothing is kept that a lost connection could make wrong."""

    def due(self, now: float, urgent: bool) -> bool:
        """True once a pause."""
        return now >= self._next_at

    def step(self, connection: Connection) -> bool:
        """Remove some of the oldest."""
        limit = self._wall() - self.memory_s
        old = (
            select(api_request.c.token, api_request.c.key)
            .where(api_request.c.at < limit)
            .limit(_RETENTION_ROWS)
        )
        rows = connection.execute(old).all()
        for token, key in rows:
            connection.execute(
                delete(api_request).where(api_request.c.token == token, api_request.c.key == key)
            )
        self._more = len(rows) == _RETENTION_ROWS
        return self._more

    def committed(self, now: float) -> None:
        """Pause when nothing old is left."""
        if not self._more:
            self._next_at = now + _RETENTION_PAUSE_S

    def failed(self, now: float, refused: bool) -> None:
        """Try again after the pause."""
        self._next_at = now + _RETENTION_PAUSE_S
