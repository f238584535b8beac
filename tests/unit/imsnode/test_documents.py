"""Documents of the node: one change after the other, nobody's lost, listeners told in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from imsnode.documents import Documents
from imsnode.identity.accounts import make_account
from imsnode.storage import Database, DocumentWrite, Outcome, Storage, StorageSettings, open_storage
from imsnode.storage import Documents as Shelf
from presence.xcap import (
    UNCONDITIONAL,
    Conditions,
    Limits,
    Refusal,
    Server,
    Stored,
    Target,
    all_usages,
)

ALICE = "sip:alice@ims.test"
KEY = (ALICE, "resource-lists", "index")
ROOT = "http://xcap.ims.test/xcap"


def lists(name: str) -> bytes:
    return (
        '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">'
        f'<list name="{name}"/></resource-lists>'
    ).encode()


class Node:
    """The keeper on a real store, and what its listener heard."""

    def __init__(self, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.storage: Storage = open_storage(
            StorageSettings(self.url), loop.call_soon_threadsafe, lambda: 1.75e9
        )
        self.storage.accounts.add(make_account(ALICE, "secret"))
        self.documents = self.keeper()
        self.heard: list[tuple[str, str, str | None, str | None]] = []

    def keeper(self, **limits: int) -> Documents:
        tags = count(1)
        made = Documents(
            Server(all_usages(), "/xcap", Limits(**limits)),
            self.storage.documents,
            lambda: ROOT,
            1 << 20,
            lambda: f"e{next(tags)}",
            lambda: 1.0,
            lambda: 1.75e9,
            lambda uri: uri == ALICE,
        )
        made.observe(self)
        return made

    def document_changed(
        self, auid: str, xui: str, path: str, old: str | None, new: str | None, now: float
    ) -> None:
        self.heard.append((auid, path, old, new))

    def target(self, path: str = f"resource-lists/users/{ALICE}/index") -> Target:
        return self.documents.server.locate_text(path)

    def beside(self, etag: str, found: str, octets: bytes | None) -> None:
        """Change the document without the node."""
        with Database(self.url) as database:
            write = DocumentWrite(KEY, found, etag, octets, 1.0)
            assert Shelf(database).write_now(write) is Outcome.DONE


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    yield made
    assert await asyncio.get_running_loop().run_in_executor(None, made.storage.close)


async def put(node: Node, name: str, match: str | None = None) -> str:
    kept = await node.documents.put(node.target(), lists(name), Conditions(match))
    return kept.etag


async def test_of_two_changes_of_one_version_one_is_kept(node: Node) -> None:
    first = await put(node, "a")
    both = [put(node, name, f'"{first}"') for name in ("b", "c")]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(results[0], str)
    assert isinstance(results[1], Refusal)
    assert results[1].status == 412
    assert node.documents.get(*KEY[1:2], ALICE, "index") == lists("b")
    assert [change[2:] for change in node.heard] == [(None, "e1"), ("e1", "e2")]


async def test_unconditional_changes_are_all_kept_in_turn(node: Node) -> None:
    await put(node, "a")
    selector = "/~~/resource-lists/list[@name='{0}']"
    targets = [
        node.target(f"resource-lists/users/{ALICE}/index{selector.format(number)}")
        for number in range(20)
    ]
    bodies = [b'<list name="%d"/>' % number for number in range(20)]
    await asyncio.gather(
        *[node.documents.put(t, b, UNCONDITIONAL) for t, b in zip(targets, bodies, strict=True)]
    )
    octets = node.documents.get("resource-lists", ALICE, "index")
    assert octets is not None
    assert all(body in octets for body in bodies)


async def test_a_change_that_changes_nothing_is_none(node: Node) -> None:
    etag = await put(node, "a")
    assert await put(node, "a") == etag
    assert len(node.heard) == 1


async def test_a_client_that_went_away_changes_nothing_for_the_others(node: Node) -> None:
    await put(node, "a")
    gone = asyncio.ensure_future(put(node, "b"))
    await asyncio.sleep(0)
    gone.cancel()
    etag = await put(node, "c")
    assert node.heard[-1] == ("resource-lists", "index", "e2", etag)
    assert [change[3] for change in node.heard] == ["e1", "e2", etag]
    stored = node.storage.documents.read(KEY)
    assert stored == Stored(etag, lists("c"), 1.75e9)


async def test_what_somebody_else_wrote_is_not_overwritten_unseen(node: Node) -> None:
    first = await put(node, "a")
    node.beside("x1", first, lists("beside"))
    with pytest.raises(Refusal) as caught:
        await put(node, "b", f'"{first}"')
    assert caught.value.status == 412
    node.beside("x2", "x1", lists("again"))
    await put(node, "c")
    assert node.documents.get("resource-lists", ALICE, "index") == lists("c")


async def test_what_a_command_removed_is_told(node: Node) -> None:
    first = await put(node, "a")
    node.beside("", first, None)
    assert node.documents.etag("resource-lists", ALICE, "index") == first
    await node.documents.refresh(None)
    assert node.heard[-1] == ("resource-lists", "index", first, None)
    assert node.documents.get("resource-lists", ALICE, "index") is None
    assert node.documents.names("resource-lists", ALICE) == ()


async def test_a_user_has_no_more_documents_than_allowed(node: Node) -> None:
    node.documents = node.keeper(documents=1)
    await put(node, "a")
    other = node.target(f"resource-lists/users/{ALICE}/other")
    with pytest.raises(Refusal) as caught:
        await node.documents.put(other, lists("b"), UNCONDITIONAL)
    assert caught.value.status == 403


async def test_a_store_that_is_gone_is_said_to_be(node: Node) -> None:
    await put(node, "a")
    await asyncio.get_running_loop().run_in_executor(None, node.storage.writer.close, 2.0)
    with pytest.raises(Refusal) as caught:
        await put(node, "b")
    assert caught.value.status == 503
    assert node.documents.get("resource-lists", ALICE, "index") == lists("a")


async def test_a_listener_that_fails_does_not_take_it_from_the_next(node: Node) -> None:
    class Broken:
        def document_changed(self, *_: object) -> None:
            raise ValueError

    node.documents = node.keeper()
    node.documents._listeners.insert(0, Broken())  # type: ignore[arg-type]
    await put(node, "a")
    assert len(node.heard) == 1


async def test_memory_for_documents_is_bounded(node: Node) -> None:
    node.documents.configure(Limits(), 200)
    for number in range(3):
        target = node.target(f"resource-lists/users/{ALICE}/n{number}")
        await node.documents.put(target, lists("x" * 50), UNCONDITIONAL)
    assert len(node.documents._octets) == 1
    for number in range(3):
        assert node.documents.get("resource-lists", ALICE, f"n{number}") == lists("x" * 50)


async def test_what_is_expected_is_read_at_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(node, "a")
    fresh = node.keeper()
    fresh.expect([ALICE, "sip:nobody@ims.test"], [("resource-lists", "index"), ("x", "y")])
    for name in ("read", "home", "homes", "read_all"):
        monkeypatch.delattr(Shelf, name)
    fresh.expect([ALICE], [("resource-lists", "index")])
    assert fresh.get("resource-lists", ALICE, "index") == lists("a")
    assert fresh.get("resource-lists", "sip:nobody@ims.test", "index") is None


async def test_services_are_known_from_the_start_and_made_into_an_index(node: Node) -> None:
    target = node.target(f"rls-services/users/{ALICE}/index")
    body = (
        b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">'
        b'<service uri="sip:team@ims.test"><list/></service></rls-services>'
    )
    index = node.target("rls-services/global/index")
    empty = await node.documents.read(index, UNCONDITIONAL)
    await node.documents.put(target, body, UNCONDITIONAL)
    assert node.keeper().service("sip:team@ims.test") == (ALICE, "index")
    full = await node.documents.read(index, UNCONDITIONAL)
    assert (b"sip:team@ims.test" in full.content.octets, full.etag != empty.etag) == (True, True)
    assert (await node.documents.read(index, UNCONDITIONAL)).etag == full.etag
    await node.documents.delete(target, UNCONDITIONAL)
    assert node.documents.service("sip:team@ims.test") is None
    assert (await node.documents.read(index, UNCONDITIONAL)).etag == empty.etag


async def test_large_documents_are_worked_on_beside_the_loop(node: Node) -> None:
    entries = "".join(f'<entry uri="sip:number-{number}@ims.test"/>' for number in range(900))
    body = lists("large").replace(b"/></res", b">" + entries.encode() + b"</list></res")
    assert len(body) > 32_768
    await node.documents.put(node.target(), body, UNCONDITIONAL)
    one = node.target(f"resource-lists/users/{ALICE}/index/~~/resource-lists/list/entry[900]/@uri")
    given = await node.documents.read(one, UNCONDITIONAL)
    assert given.content.octets == b'"sip:number-899@ims.test"'
