"""Policies of users, acquaintances and reports, on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imsnode.identity.accounts import make_account
from imsnode.storage import AccountUnknown, Contact, make_report
from pager.screening import Strangers, UserPolicy
from tests.support.stores import WALL, DurableStore

ALICE = "sip:alice@ims.test"
BOB = "sip:bob@ims.test"
FULL = UserPolicy(
    ALICE,
    frozenset({BOB, "*@*.evil.test"}),
    frozenset({"*"}),
    ("text/plain", "image/*"),
    8192,
    Strangers.ONE,
    WALL + 60,
)


def test_policies_are_kept_and_changed(durable: DurableStore) -> None:
    durable.storage.accounts.add(make_account(ALICE, "secret"))
    policies = durable.storage.policies
    assert policies.get(ALICE) is None
    assert policies.change(ALICE, lambda _: FULL, WALL) == FULL
    durable.reopen()
    policies = durable.storage.policies
    assert list(policies.load_all()) == [FULL]
    changed = policies.change(ALICE, lambda one: replace(one, block=frozenset(), size=0), WALL)
    assert policies.get(ALICE) == changed == replace(FULL, block=frozenset(), size=0)
    policies.change(ALICE, lambda one: UserPolicy(one.aor), WALL)
    assert policies.get(ALICE) is None


def test_a_change_that_fails_changes_nothing(durable: DurableStore) -> None:
    durable.storage.accounts.add(make_account(ALICE, "secret"))
    policies = durable.storage.policies
    policies.change(ALICE, lambda _: FULL, WALL)

    def fail(_: UserPolicy) -> UserPolicy:
        raise ValueError

    with pytest.raises(ValueError):
        policies.change(ALICE, fail, WALL)
    with pytest.raises(AccountUnknown):
        policies.change(BOB, lambda one: one, WALL)
    assert list(policies.load_all()) == [FULL]


def test_contacts_are_written_behind(durable: DurableStore) -> None:
    contacts = durable.storage.contacts
    heard = Contact(ALICE, BOB, False, WALL)
    sent = Contact(ALICE, BOB, True, WALL + 1)
    other = Contact(ALICE, "sip:x@y.test", False, WALL - 1)
    for one in (heard, other, sent):
        contacts.note(one)
    assert durable.flush()
    assert list(contacts.load_all()) == [other, sent]
    contacts.note(replace(other, gone=True))
    assert durable.flush()
    assert list(contacts.load_all()) == [sent]


def test_all_of_it_goes_with_the_account(durable: DurableStore) -> None:
    durable.storage.accounts.add(make_account(ALICE, "secret"))
    durable.storage.policies.change(ALICE, lambda _: FULL, WALL)
    durable.storage.contacts.note(Contact(ALICE, BOB, True, WALL))
    assert durable.flush()
    durable.storage.accounts.remove(ALICE)
    assert list(durable.storage.policies.load_all()) == []
    assert list(durable.storage.contacts.load_all()) == []


def test_reports_are_kept_once_and_for_their_time(durable: DurableStore) -> None:
    reports = durable.storage.reports
    old = make_report(BOB, "607", "", "m1", ALICE, BOB, b"From: x\r\nX: \xff", b"\x00buy", WALL)
    new = make_report(BOB, "operator", "again", "m2", ALICE, BOB, b"", b"", WALL + 86400)
    assert reports.add(old)
    assert not reports.add(replace(old, reason="other"))
    reports.note(new)
    reports.note(replace(new, reason="other"))
    assert durable.flush()
    assert reports.list() == [new, old]
    assert reports.list(BOB) == []
    assert reports.list(ALICE, 1) == [new]
    assert reports.get(old.id) == old
    assert (len(old.body_hash), new.body_hash) == (64, "")
    durable.wall = WALL + 90 * 86400 + 1
    durable.reopen()  # looks at once
    while durable.storage.reports.list() != [new]:  # or the time-out of the test
        assert durable.flush()
