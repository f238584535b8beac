# SPDX-License-Identifier: Apache-2.0
"""`imsnode history` and `imsnode user history`, while no node runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imsnode.history import Keep
from imsnode.storage import StorageSettings, open_storage

from .conftest import Result

Command = Callable[..., Result]
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))


@pytest.fixture
def archived(configured: Path) -> Path:
    """A store with twelve messages of bob and alice, one of carol, received one after the other."""
    at = datetime.now(UTC).timestamp() - 100
    for number in range(13):
        settings = StorageSettings(url=f"sqlite:///{configured.parent}/imsnode.db")
        opened = open_storage(settings, lambda _done: None, lambda number=number: at + number)
        opened.archive.keep = lambda _aor: Keep(86400.0)
        pair = (ALICE, BOB) if number % 2 else (BOB, ALICE)
        sender, recipient = (CAROL, ALICE) if number == 12 else pair
        body = b"hello \x1b %d" % number
        opened.archive.note(
            (3, f"m{number}", at + number, sender, recipient, 200, b"text/plain", b"c", body, None)
        )
        assert opened.close()
    return configured


def test_the_last_ones_oldest_first(imsnode: Command, archived: Path) -> None:
    rows = imsnode("history", "alice", "--limit", "2", "--format", "json").json()
    assert [(row["direction"], row["peer"], row["text"]) for row in rows] == [
        ("sent", BOB, "hello \x1b 11"),
        ("received", CAROL, "hello \x1b 12"),
    ]
    table = imsnode("history", "alice").out
    assert "hello \\x1b 12" in table
    assert "\x1b" not in table


def test_what_follows_a_token(imsnode: Command, archived: Path) -> None:
    rows = imsnode("history", BOB, "--format", "json").json()
    assert [row["text"][-2:].strip() for row in rows] == [str(n) for n in range(12)]
    behind = imsnode("history", BOB, "--since", rows[9]["token"], "--format", "csv").out
    assert [row["message_id"] for row in csv.DictReader(io.StringIO(behind))] == ["m10", "m11"]
    assert imsnode("history", BOB, "--since", rows[-1]["token"], "--format", "json").json() == []


def test_since_a_time(imsnode: Command, archived: Path) -> None:
    at = imsnode("history", BOB, "--format", "json").json()[10]["at"]
    rows = imsnode("history", BOB, "--since", at, "--format", "json").json()
    assert [row["message_id"] for row in rows] == ["m10", "m11"]
    refused = imsnode("history", BOB, "--since", "yesterday")
    assert refused.code == 2
    assert "neither a time nor a token" in refused.err


def test_one_conversation_and_search(imsnode: Command, archived: Path) -> None:
    assert len(imsnode("history", "alice", "--with", "carol", "--format", "json").json()) == 1
    rows = imsnode("history", "alice", "--search", "HELLO \x1b 7", "--format", "json").json()
    assert [row["message_id"] for row in rows] == ["m7"]
    assert imsnode("history", "alice", "--search", "nowhere").out == "none\n"


def test_a_choice_holds_at_once(imsnode: Command, archived: Path) -> None:
    assert "retention 2592000, carbons off" in imsnode("user", "history", "bob").out
    said = imsnode("user", "history", "bob", "--retention", "none", "--carbons", "on").out
    assert said == f"{BOB}: retention none, carbons on\n"
    assert imsnode("history", "bob", "--format", "json").json() == []
    assert len(imsnode("history", "alice", "--format", "json").json()) == 13
    imsnode("user", "history", "bob", "--retention", "default", "--carbons", "default")
    assert len(imsnode("history", "bob", "--format", "json").json()) == 12
    for words in (("--retention", "1s"), ("--carbons", "yes")):
        refused = imsnode("user", "history", "bob", *words)
        assert refused.code == 2
        assert words[1] in refused.err


def test_the_next_holder_of_an_address_sees_nothing(imsnode: Command, archived: Path) -> None:
    assert imsnode("user", "add", "bob", "--password", "secret").code == 0
    assert imsnode("user", "remove", "bob").code == 0
    assert imsnode("user", "add", "bob", "--password", "other").code == 0
    assert imsnode("history", "bob", "--format", "json").json() == []
    assert imsnode("history", "bob", "--since", "0", "--format", "json").json() == []
