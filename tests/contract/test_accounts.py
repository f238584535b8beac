# SPDX-License-Identifier: Apache-2.0
"""The accounts, as every implementation has to keep them."""

from __future__ import annotations

import pytest

from imsnode.identity.accounts import AkaSubscription, make_account
from imsnode.identity.identities import PublicIdentity
from imsnode.storage import AccountExists, AccountUnknown, ImportRefused
from tests.support.stores import DurableStore, MemoryStore

Store = DurableStore | MemoryStore
ALICE = make_account(
    "sip:alice@ims.test", "secret", display_name='Alice "ä" \\', algorithms=("SHA-256", "MD5")
)


def test_an_account_comes_back(store: Store) -> None:
    store.storage.accounts.add(ALICE)
    store.reopen()
    accounts = store.storage.accounts
    assert accounts.get(ALICE.aor) == ALICE
    assert list(accounts.load_all()) == [ALICE]
    assert accounts.get("sip:alice@ims.tes_") is None
    assert accounts.count() == 1


def test_an_account_is_added_once(store: Store) -> None:
    store.storage.accounts.add(ALICE)
    with pytest.raises(AccountExists):
        store.storage.accounts.add(make_account(ALICE.aor, "other"))
    assert store.storage.accounts.get(ALICE.aor) == ALICE


def test_passwords_change_and_are_kept_nowhere(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE)
    accounts.passwd(ALICE.aor, "n3w-secret")
    changed = accounts.get(ALICE.aor)
    assert changed is not None
    made = make_account(ALICE.aor, "n3w-secret")
    assert (changed.ha1_md5, changed.ha1_sha256, changed.ha1_sha512_256) == (
        made.ha1_md5,
        made.ha1_sha256,
        made.ha1_sha512_256,
    )
    assert (changed.display_name, changed.algorithms) == (ALICE.display_name, ALICE.algorithms)
    if isinstance(store, DurableStore) and store.storage.database.path is not None:
        store.storage.close()
        assert b"n3w-secret" not in store.storage.database.path.read_bytes()


def test_accounts_are_switched_and_configured(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE)
    accounts.disable(ALICE.aor)
    accounts.configure(ALICE.aor, algorithms=(), rfc2069=True, display_name="A")
    changed = accounts.get(ALICE.aor)
    assert changed is not None
    assert (changed.enabled, changed.algorithms, changed.rfc2069, changed.display_name) == (
        False, (), True, "A",
    )  # fmt: skip
    accounts.enable(ALICE.aor)
    accounts.configure(ALICE.aor)
    again = accounts.get(ALICE.aor)
    assert again is not None
    assert (again.enabled, again.display_name) == (True, "A")


def test_accounts_are_removed(store: Store) -> None:
    store.storage.accounts.add(ALICE)
    store.storage.accounts.remove(ALICE.aor)
    assert store.storage.accounts.get(ALICE.aor) is None


def test_nobody_is_not_changed(store: Store) -> None:
    accounts = store.storage.accounts
    for change in (accounts.enable, accounts.disable, accounts.remove, accounts.configure):
        with pytest.raises(AccountUnknown):
            change(ALICE.aor)
    with pytest.raises(AccountUnknown):
        accounts.passwd(ALICE.aor, "x")


def test_lists_come_in_pages_by_octets(store: Store) -> None:
    names = ["sip:B@ims.test", "sip:a@ims.test", "sip:b@ims.test", "sip:a@other.test"]
    store.storage.accounts.import_many([make_account(name, "x") for name in names])
    accounts = store.storage.accounts
    everyone = [account.aor for account in accounts.list()]
    assert everyone == sorted(names)
    page = accounts.list(limit=3)
    assert [one.aor for one in accounts.list(after=page[-1].aor)] == everyone[3:]
    assert [one.aor for one in accounts.list(domain="other.test")] == ["sip:a@other.test"]


def test_an_import_is_whole(store: Store) -> None:
    seen: list[int] = []
    made = [make_account(f"sip:u{number}@ims.test", "x") for number in range(300)]
    assert store.storage.accounts.import_many(iter(made), seen.append) == 300
    assert sum(seen) == 300
    assert store.storage.accounts.count() == 300


