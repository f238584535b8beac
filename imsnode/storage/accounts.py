# SPDX-License-Identifier: Apache-2.0
"""Accounts in the database: every verb is one transaction, and blocks.

Only HA1s are stored; a password passes through `passwd` and is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Table,
    delete,
    exc,
    func,
    insert,
    select,
    update,
)

from imsnode.history import Choice
from imsnode.identity.accounts import Account, AkaSubscription, hashes_of
from imsnode.identity.identities import PublicIdentity

from .archive_read import start_of
from .cards import load_cards, replace_card
from .choices import replace_choice
from .database import Database, read_only
from .documents import remove_documents
from .entries import make_entries
from .errors import AccountExists, AccountUnknown, ImportRefused
from .identities import load_identities, replace_identities
from .schema import (
    DUE_EXPIRY,
    SETTLED,
    account,
    binding_journal,
    contact,
    due,
    mailbox,
    member,
    message,
    public_identity,
    recipient_group,
    room,
    room_member,
    service,
    user_policy,
)
from .statements import InsertRows

__all__ = ["Accounts", "account_values", "refuse_named"]

_CHUNK = 5000
_LAST_WORDS_S = 2.0  # in which a node may still write to the history of an account that went
_COLUMNS = tuple(column.name for column in account.columns)
# Accounts on their way in. In their order they go to the end of one page after the other.
_STAGED = Table(
    "imported",
    MetaData(),
    *(Column(column.name, column.type) for column in account.columns),
    prefixes=["TEMPORARY"],
)
_TAKEN = select(account.c.aor).join(_STAGED, account.c.aor == _STAGED.c.aor)
# What else has addresses of record.
_NAMED = {
    "as a group": recipient_group.c.aor,
    "as a room": room.c.aor,
    "as a public identity": public_identity.c.uri,
}
_TAKE_OVER = insert(account).from_select(_COLUMNS, select(_STAGED).order_by(_STAGED.c.aor))


class Accounts:
    """The accounts of one store.

    Every method raises StorageUnavailable or StoreDamaged when the store fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> Iterator[Account]:
        """Give every account, by address of record."""
        with self._database.reading() as connection:
            cards, identities = load_cards(connection), load_identities(connection)
            rows = connection.execute(
                select(account).order_by(account.c.aor), execution_options={"yield_per": _CHUNK}
            )
            for row in rows:
                yield _account(row, cards, identities)

    def count(self) -> int:
        """Return how many accounts there are."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(account)).scalar_one()

    def get(self, aor: str) -> Account | None:
        """Return the account of a canonical address of record."""
        with self._database.reading() as connection:
            row = connection.execute(select(account).where(account.c.aor == aor)).first()
            if row is None:
                return None
            return _account(row, load_cards(connection, aor), load_identities(connection, aor))

    def list(self, after: str = "", limit: int = 100, domain: str | None = None) -> list[Account]:
        """Return at most ``limit`` accounts behind ``after``, by address of record."""
        page = select(account).where(account.c.aor > after).order_by(account.c.aor).limit(limit)
        if domain is not None:
            page = page.where(account.c.realm == domain)
        with self._database.reading() as connection:
            cards, identities = load_cards(connection), load_identities(connection)
            return [_account(row, cards, identities) for row in connection.execute(page)]

    def add(self, new: Account) -> None:
        """Add an account.

        Raises: AccountExists.
        """
        try:
            with self._database.writing() as connection:
                refuse_named(connection, new.aor)
                connection.execute(insert(account).values(account_values(new)))
                replace_card(connection, new.aor, new.aka)
                replace_identities(connection, new.aor, new.identities)
        except exc.IntegrityError:
            raise AccountExists(new.aor) from None

    def passwd(self, aor: str, password: str) -> None:
        """Replace the HA1s of an account by those of another password.

        Raises: AccountUnknown.
        """
        known = self.get(aor)
        if known is None:
            raise AccountUnknown(aor)
        self._change(aor, **hashes_of(known.user, known.realm, password))

    def set_login(self, aor: str, login: str, password: str) -> None:
        """Give an account another digest user name (IMPI); the password is "" for a card alone.

        Raises: AccountUnknown, AccountExists for a name that another account has.
        """
        known = self.get(aor)
        if known is None:
            raise AccountUnknown(aor)
        with self._database.writing() as connection:
            _refuse_login(connection, aor, login, known.realm)
            values = hashes_of(login, known.realm, password)
            connection.execute(
                update(account).where(account.c.aor == aor).values(login=login, **values)
            )

    def set_card(self, aor: str, card: AkaSubscription | None) -> None:
        """Give an account a SIM card, or take it away. Raises: AccountUnknown."""
        with self._database.writing() as connection:
            known = select(account.c.aor).where(account.c.aor == aor)
            if connection.execute(known).first() is None:
                raise AccountUnknown(aor)
            replace_card(connection, aor, card)

    def enable(self, aor: str) -> None:
        """Switch an account on. Raises: AccountUnknown."""
        self._change(aor, enabled=True)

    def disable(self, aor: str) -> None:
        """Switch an account off. Raises: AccountUnknown."""
        self._change(aor, enabled=False)

    def configure(
        self,
        aor: str,
        algorithms: tuple[str, ...] | None = None,
        rfc2069: bool | None = None,
        display_name: str | None = None,
    ) -> None:
        """Change what is given.

        Raises: AccountUnknown.
        """
        values: dict[str, object] = {}
        if algorithms is not None:
            values["algorithms"] = ",".join(algorithms)
        if rfc2069 is not None:
            values["rfc2069"] = rfc2069
        if display_name is not None:
            values["display_name"] = display_name
        self._change(aor, **values)

    def remove(self, aor: str) -> None:
        """Remove an account; what waits for it expires, so that nobody inherits it.

        Nor does the next holder of the address inherit the history.

        Raises: AccountUnknown.
        """
        waiting = select(mailbox.c.seq).where(
            mailbox.c.recipient == aor, mailbox.c.state != SETTLED
        )
        with self._database.writing() as connection:
            done = connection.execute(delete(account).where(account.c.aor == aor))
            make_entries(connection)
            numbers = list(connection.execute(waiting).scalars())
            if numbers:
                connection.execute(
                    update(message).where(message.c.seq.in_(waiting)).values(expires_at=0.0)
                )
                connection.execute(
                    insert(due), [{"kind": DUE_EXPIRY, "at": 0.0, "seq": n} for n in numbers]
                )
            replace_card(connection, aor, None)
            replace_identities(connection, aor, ())
            connection.execute(delete(service).where(service.c.aor == aor))
            connection.execute(delete(binding_journal).where(binding_journal.c.aor == aor))
            replace_choice(connection, aor, Choice(floor=start_of(_now() + _LAST_WORDS_S)))
            connection.execute(delete(member).where(member.c.member == aor))
            connection.execute(delete(room_member).where(room_member.c.member == aor))
            connection.execute(delete(user_policy).where(user_policy.c.aor == aor))
            connection.execute(delete(contact).where(contact.c.owner == aor))
            remove_documents(connection, aor)
        if not done.rowcount:
            raise AccountUnknown(aor)

    def set_identities(self, aor: str, identities: tuple[PublicIdentity, ...]) -> None:
        """Give an account these public identities beside its AoR, and no others.

        Raises: AccountUnknown, AccountExists for one that somebody else has.
        """
        with self._database.writing() as connection:
            known = select(account.c.aor).where(account.c.aor == aor)
            if connection.execute(known).first() is None:
                raise AccountUnknown(aor)
            replace_identities(connection, aor, ())
            _refuse_taken(connection, identities)
            replace_identities(connection, aor, identities)

    def import_many(
        self, accounts: Iterable[Account], progress: Callable[[int], None] | None = None
    ) -> int:
        """Add all accounts or none; return how many.

        progress: gets the number of accounts written since it was called last.

        Raises: ImportRefused for addresses that are given twice or exist already.
        """
        rows = list(accounts)
        try:
            with self._database.opened() as connection:
                _stage(connection, rows, progress)
                # All that a node beside us has to wait for.
                with connection.begin():
                    taken = set(connection.execute(_TAKEN).scalars())
                    problems = _repeated(rows) + [
                        (index, f"{row.aor} exists already")
                        for index, row in enumerate(rows)
                        if row.aor in taken
                    ]
                    for kind, column in _NAMED.items():
                        named = select(column).join(_STAGED, column == _STAGED.c.aor)
                        others = set(connection.execute(named).scalars())
                        problems += [
                            (index, f"{row.aor} exists already {kind}")
                            for index, row in enumerate(rows)
                            if row.aor in others
                        ]
                    if problems:
                        raise ImportRefused(sorted(problems))
                    connection.execute(_TAKE_OVER)
                    _take_over_identities(connection, rows)
        except exc.IntegrityError:
            # Somebody else added one of them between our look and our commit.
            raise ImportRefused([(0, "accounts were added by somebody else meanwhile")]) from None
        return len(rows)

    def _change(self, aor: str, **values: object) -> None:
        with self._database.writing() as connection:
            if values:
                change = update(account).where(account.c.aor == aor).values(**values)
                known = connection.execute(change).rowcount > 0
            else:
                look = select(account.c.aor).where(account.c.aor == aor)
                known = connection.execute(look).first() is not None
        if not known:
            raise AccountUnknown(aor)


def _stage(
    connection: Connection, rows: list[Account], progress: Callable[[int], None] | None
) -> None:
    """Put accounts into a table that this connection alone has, without a lock on the store."""
    with read_only(connection), connection.begin():
        _STAGED.create(connection)
        lines = InsertRows(_STAGED, _COLUMNS, connection.dialect)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            lines.run(connection, [_row(one) for one in part])
            if progress is not None:
                progress(len(part))


def _take_over_identities(connection: Connection, rows: list[Account]) -> None:
    """Add cards and identities of accounts that were just added."""
    for index, row in enumerate(rows):
        if row.aka is not None:
            replace_card(connection, row.aor, row.aka)
        try:
            if row.aor != f"sip:{row.user}@{row.realm}":
                _refuse_login(connection, row.aor, row.user, row.realm)
            if row.identities:
                _refuse_taken(connection, row.identities)
                replace_identities(connection, row.aor, row.identities)
        except AccountExists as error:
            raise ImportRefused([(index, str(error))]) from None


def _refuse_login(connection: Connection, aor: str, login: str, realm: str) -> None:
    """Raise AccountExists when another account has the digest user name."""
    same = (account.c.login == login, account.c.realm == realm, account.c.aor != aor)
    holder = connection.execute(select(account.c.aor).where(*same)).scalar()
    if holder is not None:
        raise AccountExists(login, f"as the private identity of {holder}")


def _repeated(rows: list[Account]) -> list[tuple[int, str]]:
    seen: set[str] = set()
    problems = []
    for index, row in enumerate(rows):
        if row.aor in seen:
            problems.append((index, f"{row.aor} is given twice"))
        seen.add(row.aor)
    return problems


def _refuse_taken(connection: Connection, identities: tuple[PublicIdentity, ...]) -> None:
    """Raise AccountExists for an identity that is anybody's address already."""
    for one in identities:
        held = select(account.c.aor).where(account.c.aor == one.uri)
        if connection.execute(held).first() is not None:
            raise AccountExists(one.uri)
        refuse_named(connection, one.uri)


