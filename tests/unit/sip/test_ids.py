from __future__ import annotations

from sip.ids import MAGIC_COOKIE, SeededIds


def test_same_seed_same_names() -> None:
    first, second = SeededIds(7), SeededIds(7)
    assert [first.branch(), first.tag(), first.call_id(), first.token(40)] == [
        second.branch(),
        second.tag(),
        second.call_id(),
        second.token(40),
    ]


def test_names_do_not_repeat() -> None:
    ids = SeededIds(1)
    names = {ids.branch() for _ in range(1000)} | {SeededIds(n).branch() for n in range(2, 1000)}
    assert len(names) == 1998


def test_forms() -> None:
    ids = SeededIds(-3)
    assert ids.branch().startswith(MAGIC_COOKIE)
    assert len(ids.branch()) >= 7 + 16
    assert len(ids.token(100)) == 100
    assert set(ids.token(64)) <= set("0123456789abcdef")
