# SPDX-License-Identifier: Apache-2.0
"""The same ports in memory: for simulations and tests, which need no durability.

Completions go through ``deliver`` like those of the database, so that callers meet the same order
of events: nothing is called back from inside a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from imsnode.identity.accounts import Account, AkaSubscription, hashes_of
from imsnode.identity.identities import PublicIdentity
from pager.contents import told_of
from pager.recall import RecallState, Withdrawal, Withdrawn
from pager.values import (
    DeliveryMark,
    ExpiredMessage,
    LedgerEntry,
    MarkState,
    PendingMessage,
    StoredMessage,
    StoreKind,
    StoreResult,
    Waiting,
)
from sip.registrar import Binding

from .binding_codec import AorState, decode_state, encode_state, renew, renewal_of
from .errors import AccountExists, AccountUnknown, ImportRefused

__all__ = ["MemoryAccounts", "MemoryLedger", "MemoryLocations", "MemoryMessages", "MemoryStorage"]

Deliver = Callable[[Callable[[], None]], object]


class _Kept:
    """One stored message and what became of it."""

    __slots__ = ("accepted", "fates", "message", "recalled", "seq", "settled", "size")

    def __init__(self, seq: int, message: StoredMessage) -> None:
        self.seq = seq
        self.message = message
        self.accepted = message.accepted
        self.settled = False
        self.recalled = False
        self.size = len(message.body)
        self.fates: dict[str, DeliveryMark] = {}


def _gone(kept: _Kept) -> ExpiredMessage:
    m = kept.message
    told = told_of(m.head, m.body)
    return ExpiredMessage(
        m.id, kept.seq, m.call_id, m.sender, m.recipient, kept.size, kept.accepted, *told
    )


class MemoryMessages:
    """`pager.ports.MessageStore` in memory. ``fail``: a reason makes every operation fail."""

    def __init__(self, deliver: Deliver) -> None:
        self.fail = ""
        self._deliver = deliver
        self._kept: dict[int, _Kept] = {}
        self._by_key: dict[tuple[str, bytes], _Kept] = {}
        self._next = 1

    def store(self, message: StoredMessage, done: Callable[[StoreResult], None]) -> None:
        """Keep a message; see the port."""
        if self.fail:
            result = StoreResult(StoreKind.FAILED, message.id, 0, self.fail)
        else:
            first = self._by_key.get((message.recipient, message.key))
            if first is None:
                kept = _Kept(self._next, message)
                self._next += 1
                self._kept[kept.seq] = self._by_key[message.recipient, message.key] = kept
                result = StoreResult(StoreKind.STORED, message.id, kept.seq)
            else:
                result = StoreResult(StoreKind.DUPLICATE, first.message.id)
        self._deliver(lambda: done(result))

    def mark(
        self, marks: Sequence[DeliveryMark], done: Callable[[bool], None] | None = None
    ) -> None:
        """Record fates; see the port."""
        fine = not self.fail
        for mark in marks if fine else ():
            kept = self._kept.get(mark.seq)
            if kept is None or kept.settled or kept.message.id != mark.message_id:
                continue
            kept.fates[mark.device] = mark
            kept.accepted = kept.accepted or mark.state is MarkState.ACCEPTED
            if mark.settles:
                self._settle(kept)
        if done is not None:
            callback = done
            self._deliver(lambda: callback(fine))

    def pending(
        self,
        recipient: str,
        after_seq: int,
        limit: int,
        done: Callable[[list[PendingMessage] | None], None],
    ) -> None:
        """Read what waits for a recipient; see the port."""
        found = None if self.fail else self._pending(recipient, after_seq, limit)
        self._deliver(lambda: done(found))

    def _pending(self, recipient: str, after_seq: int, limit: int) -> list[PendingMessage]:
        return [
            PendingMessage(
                kept.seq,
                replace(kept.message, accepted=kept.accepted),
                kept.accepted,
                tuple(sorted(kept.fates)),
            )
            for kept in self._kept.values()
            if kept.message.recipient == recipient and kept.seq > after_seq and not kept.settled
        ][:limit]

    def expire(
        self, before_wall: float, limit: int, done: Callable[[list[ExpiredMessage] | None], None]
    ) -> None:
        """Settle what nobody took in time; see the port."""
        found = None if self.fail else self._expire(before_wall, limit)
        self._deliver(lambda: done(found))

    def withdraw(self, wish: Withdrawal, done: Callable[[Withdrawn], None]) -> None:
        """Take a message back; see `pager.recall.RecallStore`."""
        result = Withdrawn(RecallState.FAILED) if self.fail else self._withdraw(wish)
        self._deliver(lambda: done(result))

    def _withdraw(self, wish: Withdrawal) -> Withdrawn:
        for kept in self._kept.values():
            m = kept.message
            named = m.key == wish.key if wish.key else m.id == wish.message_id
            if named and m.recipient == wish.recipient and wish.sender in ("", m.sender):
                break
        else:
            return Withdrawn(RecallState.UNKNOWN)
        gone = _gone(kept)
        if kept.settled:
            if kept.recalled:
                return Withdrawn(RecallState.REMOVED, gone, again=True)
            return Withdrawn(RecallState.TOO_LATE)
        kept.recalled = not kept.accepted
        self._settle(kept)
        return Withdrawn(RecallState.PARTLY if kept.accepted else RecallState.REMOVED, gone)

    def _expire(self, before_wall: float, limit: int) -> list[ExpiredMessage]:
        late = [
            kept
            for kept in self._kept.values()
            if not kept.settled and kept.message.expires_at <= before_wall
        ]
        late.sort(key=lambda kept: (kept.message.expires_at, kept.seq))
        expired = []
        for kept in late[:limit]:
            expired.append(_gone(kept))
            self._settle(kept)
        return expired

    @staticmethod
    def _settle(kept: _Kept) -> None:
        kept.settled = True
        kept.message = replace(kept.message, head=b"", body=b"")

    def waiting_counts(self) -> dict[str, Waiting]:
        """Count what waits."""
        counts: dict[str, list[int]] = {}
        for kept in self._kept.values():
            if not kept.settled:
                counts.setdefault(kept.message.recipient, [0, 0])[kept.accepted] += 1
        return {recipient: Waiting(*both) for recipient, both in counts.items()}

    def recent_keys(self, since_wall: float, limit: int) -> list[tuple[bytes, bytes]]:
        """Give (call_id, key) of the newest messages, oldest first."""
        recent = [
            (kept.message.call_id, kept.message.key)
            for kept in self._kept.values()
            if kept.message.received_at >= since_wall
        ]
        return recent[-limit:] if limit else []


class MemoryLocations:
    """The journal of bindings in memory."""

    def __init__(self, deliver: Deliver) -> None:
        self.fail = ""
        self._deliver = deliver
        self._states: dict[str, bytes] = {}

    def append(
        self, aor: str, state: AorState, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep a state, or remove the AoR when it holds nothing."""
        fine = not self.fail
        if fine:
            data = encode_state(state, now, wall)
            if data:
                self._states[aor] = data
            else:
                self._states.pop(aor, None)
        self._deliver(lambda: done(fine))

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep a refresh of the only binding of an AoR."""
        fine = not self.fail
        if fine:
            self._states[aor] = renew(self._states[aor], renewal_of(binding, now, wall))
        self._deliver(lambda: done(fine))

    def load(self, now: float, wall: float) -> Iterator[tuple[str, AorState]]:
        """Give the state of every AoR."""
        for aor, data in list(self._states.items()):
            yield aor, decode_state(aor, data, now, wall)


class MemoryLedger:
    """`pager.ports.Ledger` in memory: keeps the entries in ``entries``."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []

    def note(self, entry: LedgerEntry) -> None:
        """Take an entry."""
        self.entries.append(entry)

    def find(self, id_or_call_id: str) -> list[LedgerEntry]:
        """Return the entries of a message id or Call-ID, in the order in which they were noted."""
        call_id = id_or_call_id.encode("utf-8", "surrogateescape")
        return [
            entry
            for entry in self.entries
            if entry.message_id == id_or_call_id or entry.call_id == call_id
        ]


