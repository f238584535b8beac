# SPDX-License-Identifier: Apache-2.0
"""Who keeps history for how long."""

from __future__ import annotations

import pytest

from imsnode.history import (
    NOTHING,
    Choice,
    HistorySettings,
    Keep,
    Keeping,
    keep_text,
    parse_keep,
)
from imsnode.history_observer import HistoryObserver
from pager.values import StoredMessage

DAY = 86400.0
ALICE, BOB = "sip:alice@a.test", "sip:bob@b.test"


def keeping(**choices: Choice) -> Keeping:
    settings = HistorySettings(
        ("a.test", "b.test"),
        Keep(3 * DAY),
        {"b.test": NOTHING},
        carbons=False,
        domain_carbons={"b.test": True},
    )
    return Keeping(settings, {f"sip:{name}@a.test": choice for name, choice in choices.items()})


@pytest.mark.parametrize("text", ["none", "until-displayed", "86400"])
def test_a_retention_is_read_as_it_is_written(text: str) -> None:
    assert keep_text(parse_keep(text)) == text


def test_a_user_comes_before_the_domain_and_that_before_the_node() -> None:
    table = keeping(carol=Choice(keep=Keep(DAY, True), carbons=True), dave=Choice(floor=7))
    assert table.of(ALICE) == table.of("sip:dave@a.test") == Keep(3 * DAY)
    assert table.of(BOB) == NOTHING
    assert table.of("sip:carol@a.test") == Keep(DAY, True)
    assert (table.carbons(ALICE), table.carbons(BOB)) == (False, True)
    assert table.carbons("sip:carol@a.test")
    assert (table.floor(ALICE), table.floor("sip:dave@a.test")) == (0, 7)


def test_foreign_addresses_have_no_history() -> None:
    assert keeping().of("sip:alice@elsewhere.test") == NOTHING


def test_choices_are_taken_over_for_those_named() -> None:
    table = keeping(carol=Choice(keep=NOTHING), dave=Choice(keep=NOTHING))
    assert table.of("sip:carol@a.test") == NOTHING
    table.choose({}, ["sip:carol@a.test"])
    assert table.of("sip:carol@a.test") == Keep(3 * DAY)
    assert table.of("sip:dave@a.test") == NOTHING
    table.choose({ALICE: Choice(keep=NOTHING)})
    assert table.of(ALICE) == NOTHING
    assert table.of("sip:dave@a.test") == Keep(3 * DAY)


def test_a_copy_for_a_list_is_the_recipients_alone() -> None:
    noted = []
    head = b"From: <sip:alice@a.test>;tag=1\r\nc: text/plain; x=1\r\nDate: x"
    copy = StoredMessage("m1", b"", ALICE, BOB, b"1@h", 1, 5.0, 9.0, head, b"hi all")
    HistoryObserver(noted.append, lambda *_: None).copied((copy,), "m0", 1.0)
    assert noted == [(2, "m1", 5.0, ALICE, BOB, 202, b"text/plain; x=1", b"1@h", b"hi all", None)]


def test_a_copy_from_somebody_concealed_names_nobody() -> None:
    noted = []
    head = b'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1\r\nPrivacy: id'
    copy = StoredMessage("m1", b"", ALICE, BOB, b"1@h", 1, 5.0, 9.0, head, b"hi all")
    HistoryObserver(noted.append, lambda *_: None).copied((copy,), "m0", 1.0)
    assert noted[0][3] == "sip:anonymous@anonymous.invalid"
    assert noted[0][7] == b"m1"  # and no Call-ID of a device of theirs
