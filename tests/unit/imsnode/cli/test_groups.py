"""`imsnode group`: groups as commands see them, and organisations in CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FakeNode, Result

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def users(imsnode: Command, configured: Path) -> None:
    for name in ("alice", "bob", "carol"):
        imsnode("user", "add", name, "--password", "x")


def test_what_makes_no_sense_is_refused_by_name(imsnode: Command) -> None:
    imsnode("group", "add", "sales", "--member", "bob")
    imsnode("group", "add", "all", "--member", "sales")
    for words, code, reason in (
        (("group", "add", "bob"), 1, "sip:bob@ims.test is a user"),
        (("group", "add", "list"), 1, "service of the node"),
        (("group", "add", "x", "--member", "typo"), 1, "neither a user nor a group"),
        (("group", "add", "x", "--senders", "friends"), 2, "owner, members, domain, anyone"),
        (
            ("group", "member", "add", "sales", "all"),
            1,
            "sales@ims.test > sip:all@ims.test > sip:sales@",
        ),
        (("group", "member", "remove", "sales", "carol"), 1, "none of them"),
        (("group", "show", "nope"), 1, "no group sip:nope@ims.test"),
        (("user", "add", "sales", "--password", "x"), 1, "exists already as a group"),
    ):
        refused = imsnode(*words)
        assert (refused.code, reason in refused.err) == (code, True), refused.err
    listed = imsnode("group", "list", "--format", "json").json()
    assert [(row["aor"], row["members"], row["people"]) for row in listed] == [
        ("sip:all@ims.test", 1, 1),
        ("sip:sales@ims.test", 1, 1),
    ]


def test_an_organisation_is_imported_whole_or_not_at_all(imsnode: Command, tmp_path: Path) -> None:
    departments, size = 20, 100
    people = [f"p{number:05d}" for number in range(departments * size)]
    users = tmp_path / "people.csv"
    users.write_text("aor,password\n" + "".join(f"{name},x\n" for name in people))
    imsnode("user", "import", str(users))
    lines = ["group,member,display_name,owner,senders"]
    lines += [f"company,dept{number},,," for number in range(departments)]
    lines += [f"dept{n // size},{name},,," for n, name in enumerate(people)]
    lines += ["company,,The company,alice,owner"]
    file = tmp_path / "groups.csv"
    file.write_text(
        "\n".join([*lines, "dept3,typo,,,", "dept4,p00000,,,friends", "dept0,p00000,,,"])
    )
    refused = imsnode("group", "import", str(file))
    first = len(lines) + 1
    assert refused.code == 1
    assert f"line {first + 1}: senders is 'friends'" in refused.err
    assert f"line {first + 2}: this already stands on line {departments + 2}" in refused.err
    assert "nothing was imported: 2 bad lines" in refused.err
    file.write_text("\n".join([*lines, "dept3,typo,,,"]))
    assert "typo@ims.test is neither" in imsnode("group", "import", str(file)).err
    file.write_text("\n".join(lines))
    done = imsnode("group", "import", str(file))
    assert f"{departments + 1} new groups and {len(lines) - 2} new memberships" in done.out
    shown = imsnode("group", "list", "--format", "json").json()
    company = next(row for row in shown if row["aor"] == "sip:company@ims.test")
    assert (company["people"], company["owner"]) == (len(people), "sip:alice@ims.test")
    exported = imsnode("group", "export").out
    assert len(list(csv.reader(io.StringIO(exported)))) == 1 + departments + 1 + len(lines) - 2
    file.write_text(exported)
    assert "0 new groups and 0 new" in imsnode("group", "import", str(file)).out


def test_a_group_is_shown_with_its_members(imsnode: Command) -> None:
    imsnode("group", "add", "north", "--member", "carol", "--member", "sip:x@other.test")
    imsnode(
        "group", "add", "sales", "--owner", "alice", "--senders", "domain",
        "--display-name", "Sales", "--member", "north", "--member", "bob",
    )  # fmt: skip
    assert imsnode("group", "show", "sales", "--format", "csv").out == (
        "member,kind\nsip:bob@ims.test,user\nsip:north@ims.test,group\n"
    )
    people = imsnode("group", "show", "sales", "--people", "--format", "json").json()
    assert [row["member"] for row in people] == [
        "sip:bob@ims.test",
        "sip:carol@ims.test",
        "sip:x@other.test",
    ]
    table = imsnode("group", "show", "sales").out
    assert all(word in table for word in ("Sales", "domain", "sip:alice@ims.test"))
    assert imsnode("group", "change", "sales", "--owner", "", "--senders", "anyone").code == 0
    (row,) = [r for r in imsnode("group", "list", "--format", "json").json() if r["owner"] == ""][
        1:
    ]
    assert (row["aor"], row["senders"]) == ("sip:sales@ims.test", "anyone")


def test_a_running_node_is_told(imsnode: Command, running: FakeNode) -> None:
    running.answers["/groups/changed"] = (200, {"count": 1})
    imsnode("group", "add", "sales")
    imsnode("group", "member", "add", "sales", "bob")
    imsnode("group", "remove", "sales")
    assert [path for path, _ in running.asked].count("/groups/changed") == 3


def test_a_file_that_is_no_group_file(imsnode: Command, tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text("aor,password\n")
    refused = imsnode("group", "import", str(file))
    assert (refused.code, "group,member" in refused.err) == (2, True)
    file.write_bytes(b"group,member\n\xff,x\n")
    assert "not UTF-8" in imsnode("group", "import", str(file)).err
    assert imsnode("group", "import", str(tmp_path / "none.csv")).code == 1
