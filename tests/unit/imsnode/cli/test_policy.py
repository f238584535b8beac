from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.storage import Database, Reports, UserPolicies, make_report
from pager.screening import Strangers, UserPolicy

from .conftest import FakeNode, Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("configured")

ALICE = "sip:alice@ims.test"
MALLORY = "sip:mallory@evil.test"


@pytest.fixture(autouse=True)
def _alice(configured: Path, imsnode: Command) -> None:
    assert imsnode("user", "add", "alice", "--password", "x").code == 0


def kept(folder: Path) -> UserPolicy | None:
    return UserPolicies(Database(f"sqlite:///{folder}/imsnode.db")).get(ALICE)


def test_lists_are_filled_and_emptied(imsnode: Command, tmp_path: Path) -> None:
    done = imsnode("policy", "block", "alice", MALLORY, "*@*.EVIL.test", "*")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"* *@*.evil.test {MALLORY} blocked for {ALICE}\n"
    assert imsnode("policy", "allow", "alice", "bob").code == 0
    assert imsnode("policy", "unblock", "alice", "*").code == 0
    assert kept(tmp_path) == UserPolicy(
        ALICE, frozenset({MALLORY, "*@*.evil.test"}), frozenset({"sip:bob@ims.test"})
    )
    missing = imsnode("policy", "unblock", "alice", "*")
    assert (missing.code, "not on the list" in missing.err) == (1, True)
    assert imsnode("policy", "disallow", "alice", "bob").code == 0
    assert imsnode("policy", "clear", "alice").code == 0
    assert kept(tmp_path) is None


def test_what_is_set_is_shown_and_listed(imsnode: Command, tmp_path: Path) -> None:
    words = ("--types", "text/plain, IMAGE/*", "--size", "8KiB", "--strangers", "one")
    assert imsnode("policy", "set", "alice", *words).code == 0
    assert kept(tmp_path) == UserPolicy(
        ALICE, types=("text/plain", "image/*"), size=8192, strangers=Strangers.ONE
    )
    (row,) = imsnode("policy", "list", "--format", "json").json()
    assert row == imsnode("policy", "show", "alice", "--format", "json").json()[0]
    assert (row["types"], row["size"], row["strangers"]) == ("text/plain image/*", 8192, "one")
    assert (
        imsnode("policy", "set", "alice", "--types", "", "--size", "0", "--strangers", "").code == 0
    )
    assert kept(tmp_path) is None
    assert "strangers" in imsnode("policy", "show", "alice").out


def test_mute(imsnode: Command, tmp_path: Path) -> None:
    assert imsnode("policy", "mute", "alice", "--until", "2027-12-24T08:00").code == 0
    policy = kept(tmp_path)
    assert policy is not None
    assert policy.muted_until == 1829635200.0
    assert "2027-12-24 08:00:00.000Z" in imsnode("policy", "show", "alice").out
    assert imsnode("policy", "mute", "alice", "--for", "8h").code == 0
    assert imsnode("policy", "unmute", "alice").code == 0
    assert kept(tmp_path) is None


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("block", "nobody", "bob"), 1, "there is no user sip:nobody@ims.test"),
        (("show", "nobody"), 1, "there is no user"),
        (("block", "alice", "*@not a domain"), 2, "is not a domain"),
        (("block", "alice", "sip:a@b?x=y"), 2, "is not an address"),
        (("set", "alice"), 2, "nothing to set"),
        (("set", "alice", "--types", "text"), 2, "is not a media type"),
        (("set", "alice", "--size", "8kb"), 2, "is not a size"),
        (("set", "alice", "--strangers", "some"), 2, "some"),
        (("mute", "alice"), 2, "--for or --until"),
        (("mute", "alice", "--for", "soon"), 2, "is not a duration"),
        (("mute", "alice", "--until", "2001-01-01"), 2, "not a time within"),
    ],
)
def test_what_is_refused(
    imsnode: Command, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    result = imsnode("policy", *words)
    assert (result.code, says in result.err) == (code, True), result.err
    assert kept(tmp_path) is None


def test_a_list_has_an_end(imsnode: Command) -> None:
    full = [f"*@d{number}.test" for number in range(1000)]
    assert imsnode("policy", "block", "alice", *full).code == 0
    result = imsnode("policy", "block", "alice", "*@more.test")
    assert (result.code, "more than 1000" in result.err) == (2, True)


def test_the_running_node_hears_of_it(imsnode: Command, running: FakeNode) -> None:
    running.answers["/policies/changed"] = (200, {"count": 1})
    assert imsnode("policy", "block", "alice", "bob").code == 0
    assert running.asked[-1] == ("/policies/changed", {"aors": [ALICE]})


def test_reports_of_what_is_known(imsnode: Command, tmp_path: Path) -> None:
    unknown = imsnode("report", "add", "m123", "--by", "alice")
    assert (unknown.code, "nothing is known" in unknown.err) == (1, True)
    reports = Reports(Database(f"sqlite:///{tmp_path}/imsnode.db"))
    report = make_report(
        ALICE, "607", "", "m1", MALLORY, ALICE, b"From: x\r\nTo: y", b"\x1b[2Jbuy", 1.0
    )
    reports.add(report)
    (row,) = imsnode("report", "list", "--format", "json").json()
    assert (row["id"], row["sender"], row["how"]) == (report.id, MALLORY, "607")
    assert imsnode("report", "list", "--sender", "bob", "--format", "json").json() == []
    shown = imsnode("report", "show", report.id).out
    assert "From: x" in shown
    assert "\x1b" not in shown
    assert (
        imsnode("report", "show", report.id, "--format", "json").json()[0]["body"].endswith("buy")
    )
    assert imsnode("report", "show", "r0").code == 1
