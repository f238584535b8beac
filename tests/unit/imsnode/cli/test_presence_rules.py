from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("configured")

RULES = "pres-rules/users/sip:alice@ims.test/index"
LISTED = """<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules"
 xmlns:o="urn:oma:xml:xdm:common-policy"><rule id="friends"><conditions><o:external-list><o:entry anc="http://x/l"/>
</o:external-list></conditions><actions><p:sub-handling>allow</p:sub-handling></actions></rule></ruleset>"""


@pytest.fixture(autouse=True)
def _alice(configured: Path, imsnode: Command) -> None:
    assert imsnode("user", "add", "alice", "--password", "x").code == 0


def rows(imsnode: Command, *words: str) -> list[dict[str, str]]:
    shown = imsnode("presence", "rules", "show", "alice", *words, "--format", "json")
    assert (shown.code, shown.err) == (0, "")
    return list(json.loads(shown.out))


def test_watchers_are_let_in_and_kept_out(imsnode: Command) -> None:
    assert rows(imsnode) == []
    done = imsnode("presence", "rules", "allow", "alice", "bob")
    assert (done.code, done.out) == (0, "allow: sip:bob@ims.test for sip:alice@ims.test\n")
    assert rows(imsnode) == [
        {"rule": "operator-allow", "about": "sip:bob@ims.test", "standing": "allow",
         "shows": "services, persons, devices, all of them"}
    ]  # fmt: skip
    for name in ("polite-block", "confirm", "block"):
        assert imsnode("presence", "rules", name, "alice", "bob").code == 0
        assert [row["standing"] for row in rows(imsnode)] == [name]


def test_rule_by_rule(imsnode: Command) -> None:
    imsnode("presence", "rules", "allow", "alice", "bob")
    imsnode("presence", "rules", "block", "alice", "sip:mallory@evil.test")
    assert rows(imsnode, "--watcher", "bob") == [
        {"rule": "operator-allow", "applies": "yes", "standing": "allow"},
        {"rule": "operator-block", "applies": "is for other watchers", "standing": "block"},
    ]
    shown = imsnode("presence", "rules", "show", "alice", "--watcher", "carol")
    assert shown.out.endswith("decided: as the domain has it\n")


def test_what_cannot_be_done_is_named(imsnode: Command, tmp_path: Path) -> None:
    file = tmp_path / "rules.xml"
    file.write_text(LISTED)
    assert imsnode("xcap", "put", RULES, str(file)).code == 0
    refused = imsnode("presence", "rules", "block", "alice", "bob")
    assert (refused.code, "rule friends grants more" in refused.err) == (1, True)
    assert imsnode("presence", "rules", "allow", "nobody", "bob").code == 1
    assert imsnode("presence", "rules", "allow", "alice", "b b").code == 2