def refuse_named(connection: Connection, aor: str) -> None:
    """Raise AccountExists when a group or a room has the name."""
    for kind, column in _NAMED.items():
        if connection.execute(select(column).where(column == aor)).first() is not None:
            raise AccountExists(aor, kind)


def account_values(one: Account) -> dict[str, object]:
    """Return the columns of an account."""
    return dict(zip(_COLUMNS, _row(one), strict=True))


def _row(one: Account) -> tuple[object, ...]:
    return (
        one.aor,
        one.user,
        one.realm,
        one.ha1_md5,
        one.ha1_sha256,
        one.ha1_sha512_256,
        one.display_name,
        one.enabled,
        ",".join(one.algorithms),
        one.rfc2069,
    )


def _account(
    row: Any,  # a result row has no static type
    cards: Mapping[str, AkaSubscription],
    identities: Mapping[str, tuple[PublicIdentity, ...]],
) -> Account:
    (aor, login, realm, md5, sha256, sha512_256, name, enabled, algorithms, rfc2069) = row
    return Account(
        aor,
        login,
        intern(realm),
        md5,
        sha256,
        sha512_256,
        name,
        enabled,
        tuple(algorithms.split(",")) if algorithms else (),
        rfc2069,
        cards.get(aor),
        identities.get(aor, ()),
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()
