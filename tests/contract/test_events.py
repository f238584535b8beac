# SPDX-License-Identifier: Apache-2.0
"""The journals of subscriptions and publications, on every engine."""

from __future__ import annotations

from dataclasses import replace

from imsnode.storage.publications import read_publications, remove_publications
from imsnode.storage.subscriptions import read_subscriptions, remove_subscription
from presence.event.package import Terms
from presence.event.ports import KeptSubscription
from presence.publication.publication import KeptPublication
from tests.support.stores import DurableStore

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
TERMS = Terms(b"presence;id=1", (b"a/b", b"c/d"), b"text/plain", b"a\nbody\n\n", True)
KEPT = KeptSubscription(
    "presence", ALICE, BOB, TERMS, 1000.5, 2000.25, 7, False, b"call@id", b"lt", b"rt",
    b"<sip:alice@ims.test>", b"<sip:bob@ims.test>", b"sip:bob@192.0.2.2", (b"<sip:p1;lr>", b"<sip:p2;lr>"),
    1003, 4, True, b"<sip:192.0.2.1:5060;gr>", ("UDP", "192.0.2.2", 5070), True,
)  # fmt: skip
PLAIN = KeptSubscription("reg", ALICE, "", Terms(b"reg"), 1.0, 2.0, waiting=True)
PUBLISHED = KeptPublication(
    "presence", ALICE, b"tag", 1.5, 2.5, b"application/pidf+xml", b"<a>\n</a>"
)


def test_subscriptions_come_back_whole(durable: DurableStore) -> None:
    store = durable.storage.subscriptions
    assert durable.call(store.append, 1, KEPT)
    assert durable.call(store.append, 2, PLAIN)
    assert durable.call(store.append, 3, KEPT)
    assert durable.call(store.append, 1, replace(KEPT, version=8))
    assert durable.call(store.append, 3, None)
    durable.reopen()
    found = dict(durable.storage.subscriptions.load())
    assert found == {1: replace(KEPT, version=8), 2: PLAIN}
    assert dict(read_subscriptions(durable.storage.database)) == found


def test_publications_come_back_whole(durable: DurableStore) -> None:
    store = durable.storage.publications
    assert durable.call(store.append, 1, PUBLISHED)
    assert durable.call(store.append, 1, replace(PUBLISHED, etag=b"new"))
    assert durable.call(store.append, 2, PUBLISHED)
    assert durable.call(store.append, 2, None)
    durable.reopen()
    found = dict(durable.storage.publications.load())
    assert found == {1: replace(PUBLISHED, etag=b"new")}
    assert dict(read_publications(durable.storage.database)) == found


def test_they_can_be_removed_while_no_node_runs(durable: DurableStore) -> None:
    assert durable.call(durable.storage.subscriptions.append, 1, KEPT)
    assert durable.call(durable.storage.publications.append, 1, PUBLISHED)
    database = durable.storage.database
    assert remove_subscription(database, 1)
    assert not remove_subscription(database, 1)
    assert remove_publications(database, ALICE) == 1
    assert list(read_subscriptions(database)) == list(read_publications(database)) == []