def test_an_import_with_a_bad_row_keeps_nothing(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE)
    made = [make_account(f"sip:u{number % 3}@ims.test", "x") for number in range(4)]
    with pytest.raises(ImportRefused) as caught:
        accounts.import_many([*made, ALICE])
    assert [index for index, _ in caught.value.problems] == [3, 4]
    assert accounts.count() == 1


CARD = AkaSubscription("milenage", b"\x80\x00", b"\x01sealed")


def test_a_card_is_kept_with_its_account(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE.changed(aka=CARD))
    accounts.set_login(ALICE.aor, "0010@ims.test", "")
    store.reopen()
    accounts = store.storage.accounts
    found = accounts.get(ALICE.aor)
    assert found is not None
    assert (found.user, found.ha1_md5, found.aka) == ("0010@ims.test", "", CARD)
    assert [one.aka for one in accounts.load_all()] == [CARD]
    accounts.set_card(ALICE.aor, None)
    assert accounts.get(ALICE.aor) == found.changed(aka=None)
    with pytest.raises(AccountUnknown):
        accounts.set_card("sip:nobody@ims.test", CARD)


def test_a_private_identity_belongs_to_one_account(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE)
    accounts.add(make_account("sip:bob@ims.test", "x"))
    with pytest.raises(AccountExists):
        accounts.set_login("sip:bob@ims.test", "alice", "x")


def test_sequence_numbers_are_set_aside_and_stay_with_another_card(durable: DurableStore) -> None:
    storage = durable.storage
    storage.accounts.add(ALICE.changed(aka=CARD))
    assert durable.call(storage.cards.keep, ALICE.aor, 32)
    assert not durable.call(storage.cards.keep, "sip:nobody@ims.test", 32)
    storage.accounts.set_card(ALICE.aor, AkaSubscription("tuak", b"\x00\x00", b"\x01other"))
    durable.reopen()
    found = durable.storage.accounts.get(ALICE.aor)
    assert found is not None
    assert found.aka is not None
    assert (found.aka.algorithm, found.aka.reserved) == ("tuak", 32)
    durable.storage.accounts.remove(ALICE.aor)
    durable.storage.accounts.add(ALICE)
    assert durable.storage.accounts.get(ALICE.aor) == ALICE


IDENTITIES = (PublicIdentity("tel:+491701234"), PublicIdentity("sip:0010@ims.test", barred=True))


def test_identities_are_kept_in_their_order_and_belong_to_one(store: Store) -> None:
    accounts = store.storage.accounts
    accounts.add(ALICE)
    accounts.add(make_account("sip:bob@ims.test", "x"))
    accounts.set_identities(ALICE.aor, IDENTITIES)
    store.reopen()
    accounts = store.storage.accounts
    assert accounts.get(ALICE.aor) == ALICE.changed(identities=IDENTITIES)
    assert [one.identities for one in accounts.load_all()] == [IDENTITIES, ()]
    for taken in (IDENTITIES[0], PublicIdentity(ALICE.aor)):
        with pytest.raises(AccountExists):
            accounts.set_identities("sip:bob@ims.test", (taken,))
    accounts.set_identities(ALICE.aor, IDENTITIES[1:])
    accounts.set_identities("sip:bob@ims.test", IDENTITIES[:1])
    with pytest.raises(AccountUnknown):
        accounts.set_identities("sip:nobody@ims.test", ())


def test_an_import_brings_identities_along_or_nothing(durable: DurableStore) -> None:
    accounts = durable.storage.accounts
    first = ALICE.changed(identities=IDENTITIES, user="0010", aka=CARD)
    accounts.import_many([first])
    assert accounts.get(ALICE.aor) == first
    bob = make_account("sip:bob@ims.test", "x")
    for clash in (bob.changed(identities=IDENTITIES), bob.changed(user="0010")):
        with pytest.raises(ImportRefused):
            accounts.import_many([clash])
    with pytest.raises(AccountExists):
        accounts.add(make_account("sip:0010@ims.test", "x"))
    assert accounts.count() == 1
