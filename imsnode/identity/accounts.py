# SPDX-License-Identifier: Apache-2.0
"""Accounts: who may register and send, and the secrets that prove it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import intern
from typing import Any

from sip.digest import MD5, SHA_256, SHA_512_256, ha1
from sip.grammar import unescape
from sip.uri import Uri, parse_uri

from .identities import Identities, PublicIdentity
from .numbering import NumberPlan

OnChange = Callable[[str, "Account | None"], None]


class AkaSubscription:
    """The SIM card of a user. Not changed once made.

    algorithm: "milenage" or "tuak". amf: 2 octets. sealed: K and OPc, see `imsnode.identity.vault`.
    reserved: the sequence numbers up to this one may have been used (SEQ of TS 33.102).
    """

    __slots__ = ("algorithm", "amf", "reserved", "sealed")

    def __init__(self, algorithm: str, amf: bytes, sealed: bytes, reserved: int = 0) -> None:
        self.algorithm = algorithm
        self.amf = amf
        self.sealed = sealed
        self.reserved = reserved

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AkaSubscription) and self.sealed == other.sealed

    def __hash__(self) -> int:
        return hash(self.sealed)


class Account:
    """One user. Passwords are not kept, only what digest needs (HA1, lower-case hexadecimal).

    aor: canonical address of record. user, realm: digest user name and realm: the user part of the
    AoR unless there is a private identity (IMPI) apart, and its domain. ha1_*: "" when there is
    none for that algorithm. algorithms: what is offered to this user, strongest first; empty means
    the choice of the domain or listener.
    rfc2069: answers without qop are taken, for clients that know nothing newer. aka: the SIM card,
    if there is one. identities: its further addresses. Not changed once made; ``changed`` makes
    another one.
    """

    __slots__ = ("aka", "algorithms", "aor", "display_name", "enabled", "ha1_md5", "ha1_sha256",
                 "ha1_sha512_256", "identities", "realm", "rfc2069", "user")  # fmt: skip

    def __init__(
        self,
        aor: str,
        user: str,
        realm: str,
        ha1_md5: str = "",
        ha1_sha256: str = "",
        ha1_sha512_256: str = "",
        display_name: str = "",
        enabled: bool = True,
        algorithms: tuple[str, ...] = (),
        rfc2069: bool = False,
        aka: AkaSubscription | None = None,
        identities: tuple[PublicIdentity, ...] = (),
    ) -> None:
        self.aor = aor
        self.user = user
        self.realm = realm
        self.ha1_md5 = ha1_md5
        self.ha1_sha256 = ha1_sha256
        self.ha1_sha512_256 = ha1_sha512_256
        self.display_name = display_name
        self.enabled = enabled
        self.algorithms = algorithms
        self.rfc2069 = rfc2069
        self.aka = aka
        self.identities = identities

    def __repr__(self) -> str:
        return f"<Account {self.aor}{'' if self.enabled else ' disabled'}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self.aor)

    def changed(self, **values: Any) -> Account:
        """The same account with other values in some of its fields."""
        return Account(**(self._fields() | values))

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Account.__slots__}

    def ha1(self, algorithm: str) -> bytes:
        """The secret for an algorithm name of ``sip.digest``, b"" when there is none."""
        if algorithm == MD5:
            return self.ha1_md5.encode()
        if algorithm == SHA_256:
            return self.ha1_sha256.encode()
        if algorithm == SHA_512_256:
            return self.ha1_sha512_256.encode()
        return b""


def make_account(
    aor: str,
    password: str,
    *,
    display_name: str = "",
    enabled: bool = True,
    algorithms: tuple[str, ...] = (),
    rfc2069: bool = False,
) -> Account:
    """Build an account from an address of record as a person writes it and a password.

    Raises: ParseError when ``aor`` is no SIP URI; ValueError when it names no user or carries
            more than scheme, user and domain.
    """
    uri = parse_uri(aor.encode())
    if not uri.is_sip or not uri.user:
        raise ValueError(f"{aor!r} is not of the form sip:user@domain")
    if uri.password is not None or uri.port is not None or uri.params or uri.headers:
        raise ValueError(f"{aor!r} has more than scheme, user and domain")
    user = unescape(uri.user).decode("utf-8", "surrogateescape")
    realm = intern(uri.host)
    hashes = hashes_of(user, realm, password)
    return Account(
        uri.aor,
        user,
        realm,
        hashes["ha1_md5"],
        hashes["ha1_sha256"],
        hashes["ha1_sha512_256"],
        display_name,
        enabled,
        algorithms,
        rfc2069,
    )


def hashes_of(user: str, realm: str, password: str) -> dict[str, str]:
    """Return the HA1s of a password by the names of their fields; empty for no password."""
    if not password:
        return dict.fromkeys(("ha1_md5", "ha1_sha256", "ha1_sha512_256"), "")
    return {
        "ha1_md5": ha1(user, realm, password, MD5).decode(),
        "ha1_sha256": ha1(user, realm, password, SHA_256).decode(),
        "ha1_sha512_256": ha1(user, realm, password, SHA_512_256).decode(),
    }


class Directory:
    """All accounts in memory, by address of record and by digest user name.

    Functions in ``on_change`` are called after a change with the AoR and the account, None when it
    is gone. choosing: how many accounts have algorithms of their own. cards: how many have a SIM
    card. identities: whose further addresses are.
    """

    __slots__ = ("_accounts", "_unusual", "cards", "choosing", "identities", "on_change")

    def __init__(self, accounts: Iterable[Account] = ()) -> None:
        self.on_change: list[OnChange] = []
        self._accounts: dict[str, Account] = {}
        # Only accounts whose AoR is not simply made of user and realm need a second index.
        self._unusual: dict[tuple[str, str], Account] = {}
        self.choosing = 0
        self.cards = 0
        self.identities = Identities(self._accounts.__contains__)
        for account in accounts:
            self._insert(account)

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def get(self, aor: str) -> Account | None:
        """The account of a canonical address of record, enabled or not."""
        return self._accounts.get(aor)

    def login(self, realm: str, user: bytes) -> Account | None:
        """The account a digest user name stands for, enabled or not."""
        name = user.decode("utf-8", "surrogateescape")
        account = self._accounts.get(f"sip:{name}@{realm}")
        if account is not None and account.user == name and account.realm == realm:
            return account
        return self._unusual.get((realm, name)) if self._unusual else None

    def put(self, account: Account) -> None:
        """Add an account or replace the one of the same AoR."""
        self._remove(account.aor)
        self._insert(account)
        self._changed(account.aor, account)

    def remove(self, aor: str) -> None:
        """Forget an account; no effect when there is none."""
        if self._remove(aor):
            self._changed(aor, None)

    def replace_all(self, accounts: Iterable[Account]) -> int:
        """Make ``accounts`` the whole directory; the number of accounts that changed."""
        fresh = {account.aor: account for account in accounts}
        gone = [aor for aor in self._accounts if aor not in fresh]
        changed = [a for a in fresh.values() if self._accounts.get(a.aor) != a]
        for aor in gone:
            self.remove(aor)
        for account in changed:
            self.put(account)
        return len(gone) + len(changed)

    def _insert(self, account: Account) -> None:
        self._accounts[account.aor] = account
        if account.aor != f"sip:{account.user}@{account.realm}":
            self._unusual[account.realm, account.user] = account
        if account.algorithms:
            self.choosing += 1
        if account.aka is not None:
            self.cards += 1
        if account.identities:
            self.identities.add(account.aor, account.identities)

    def _remove(self, aor: str) -> bool:
        account = self._accounts.pop(aor, None)
        if account is None:
            return False
        self._unusual.pop((account.realm, account.user), None)
        if account.algorithms:
            self.choosing -= 1
        if account.aka is not None:
            self.cards -= 1
        if account.identities:
            self.identities.remove(aor, account.identities)
        return True

    def _changed(self, aor: str, account: Account | None) -> None:
        for notify in self.on_change:
            notify(aor, account)


class LocalNames:
    """The domains served here. A listen address counts as the first of them.

    ``addresses`` are listener hosts, IPv6 without brackets. A set is looked at on every call, so
    the caller may go on adding listeners.
    """

    __slots__ = (
        "_addresses",
        "_barred",
        "_domains",
        "_identities",
        "_plans",
        "_public",
        "domains",
        "first",
    )

    def __init__(self, domains: Sequence[str], addresses: Iterable[str] = ()) -> None:
        self.domains: tuple[str, ...] = tuple(domain.lower() for domain in domains)
        self.first: str = self.domains[0]
        self._domains = frozenset(self.domains)
        self._addresses = addresses if isinstance(addresses, set) else set(addresses)
        self.identify(Identities(lambda _: False))

    def identify(self, identities: Identities) -> None:
        """Look users up by all their public identities from now on."""
        self._identities = identities
        self._public: dict[str, str] = identities.public  # looked at on every call
        self._barred: dict[str, str] = identities.barred
        self._plans: dict[str, NumberPlan] = identities.plans

    def is_local(self, host: str) -> bool:
        """Say whether a host of a URI (lower-case, IPv6 without brackets) is served here."""
        return host in self._domains or host in self._addresses

    def domain_of(self, host: str) -> str:
        """The domain a host stands for, "" when it is not served here."""
        if host in self._domains:
            return host
        return self.first if host in self._addresses else ""

    def aor_of(self, uri: Uri) -> str:
        """Canonical address of record of ``uri`` as this node sees it: its user's own one."""
        if uri.host in self._domains or not uri.is_sip or uri.host not in self._addresses:
            aor = uri.aor
        else:
            user, at, _ = uri.aor.rpartition("@")
            aor = f"{user}@{self.first}" if at else f"sip:{self.first}"
        if self._public:
            return self._identities.account_of(uri, aor)
        return aor

    def registrant(self, uri: Uri) -> str:
        """The same for who registers: identities that serve for nothing else count too."""
        aor = self.aor_of(uri)
        return self._barred.get(aor, aor) if self._barred else aor

    def routable(self, uri: Uri) -> Uri:
        """The URI under which a number is looked for; any other URI as it is."""
        if not (self._public or self._plans):
            return uri
        if uri.is_sip and not self.is_local(uri.host):
            return uri
        return self._identities.routable(uri)
