# SPDX-License-Identifier: Apache-2.0
"""Lists out of documents: what is read once, and how much of it."""

from __future__ import annotations

import pytest

from imsnode.presence.lists import ListShelf
from presence.xcap import GLOBAL, Limits, Server, all_usages

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
LISTS = (
    b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a">'
    b'<entry uri="sip:bob@ims.test"/></list></resource-lists>'
)


class Source:
    """Documents of everybody, all alike; reads are counted."""

    def __init__(self) -> None:
        self.server = Server(all_usages(), "/xcap", Limits())
        self.read: list[tuple[str, str]] = []

    def get(self, auid: str, xui: str, path: str) -> bytes | None:
        self.read.append((xui, path))
        return LISTS

    def service(self, uri: str) -> tuple[str, str] | None:
        return None


def reference(name: str, owner: str = ALICE) -> str:
    tree = f"users/{owner}" if owner else "global"
    return f"resource-lists/{tree}/{name}/~~/resource-lists/list%5b@name=%22a%22%5d"


def test_a_document_is_read_once_until_it_changes() -> None:
    source = Source()
    shelf = ListShelf(source)
    for _ in range(3):
        assert shelf.element(reference("index"), ALICE) is not None
    assert source.read == [(ALICE, "index")]
    shelf.forget(BOB)
    assert shelf.element(reference("index", GLOBAL), ALICE) is not None
    assert shelf.element(reference("index", BOB), ALICE) is None
    shelf.forget(GLOBAL)
    assert shelf.element(reference("index"), ALICE) is not None
    assert source.read == [(ALICE, "index"), (GLOBAL, "index"), (ALICE, "index")]


def test_lists_of_one_user_lead_to_so_many_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imsnode.presence.lists._OCTETS", 2 * len(LISTS))
    shelf = ListShelf(Source())
    found = [shelf.element(reference(name), ALICE) is not None for name in ("a", "b", "c")]
    assert found == [True, True, False]
    shelf.forget(ALICE)
    assert shelf.element(reference("c"), ALICE) is not None
