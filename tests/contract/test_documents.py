# SPDX-License-Identifier: Apache-2.0
"""XCAP documents in the store: one write of two wins, URIs are unique, users take theirs along."""

from __future__ import annotations

from imsnode.identity.accounts import make_account
from imsnode.storage import DocumentWrite, Eraser, Outcome, export_user
from presence.xcap import Stored
from tests.support.stores import WALL, DurableStore

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
LISTS = (ALICE, "resource-lists", "index")
SERVICES = (ALICE, "rls-services", "index")
OCTETS = b"\xef\xbb\xbf<a>\r\n\xc3\xa4 sip:bob@ims.test\0</a>"


def prepared(durable: DurableStore) -> DurableStore:
    for aor in (ALICE, BOB):
        durable.storage.accounts.add(make_account(aor, "secret"))
    return durable


def put(key: tuple[str, str, str], found: str, etag: str, **more: object) -> DocumentWrite:
    octets = None if not etag else OCTETS
    return DocumentWrite(key, found, etag, octets, WALL, **more)  # type: ignore[arg-type]


def write(store: DurableStore, one: DocumentWrite) -> Outcome:
    outcome: Outcome = store.call(store.storage.documents.submit, one)
    return outcome


def test_a_document_is_kept_octet_by_octet(durable: DurableStore) -> None:
    documents = prepared(durable).storage.documents
    assert documents.read(LISTS) is None
    assert write(durable, put(LISTS, "", "e1")) is Outcome.DONE
    durable.reopen()
    documents = durable.storage.documents
    assert documents.read(LISTS) == Stored("e1", OCTETS, WALL)
    assert documents.home(ALICE) == {LISTS[1:]: "e1"}
    assert documents.homes([ALICE, BOB]) == {ALICE: {LISTS[1:]: "e1"}}
    assert list(documents.read_all([LISTS, (BOB, *LISTS[1:])])) == [
        (LISTS, Stored("e1", OCTETS, WALL))
    ]
    assert list(documents.read_all([])) == []
    assert write(durable, put(LISTS, "e1", "e2")) is Outcome.DONE
    assert documents.read(LISTS) == Stored("e2", OCTETS, WALL)
    assert write(durable, put(LISTS, "e2", "")) is Outcome.DONE
    assert (documents.read(LISTS), documents.home(ALICE)) == (None, {})


def test_a_write_that_found_something_else_is_not_done(durable: DurableStore) -> None:
    documents = prepared(durable).storage.documents
    results: list[Outcome] = []
    writes = [
        put(LISTS, "", "e1"),
        put(LISTS, "", "e2"),
        put(LISTS, "e1", "e3"),
        put(LISTS, "e1", ""),
    ]
    for one in writes:
        documents.submit(one, results.append)
    durable.run_until(lambda: len(results) == len(writes))
    assert results == [Outcome.DONE, Outcome.STALE, Outcome.DONE, Outcome.STALE]
    found = documents.read(LISTS)
    assert found is not None
    assert found.etag == "e3"


def test_documents_belong_to_users_and_are_counted(durable: DurableStore) -> None:
    prepared(durable)
    assert write(durable, put(("sip:nobody@ims.test", "a", "b"), "", "e")) is Outcome.GONE
    assert write(durable, put(("", "a", "b"), "", "e")) is Outcome.DONE
    assert write(durable, put(LISTS, "", "e1", most=1)) is Outcome.DONE
    assert write(durable, put(SERVICES, "", "e2", most=1)) is Outcome.FULL
    assert write(durable, put(LISTS, "e1", "e3", most=1)) is Outcome.DONE


def test_a_uri_belongs_to_one_document(durable: DurableStore) -> None:
    documents = prepared(durable).storage.documents
    his = (BOB, "rls-services", "index")
    assert write(durable, put(SERVICES, "", "e1", uris=("sip:a@h", "sip:b@h"))) is Outcome.DONE
    assert write(durable, put(his, "", "e2", uris=("sip:c@h", "sip:b@h"))) is Outcome.TAKEN
    assert documents.read(his) is None
    assert documents.claimant("sip:b@h") == SERVICES
    assert write(durable, put(SERVICES, "e1", "e3", uris=("sip:a@h",))) is Outcome.DONE
    assert write(durable, put(his, "", "e4", uris=("sip:b@h",))) is Outcome.DONE
    assert documents.claims() == {"sip:a@h": SERVICES, "sip:b@h": his}
    assert write(durable, put(his, "e4", "")) is Outcome.DONE
    assert documents.claimant("sip:b@h") is None


def test_what_is_listed(durable: DurableStore) -> None:
    documents = prepared(durable).storage.documents
    for key in (SERVICES, LISTS, (BOB, "resource-lists", "index"), ("", "resource-lists", "index")):
        assert documents.write_now(put(key, "", "e")) is Outcome.DONE
    found = [(owner, entry.auid, entry.size) for owner, entry in documents.entries()]
    size = len(OCTETS)
    assert found == [
        ("", "resource-lists", size),
        (ALICE, "resource-lists", size),
        (ALICE, "rls-services", size),
        (BOB, "resource-lists", size),
    ]
    assert [entry.auid for _, entry in documents.entries(ALICE, "rls-services")] == ["rls-services"]
    assert list(documents.named("resource-lists", "index")) == [(ALICE, OCTETS), (BOB, OCTETS)]


def test_a_user_goes_with_documents_and_nobody_elses(durable: DurableStore) -> None:
    documents = prepared(durable).storage.documents
    his = (BOB, "rls-services", "index")
    documents.write_now(put(SERVICES, "", "e1", uris=("sip:a@h",)))
    documents.write_now(put(his, "", "e2", uris=("sip:b@h",)))
    exported = export_user(durable.storage.database, ALICE, 0.0, WALL)
    assert [row["auid"] for row in exported["document"]] == ["rls-services"]
    # Alice's document names bob, and is hers all the same.
    counts = Eraser(durable.storage.database, BOB, alone=False).erase_tables()
    assert (counts["document"], counts["document_uri"]) == (1, 1)
    assert (documents.read(his), documents.read(SERVICES)) == (None, Stored("e1", OCTETS, WALL))
    durable.storage.accounts.remove(ALICE)
    assert (documents.read(SERVICES), documents.claims()) == (None, {})
