# SPDX-License-Identifier: Apache-2.0
"""The journal of bindings, as every implementation has to keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from imsnode.storage import AorState, StoreDamaged, read_locations, remove_bindings
from imsnode.storage.schema import binding_journal
from sip.registrar import Binding
from tests.support.stores import WALL, DurableStore, MemoryStore, binding

Store = DurableStore | MemoryStore
BOB = "sip:bob@ims.test"
NOW = 1000.0
LATER = 5.0  # the monotonic clock after a reboot


def keep(store: Store, state: AorState, aor: str = BOB) -> None:
    assert store.call(store.storage.locations.append, aor, state, NOW, WALL) is True


def load(store: Store, now: float = NOW, wall: float = WALL) -> dict[str, AorState]:
    return dict(store.storage.locations.load(now, wall))


def fields(one: Binding) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Binding.__slots__}


def test_a_state_comes_back_whole(store: Store) -> None:
    devices = {"<urn:uuid:9>": WALL - 5.0, "tab\t and \xff": WALL}
    keep(store, AorState((binding(1), binding(2, path=(), instance="", q=0)), devices))
    store.reopen()
    state = load(store)[BOB]
    assert [fields(one) for one in state.bindings] == [
        fields(binding(1)),
        fields(binding(2, path=(), instance="", q=0)),
    ]
    assert state.devices == devices


def test_the_newest_state_counts(store: Store) -> None:
    keep(store, AorState((binding(1),), {}))
    keep(store, AorState((binding(2),), {}), "sip:carol@ims.test")
    keep(store, AorState((binding(3), binding(4)), {}))
    store.reopen()
    states = load(store)
    assert [one.cseq for one in states[BOB].bindings] == [3, 4]
    assert set(states) == {BOB, "sip:carol@ims.test"}


def refresh(store: Store, number: int, seconds: float = 60.0) -> None:
    """Refresh the first binding of bob, ``seconds`` after it was made."""
    renewed = binding(1, cseq=number, expires_at=NOW + seconds + 600)
    args = (BOB, renewed, NOW + seconds, WALL + seconds)
    assert store.call(store.storage.locations.renew, *args) is True


@pytest.mark.parametrize("instance", ["", "<urn:uuid:1>"])
def test_a_refresh_changes_lifetime_and_cseq(store: Store, instance: str) -> None:
    assert load(store) == {}
    devices = {instance: WALL} if instance else {}
    first = binding(1, instance=instance)
    keep(store, AorState((first,), devices))
    refresh(store, 7)
    refresh(store, 8, 90.5)
    store.reopen()
    state = load(store)[BOB]
    (left,) = state.bindings
    assert fields(left) == fields(first) | {"cseq": 8, "expires_at": NOW + 690.5}
    assert state.devices == dict.fromkeys(devices, WALL + 90.5)


def test_what_follows_a_refresh_counts(store: Store) -> None:
    assert load(store) == {}
    keep(store, AorState((binding(1),), {}))
    refresh(store, 7)
    keep(store, AorState((binding(2), binding(3)), {}))
    keep(store, AorState((binding(4, aor="sip:carol@ims.test"),), {}), "sip:carol@ims.test")
    keep(store, AorState((), {}), "sip:carol@ims.test")
    store.reopen()
    states = load(store)
    assert [one.cseq for one in states[BOB].bindings] == [2, 3]
    assert set(states) == {BOB}


def test_deadlines_are_kept_over_a_reboot_and_the_expired_left_out(store: Store) -> None:
    keep(store, AorState((binding(1, expires_at=NOW + 60), binding(2, expires_at=NOW + 30)), {}))
    store.reopen()
    (left,) = load(store, LATER, WALL + 30)[BOB].bindings
    assert left.expires_at == pytest.approx(LATER + 30, abs=0.002)


def test_an_empty_state_removes_the_aor(store: Store) -> None:
    keep(store, AorState((binding(1),), {}))
    keep(store, AorState((), {}))
    store.reopen()
    assert load(store) == {}


def test_remembered_devices_alone_are_a_state(store: Store) -> None:
    keep(store, AorState((), {"<urn:uuid:1>": WALL}))
    store.reopen()
    state = load(store)[BOB]
    assert (tuple(state.bindings), state.devices) == ((), {"<urn:uuid:1>": WALL})


def test_a_state_is_read_at_the_call(store: Store) -> None:
    devices = {"<urn:uuid:1>": WALL}
    done: list[bool] = []
    store.storage.locations.append(BOB, AorState((), devices), NOW, WALL, done.append)
    devices.clear()
    store.run_until(lambda: bool(done))
    assert load(store)[BOB].devices == {"<urn:uuid:1>": WALL}


def test_a_journal_can_be_read_beside_the_node(durable: DurableStore) -> None:
    keep(durable, AorState((binding(1),), {}))
    states = dict(read_locations(durable.storage.database, NOW, WALL))
    assert [one.cseq for one in states[BOB].bindings] == [1]


def test_a_refreshed_binding_is_removed_without_a_node(durable: DurableStore) -> None:
    assert load(durable) == {}
    keep(durable, AorState((binding(1),), {}))
    refresh(durable, 7)
    database = durable.storage.database
    assert remove_bindings(database, BOB, "sip:nobody@192.0.2.1", NOW, WALL) == 0
    assert remove_bindings(database, BOB, binding(1).contact.decode(), NOW, WALL) == 1
    durable.reopen()
    assert load(durable)[BOB].bindings == ()


def test_a_refresh_on_its_way_while_the_account_was_removed_is_nothing(
    durable: DurableStore,
) -> None:
    refresh(durable, 7)
    durable.reopen()
    assert load(durable) == {}
    assert remove_bindings(durable.storage.database, BOB, None, NOW, WALL) == 0


def test_a_refresh_of_something_else_is_damage(durable: DurableStore) -> None:
    assert load(durable) == {}
    keep(durable, AorState((binding(1), binding(2)), {}))
    refresh(durable, 7)
    durable.reopen()
    with pytest.raises(StoreDamaged, match="cannot be renewed"):
        load(durable)


def test_refreshes_of_many_come_back_and_name_nobody(
    open_store: Callable[..., DurableStore],
) -> None:
    store = open_store()
    assert load(store) == {}
    locations = store.storage.locations
    made = {f"sip:u{number}@ims.test": binding(1, instance="") for number in range(70)}
    done: list[bool] = []
    for user, one in made.items():
        locations.append(user, AorState((one,), {}), NOW, WALL, done.append)
    store.run_until(lambda: len(done) == 70)
    renewed = {user: binding(1, instance="", cseq=number) for number, user in enumerate(made, 100)}
    for user, one in renewed.items():
        locations.renew(user, one, NOW, WALL, done.append)
    store.run_until(lambda: len(done) == 140)
    assert 70 < rows(store) < 140
    removed = list(made)[7]
    assert remove_bindings(store.storage.database, removed, None, NOW, WALL) == 1
    store.reopen()
    left = {user: [one.cseq for one in state.bindings] for user, state in load(store).items()}
    assert left == {user: [one.cseq] for user, one in renewed.items() if user != removed}


def test_a_refresh_that_is_a_row_of_its_own_counts(durable: DurableStore) -> None:
    """As it was written before many were one row."""
    keep(durable, AorState((binding(1, instance=""),), {}))
    expires_ms = int((WALL + 900) * 1000)
    database = durable.storage.database
    with database.writing() as connection:
        values = {"seq": 90, "aor": BOB, "data": b"r %d 9 %d" % (expires_ms, WALL * 1000)}
        connection.execute(insert(binding_journal).values(values))
    ((_, beside),) = read_locations(database, NOW, WALL)
    assert remove_bindings(database, BOB, "sip:nobody@192.0.2.1", NOW, WALL) == 0
    durable.reopen()
    for state in (beside, load(durable)[BOB]):
        assert [one.cseq for one in state.bindings] == [9]
        assert state.bindings[0].expires_at == pytest.approx(NOW + 900, abs=0.002)


def rows(store: DurableStore) -> int:
    with store.storage.database.reading() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM binding_journal").scalar_one()
    return int(count)


def test_what_does_not_count_any_more_is_removed(
    open_store: Callable[..., DurableStore],
) -> None:
    store = open_store()
    assert load(store) == {}
    done: list[bool] = []
    for number in range(4000):
        aor = f"sip:u{number % 50}@ims.test"
        state = AorState((binding(number, aor=aor),), {})
        store.storage.locations.append(aor, state, NOW, WALL, done.append)
    for number in range(10):
        aor = f"sip:u{number}@ims.test"
        store.storage.locations.append(aor, AorState((), {}), NOW, WALL, done.append)
    store.run_until(lambda: len(done) == 4010)
    while rows(store) > 2050:  # or the time-out of the test
        assert store.flush()
    store.reopen()
    states = load(store)
    assert {one.cseq for state in states.values() for one in state.bindings} == set(
        range(3960, 4000)
    )


def test_bindings_are_removed_without_a_node(durable: DurableStore) -> None:
    keep(durable, AorState((binding(1), binding(2)), {"<old>": WALL - 9}))
    database = durable.storage.database
    contact = binding(1).contact.decode()
    assert remove_bindings(database, BOB, "sip:nobody@192.0.2.1", NOW, WALL) == 0
    assert remove_bindings(database, "sip:carol@ims.test", None, NOW, WALL) == 0
    assert remove_bindings(database, BOB, contact, NOW, WALL) == 1
    durable.reopen()
    state = load(durable)[BOB]
    assert [one.cseq for one in state.bindings] == [2]
    assert state.devices == {"<old>": WALL - 9, binding(1).instance: WALL}
    assert remove_bindings(durable.storage.database, BOB, None, NOW, WALL) == 1
    durable.reopen()
    assert load(durable)[BOB].bindings == ()
