from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.storage import Accounts, Database

from .conftest import FakeNode, Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("configured")


def accounts(folder: Path) -> Accounts:
    return Accounts(Database(f"sqlite:///{folder}/imsnode.db"))


def test_a_user_is_added_listed_and_shown(imsnode: Command, tmp_path: Path) -> None:
    added = imsnode("user", "add", "sip:alice@ims.test", "--password", "x", "--display-name", "Al")
    assert (added.code, added.out, added.err) == (0, "added sip:alice@ims.test\n", "")
    imsnode("user", "add", "bob", "--password-stdin", "--disabled", text="geheim\r\n")
    imsnode("user", "add", "sip:C%61rol@IMS.test", "--password", "x", "--algorithm", "SHA-256")
    assert imsnode("user", "list", "--format", "csv").out == (
        "aor,display_name,enabled,algorithms,rfc2069\n"
        "sip:Carol@ims.test,,true,SHA-256,false\n"
        "sip:alice@ims.test,Al,true,,false\n"
        "sip:bob@ims.test,,false,,false\n"
    )
    assert [row["aor"] for row in imsnode("user", "list", "--format", "json").json()] == [
        "sip:Carol@ims.test",
        "sip:alice@ims.test",
        "sip:bob@ims.test",
    ]
    table = imsnode("user", "list").out
    assert "sip:bob@ims.test" in table
    (shown,) = imsnode("user", "show", "bob", "--format", "json").json()
    assert shown["digest_user"] == "bob"
    assert shown["realm"] == "ims.test"
    assert shown["algorithms"] == "MD5"
    assert shown["passwords_for"] == "MD5 SHA-256 SHA-512-256"
    bob = accounts(tmp_path).get("sip:bob@ims.test")
    assert bob is not None
    assert not bob.enabled
    assert b"geheim" not in (tmp_path / "imsnode.db").read_bytes()


def test_a_missing_database_is_made_for_its_user_alone(imsnode: Command, tmp_path: Path) -> None:
    assert imsnode("user", "list", "--format", "json").json() == []
    assert stat.S_IMODE((tmp_path / "imsnode.db").stat().st_mode) == 0o600


def test_nothing_is_made_in_a_wrong_folder(
    imsnode: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    result = imsnode("user", "list")
    assert result.code == 1
    assert "there is neither imsnode.toml nor imsnode.db in" in result.err
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("sip:x@other.org", "--password", "x"), "other.org is not a domain served here"),
        (("sip:x@ims.test:5060", "--password", "x"), "is not an address of record"),
        (("sip:x@ims.test;a=b", "--password", "x"), "is not an address of record"),
        (("sip:@ims.test", "--password", "x"), "is not an address"),
        (("sip:a b@ims.test", "--password", "x"), "is not an address"),
        (("alice", "--password", "x", "--password-stdin"), "not both"),
        (("alice",), "there is no password"),
        (("alice", "--password", ""), "the password is empty"),
        (("alice", "--password", "a\x00b"), "control characters"),
        (("alice", "--password", "x", "--algorithm", "MD6"), "MD6 is not one of MD5, SHA-256"),
        (("alice", "--pasword", "x"), "No such option"),
    ],
)
def test_bad_usage_is_exit_code_2(imsnode: Command, words: tuple[str, ...], reason: str) -> None:
    result = imsnode("user", "add", *words)
    assert result.code == 2
    assert reason in result.err


def test_refusals_are_exit_code_1(imsnode: Command) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    again = imsnode("user", "add", "alice", "--password", "x")
    assert (again.code, again.err) == (1, "imsnode: sip:alice@ims.test exists already\n")
    for verb in (("show",), ("remove",), ("enable",), ("disable",), ("passwd", "--password", "x")):
        gone = imsnode("user", verb[0], "nobody", *verb[1:])
        assert (gone.code, gone.err) == (1, "imsnode: there is no user sip:nobody@ims.test\n")


def test_a_user_is_changed_and_removed(imsnode: Command, tmp_path: Path) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    before = accounts(tmp_path).get("sip:alice@ims.test")
    assert imsnode("user", "passwd", "alice", "--password", "y").code == 0
    after = accounts(tmp_path).get("sip:alice@ims.test")
    assert before is not None
    assert after is not None
    assert before.ha1_sha256 != after.ha1_sha256
    assert imsnode("user", "disable", "alice").out == "disabled sip:alice@ims.test\n"
    assert imsnode("user", "list", "--format", "json").json()[0]["enabled"] is False
    assert imsnode("user", "enable", "alice").code == 0
    assert imsnode("user", "remove", "alice").code == 0
    assert imsnode("user", "list", "--format", "json").json() == []


def test_the_running_node_is_told(imsnode: Command, running: FakeNode) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    imsnode("user", "remove", "alice")
    assert running.asked == [("/users/changed", {"aors": ["sip:alice@ims.test"]})] * 2


