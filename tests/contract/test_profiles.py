# SPDX-License-Identifier: Apache-2.0
"""Filter criteria, on every engine."""

from __future__ import annotations

from tests.support.stores import DurableStore

ALICE, ALL = "sip:alice@ims.test", "*@ims.test"


def test_profiles_are_kept_replaced_and_removed(durable: DurableStore) -> None:
    profiles = durable.storage.profiles
    profiles.put([ALICE, ALL], "<ServiceProfile>ä</ServiceProfile>".encode())
    profiles.put([ALICE], b"<ServiceProfile/>")
    durable.reopen()
    profiles = durable.storage.profiles
    assert profiles.load_all() == {
        ALL: "<ServiceProfile>ä</ServiceProfile>".encode(),
        ALICE: b"<ServiceProfile/>",
    }
    assert profiles.remove(ALL)
    assert not profiles.remove(ALL)
    assert list(profiles.load_all()) == [ALICE]
