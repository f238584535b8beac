# SPDX-License-Identifier: Apache-2.0
"""Who has had to do with whom, and with how many lately."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imsnode.storage import Contact
from pager.screening import Acquaintance

DAY_S = 86400.0
HOUR_S = 3600.0
_SWEEP_FROM = 4096

Note = Callable[[Contact], None]


class Book:
    """The people one user has had to do with, those met longest ago first."""

    __slots__ = ("people", "written")

    def __init__(self) -> None:
        self.people: dict[str, bool] = {}  # whether the owner has written to them
        self.written: list[float] = []  # when the owner wrote to somebody new, in the last day

    def new_within_day(self, wall: float) -> list[float]:
        """Return when the owner wrote to somebody new in the last day."""
        self.written = [at for at in self.written if at > wall - DAY_S]
        return self.written


class Books:
    """The books of all users of whom it has to be known.

    Args:
        note: keeps a change. most: people in one book; beyond it the oldest is forgotten.
    """

    def __init__(self, note: Note, most: int) -> None:
        self.most = most
        self._note = note
        self._books: dict[str, Book] = {}

    def load(self, contacts: Iterable[Contact], wall: float) -> None:
        """Take up what was kept; each owner's oldest first."""
        for one in contacts:
            book = self._books.setdefault(one.owner, Book())
            book.people[one.other] = one.sent
            if one.sent and one.at > wall - DAY_S:
                book.written.append(one.at)

    def forget(self, owner: str) -> None:
        """Close the book of somebody who is gone."""
        self._books.pop(owner, None)

    def met(self, owner: str, other: str) -> Acquaintance:
        """Say what an owner has had to do with somebody."""
        book = self._books.get(owner)
        sent = None if book is None else book.people.get(other)
        if sent is None:
            return Acquaintance.NONE
        return Acquaintance.SENT if sent else Acquaintance.HEARD

    def wait_for_new(self, owner: str, other: str, limit: int, wall: float) -> float:
        """Return the seconds until an owner may write to somebody; 0.0: now."""
        book = self._books.get(owner)
        if book is None or other in book.people:
            return 0.0
        written = book.new_within_day(wall)
        return 0.0 if len(written) < limit else written[0] + DAY_S - wall

    def sent(self, owner: str, other: str, wall: float) -> None:
        """Note that an owner wrote to somebody."""
        book = self._books.setdefault(owner, Book())
        known = book.people.get(other)
        if known:
            return
        if known is None:
            book.written.append(wall)
        self._put(book, Contact(owner, other, True, wall))

    def heard(self, owner: str, other: str, wall: float) -> None:
        """Note that somebody wrote to an owner."""
        book = self._books.setdefault(owner, Book())
        if other not in book.people:
            self._put(book, Contact(owner, other, False, wall))

    def unheard(self, owner: str, other: str, wall: float) -> None:
        """Take back ``heard``: the message did not get there."""
        book = self._books.get(owner)
        if book is not None and book.people.get(other) is False:
            del book.people[other]
            self._note(Contact(owner, other, False, wall, gone=True))

    def _put(self, book: Book, one: Contact) -> None:
        book.people.pop(one.other, None)  # the newest stand last
        book.people[one.other] = one.sent
        self._note(one)
        if len(book.people) > self.most:
            oldest = next(iter(book.people))
            sent = book.people.pop(oldest)
            self._note(Contact(one.owner, oldest, sent, one.at, gone=True))


class _Hour:
    """The recipients of one sender within an hour."""

    __slots__ = ("ends_at", "names")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.names: set[str] = set()


class FanOut:
    """How many different people somebody writes to in an hour; begins anew with the process."""

    def __init__(self) -> None:
        self._hours: dict[str, _Hour] = {}
        self._sweep_at = _SWEEP_FROM

    def take(self, sender: str, recipient: str, limit: int, now: float) -> float:
        """Count one message: 0.0, or the seconds until it may be sent; it is not counted then."""
        hour = self._hours.get(sender)
        if hour is None or now >= hour.ends_at:
            self._sweep(now)
            hour = self._hours[sender] = _Hour(now + HOUR_S)
        if recipient not in hour.names:
            if len(hour.names) >= limit:
                return hour.ends_at - now
            hour.names.add(recipient)
        return 0.0

    def _sweep(self, now: float) -> None:
        if len(self._hours) >= self._sweep_at:
            self._hours = {k: hour for k, hour in self._hours.items() if now < hour.ends_at}
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._hours))