def test_a_node_that_cannot_take_it_over_is_a_failure(imsnode: Command, running: FakeNode) -> None:
    running.answers["/users/changed"] = (503, {"error": "busy"})
    result = imsnode("user", "add", "alice", "--password", "x")
    assert result.code == 1
    assert "done, but the running node could not take it over: busy" in result.err


def test_users_come_from_a_file_and_go_into_one(imsnode: Command, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text(
        "\ufeffaor,password,display_name,enabled\n"
        'sip:alice@ims.test,x,"Alice, A.",true\n'
        "bob,y,,no\n"
        "\n"
        "carol,z,Carol,\n",
        encoding="utf-8",
    )
    assert imsnode("user", "import", "users.csv").out == "imported 3 users\n"
    exported = imsnode("user", "export").out
    assert exported == (
        "aor,password,display_name,enabled\n"
        'sip:alice@ims.test,,"Alice, A.",true\n'
        "sip:bob@ims.test,,,false\n"
        "sip:carol@ims.test,,Carol,true\n"
    )


def test_an_export_with_hashes_can_be_imported(imsnode: Command, tmp_path: Path) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    before = accounts(tmp_path).get("sip:alice@ims.test")
    assert imsnode("user", "export", "--with-hashes", "--output", "all.csv").code == 0
    assert stat.S_IMODE((tmp_path / "all.csv").stat().st_mode) == 0o600
    imsnode("user", "remove", "alice")
    assert imsnode("user", "import", "all.csv").code == 0
    assert accounts(tmp_path).get("sip:alice@ims.test") == before


def test_an_import_is_all_or_nothing_and_names_each_bad_line(
    imsnode: Command, tmp_path: Path
) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    (tmp_path / "users.csv").write_text(
        "aor,password,display_name,enabled\n"
        "alice,p,,\n"
        "bob,,,\n"
        "carol,p,,perhaps\n"
        "sip:dave@other.org,p,,\n"
        "erin,p\n"
        "frank,p,,\n"
        "frank,p,,\n"
        'grace,p,"two\nlines",\n'
        "good,p,,\n"
        "heidi,p\x07,,\n",
        encoding="utf-8",
    )
    result = imsnode("user", "import", "users.csv")
    assert result.code == 1
    assert result.err.splitlines() == [
        "users.csv: line 2: sip:alice@ims.test exists already",
        "users.csv: line 3: there is no password",
        "users.csv: line 4: enabled is 'perhaps', not true or false",
        "users.csv: line 5: other.org is not a domain served here (domains: ims.test)",
        "users.csv: line 6: has 2 columns, not 4",
        "users.csv: line 8: sip:frank@ims.test already stands on line 7",
        "users.csv: line 9: the display name has control characters",
        "users.csv: line 12: the password is longer than 256 characters or has control characters",
        "imsnode: nothing was imported: 8 bad lines in users.csv",
    ]
    assert len(imsnode("user", "list", "--format", "json").json()) == 1


def test_users_that_exist_are_named_by_line(imsnode: Command, tmp_path: Path) -> None:
    imsnode("user", "add", "alice", "--password", "x")
    (tmp_path / "users.csv").write_text("aor,password\nbob,p\n\nalice,p\n", encoding="utf-8")
    result = imsnode("user", "import", "users.csv")
    assert result.err.splitlines()[0] == "users.csv: line 4: sip:alice@ims.test exists already"
    assert len(imsnode("user", "list", "--format", "json").json()) == 1


@pytest.mark.parametrize(
    ("octets", "code", "reason"),
    [
        (b"", 2, "the first line has to be aor,password,display_name,enabled"),
        (b"alice,x\n", 2, "the first line has to be"),
        (b"aor,password,passwort\n", 2, "the first line has to be"),
        (b"aor,aor\n", 2, "the first line has to be"),
        (b"aor,password\nb\xfccher,x\n", 1, "is not UTF-8 text"),
        (b'aor,password\n"alice,x\n', 1, "is not CSV"),
        (b"aor,ha1_md5\nalice,xyz\n", 1, "ha1_md5 is not 32 hexadecimal digits"),
    ],
)
def test_files_that_cannot_be_imported(
    imsnode: Command, tmp_path: Path, octets: bytes, code: int, reason: str
) -> None:
    (tmp_path / "users.csv").write_bytes(octets)
    result = imsnode("user", "import", "users.csv")
    assert result.code == code
    assert reason in result.err


def test_a_file_that_is_not_there(imsnode: Command) -> None:
    result = imsnode("user", "import", "missing.csv")
    assert (result.code, result.err) == (
        1,
        "imsnode: missing.csv cannot be read: No such file or directory\n",
    )
