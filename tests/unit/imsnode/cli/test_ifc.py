# SPDX-License-Identifier: Apache-2.0
"""`imsnode ifc`: filter criteria as commands see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Result

Command = Callable[..., Result]

PROFILE = (
    "<ServiceProfile><PublicIdentity><Identity>sip:{user}@ims.test</Identity></PublicIdentity>"
    "<InitialFilterCriteria><Priority>3</Priority><ApplicationServer>"
    "<ServerName>sip:as.ims.test</ServerName><DefaultHandling>1</DefaultHandling>"
    "</ApplicationServer></InitialFilterCriteria></ServiceProfile>"
)


@pytest.fixture
def file(configured: Path, tmp_path: Path) -> Path:
    one, two = PROFILE.format(user="alice"), PROFILE.format(user="bob")
    path = tmp_path / "profiles.xml"
    path.write_text(f"<IMSSubscription>{one}{two}</IMSSubscription>")
    return path


def test_criteria_come_and_go(imsnode: Command, file: Path, tmp_path: Path) -> None:
    single = tmp_path / "one.xml"
    single.write_text(PROFILE.format(user="anybody"))
    assert imsnode("ifc", "set", "*@ims.test", str(single)).code == 0
    assert imsnode("ifc", "import", str(file)).out.splitlines() == [
        "set sip:alice@ims.test", "set sip:bob@ims.test",
    ]  # fmt: skip
    listed = imsnode("ifc", "list", "--format", "json").json()
    assert [row["aor"] for row in listed] == [
        "*@ims.test", "sip:alice@ims.test", "sip:bob@ims.test",
    ]  # fmt: skip
    assert listed[0]["server"] == "sip:as.ims.test"
    assert (listed[0]["priority"], listed[0]["default_handling"]) == (3, "SESSION_TERMINATED")
    assert "sip:bob@ims.test" in imsnode("ifc", "show", "bob").out
    assert imsnode("ifc", "remove", "bob").code == 0
    assert imsnode("ifc", "show", "bob").code == 1


def test_what_cannot_be_is_refused_by_name(imsnode: Command, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_text(PROFILE.format(user="x").replace("<Priority>3", "<Priority>x"))
    for words, code, reason in (
        (("set", "alice", str(bad)), 2, "Priority: 'x' is no number"),
        (("set", "alice", str(file)), 2, "imsnode ifc import"),
        (("set", "alice", "nowhere.xml"), 2, "No such file"),
        (("set", "*@far.test", str(file)), 2, "far.test is not a domain served here"),
        (("remove", "alice"), 1, "no filter criteria"),
    ):
        refused = imsnode("ifc", *words)
        assert (refused.code, reason in refused.err) == (code, True), refused.err