class MemoryAccounts:
    """Accounts in memory; the verbs of `imsnode.storage.Accounts`."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def load_all(self) -> Iterator[Account]:
        """Give every account, by address of record."""
        return iter([account for _, account in sorted(self._accounts.items())])

    def count(self) -> int:
        """Return how many accounts there are."""
        return len(self._accounts)

    def get(self, aor: str) -> Account | None:
        """Return the account of a canonical address of record."""
        return self._accounts.get(aor)

    def list(self, after: str = "", limit: int = 100, domain: str | None = None) -> list[Account]:
        """Return at most ``limit`` accounts behind ``after``, by address of record."""
        return [
            account
            for account in self.load_all()
            if account.aor > after and domain in (None, account.realm)
        ][:limit]

    def add(self, new: Account) -> None:
        """Add an account. Raises: AccountExists."""
        if new.aor in self._accounts:
            raise AccountExists(new.aor)
        self._accounts[new.aor] = new

    def passwd(self, aor: str, password: str) -> None:
        """Replace the HA1s of an account. Raises: AccountUnknown."""
        old = self._known(aor)
        self._accounts[aor] = old.changed(**hashes_of(old.user, old.realm, password))

    def set_login(self, aor: str, login: str, password: str) -> None:
        """Give an account another digest user name. Raises: AccountUnknown, AccountExists."""
        old = self._known(aor)
        for one in self._accounts.values():
            if (one.user, one.realm) == (login, old.realm) and one.aor != aor:
                raise AccountExists(login, f"as the private identity of {one.aor}")
        hashes = hashes_of(login, old.realm, password)
        self._accounts[aor] = old.changed(user=login, **hashes)

    def set_card(self, aor: str, card: AkaSubscription | None) -> None:
        """Give an account a SIM card, or take it away. Raises: AccountUnknown."""
        self._accounts[aor] = self._known(aor).changed(aka=card)

    def set_identities(self, aor: str, identities: tuple[PublicIdentity, ...]) -> None:
        """Give an account these public identities. Raises: AccountUnknown, AccountExists."""
        known = self._known(aor)
        taken = set(self._accounts)
        for one in self._accounts.values():
            taken.update(each.uri for each in one.identities if one is not known)
        for each in identities:
            if each.uri in taken:
                raise AccountExists(each.uri)
        self._accounts[aor] = known.changed(identities=identities)

    def enable(self, aor: str) -> None:
        """Switch an account on. Raises: AccountUnknown."""
        self._accounts[aor] = self._known(aor).changed(enabled=True)

    def disable(self, aor: str) -> None:
        """Switch an account off. Raises: AccountUnknown."""
        self._accounts[aor] = self._known(aor).changed(enabled=False)

    def configure(
        self,
        aor: str,
        algorithms: tuple[str, ...] | None = None,
        rfc2069: bool | None = None,
        display_name: str | None = None,
    ) -> None:
        """Change what is given. Raises: AccountUnknown."""
        old = self._known(aor)
        self._accounts[aor] = old.changed(
            algorithms=old.algorithms if algorithms is None else algorithms,
            rfc2069=old.rfc2069 if rfc2069 is None else rfc2069,
            display_name=old.display_name if display_name is None else display_name,
        )

    def remove(self, aor: str) -> None:
        """Remove an account. Raises: AccountUnknown."""
        self._known(aor)
        del self._accounts[aor]

    def import_many(
        self, accounts: Iterable[Account], progress: Callable[[int], None] | None = None
    ) -> int:
        """Add all accounts or none. Raises: ImportRefused."""
        rows = list(accounts)
        problems = []
        seen: set[str] = set()
        for index, row in enumerate(rows):
            if row.aor in seen:
                problems.append((index, f"{row.aor} is given twice"))
            elif row.aor in self._accounts:
                problems.append((index, f"{row.aor} exists already"))
            seen.add(row.aor)
        if problems:
            raise ImportRefused(problems)
        self._accounts.update((row.aor, row) for row in rows)
        if progress is not None:
            progress(len(rows))
        return len(rows)

    def _known(self, aor: str) -> Account:
        account = self._accounts.get(aor)
        if account is None:
            raise AccountUnknown(aor)
        return account


class MemoryStorage:
    """All ports in memory. ``deliver`` runs a completion later, such as ``loop.call_soon``."""

    def __init__(self, deliver: Deliver) -> None:
        self.accounts = MemoryAccounts()
        self.locations = MemoryLocations(deliver)
        self.messages = MemoryMessages(deliver)
        self.ledger = MemoryLedger()
