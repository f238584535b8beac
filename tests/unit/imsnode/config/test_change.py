from __future__ import annotations

from collections.abc import Callable

from imsnode.config import Change, Config, changes


def test_what_a_reload_would_change(loaded: Callable[[str], Config]) -> None:
    old = loaded("")
    new = loaded(
        """
        domains = ["b.test"]
        [pager]
        defer_after = "2s"
        [limits]
        body_size = "48KiB"
        [[peer]]
        name = "core"
        address = "192.0.2.7"
        """
    )
    assert changes(old, new) == [
        Change("domains", '["ims.test"]', '["b.test"]', False),
        Change("pager.defer_after", '"4s"', '"2s"', True),
        Change("limits.body_size", '"64KiB"', '"48KiB"', False),
        Change("peer", "0 tables", "1 tables", True),
    ]
    assert changes(new, new) == []


def test_passwords_are_masked(loaded: Callable[[str], Config]) -> None:
    old = loaded('[storage]\nurl = "postgresql://joe:geheim@h/x"')
    (change,) = changes(old, loaded(""))
    assert change.old == '"postgresql://joe:***@h/x"'
