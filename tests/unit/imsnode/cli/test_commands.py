from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode import __version__
from imsnode.config.peers import Peer

from .conftest import FakeNode, Result

Command = Callable[..., Result]


def test_the_version(imsnode: Command) -> None:
    assert imsnode("--version").out == f"imsnode {__version__}\n"


def test_what_is_no_command(imsnode: Command) -> None:
    assert imsnode("frobnicate").code == 2
    assert imsnode("user", "frobnicate").code == 2
    assert imsnode("why").code == 2


def test_init_makes_a_node(imsnode: Command, tmp_path: Path) -> None:
    result = imsnode("init", "node", "--domain", "A.test", "--domain", "b.test")
    assert result.code == 0
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700
    assert 'domains = ["a.test", "b.test"]' in (tmp_path / "node/imsnode.toml").read_text()
    assert imsnode("db", "check", "--config", "node/imsnode.toml").code == 0
    again = imsnode("init", "node")
    assert (again.code, again.err) == (1, "imsnode: node/imsnode.toml exists already\n")


def test_init_refuses_what_is_no_domain(imsnode: Command, tmp_path: Path) -> None:
    assert imsnode("init", "node", "--domain", "a b").code == 2
    assert not (tmp_path / "node").exists()


def test_the_file_can_be_named_by_a_variable(
    imsnode: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imsnode("init", "node")
    monkeypatch.setenv("IMSNODE_CONFIG", "node/imsnode.toml")
    assert imsnode("config", "check").out == f"{tmp_path}/node/imsnode.toml: fine\n"


def test_a_bad_configuration_is_exit_code_2(imsnode: Command, configured: Path) -> None:
    configured.write_text("[pager]\ndefer_aftr = 1\n[http]\nlisten = 5\n")
    for words in (("config", "check"), ("serve",), ("user", "list"), ("status",)):
        result = imsnode(*words)
        assert result.code == 2
        assert result.err.splitlines()[0] == (
            "imsnode: imsnode.toml: pager.defer_aftr: is not a setting; "
            "did you mean pager.defer_after"
        )
        assert "http.listen = 5" in result.err.splitlines()[1]


def test_a_missing_configuration_is_exit_code_2(imsnode: Command) -> None:
    result = imsnode("serve", "--config", "nowhere.toml")
    assert result.code == 2
    assert "there is no such file; make one with `imsnode init DIR`" in result.err


def test_config_check_looks_for_the_certificate(imsnode: Command, configured: Path) -> None:
    configured.write_text('[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n')
    (configured.parent / "a.pem").touch()
    result = imsnode("config", "check")
    assert result.code == 2
    assert 'tls.key = "' in result.err
    assert '/b.pem": is not there' in result.err
    assert imsnode("config", "show").code == 0


def test_config_check_names_variables_without_effect(
    imsnode: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMSNODE_SERVICE_HOST", "10.0.0.1")
    assert imsnode("config", "check").out.splitlines()[0] == (
        "the variable IMSNODE_SERVICE_HOST sets nothing"
    )


def test_config_show_and_explain(
    imsnode: Command, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMSNODE_PAGER__DEFER_AFTER", "2")
    shown = {row["key"]: row for row in imsnode("config", "show", "--format", "json").json()}
    assert shown["http.listen"] == {
        "key": "http.listen",
        "value": '"127.0.0.1:0"',
        "from": "file",
    }
    assert imsnode("config", "explain", "pager.defer_after").out == (
        "pager.defer_after\n"
        "  How long the sender waits for the recipient's final response before the message is "
        "stored and answered 202.\n"
        "  written as   duration, 100ms to 20s, plain numbers are seconds\n"
        '  default      "4s"\n'
        '  now          "2s" (IMSNODE_PAGER__DEFER_AFTER)\n'
        "  variable     IMSNODE_PAGER__DEFER_AFTER\n"
        "  takes effect when reloaded\n"
    )
    assert imsnode("config", "explain", "peer").out.count("takes effect") == len(Peer.model_fields)
    assert imsnode("config", "explain", "peer[0].trust").out.startswith("peer[].trust\n")
    unknown = imsnode("config", "explain", "defer_aftr")
    assert unknown.code == 2
    assert "did you mean pager.defer_after" in unknown.err


def test_db_upgrade_and_check(imsnode: Command, configured: Path) -> None:
    missing = imsnode("db", "check")
    assert missing.code == 1
    assert "make one with `imsnode db upgrade`" in missing.err
    assert imsnode("db", "upgrade").out.startswith("made the database (schema ")
    assert imsnode("db", "upgrade").out.startswith("the database is up to date (schema ")
    checked = imsnode("db", "check", "--full")
    assert (checked.code, checked.out.splitlines()[-1]) == (0, "sound")


def test_a_damaged_database_is_refused(imsnode: Command, configured: Path) -> None:
    (configured.parent / "imsnode.db").write_bytes(b"this is no database" * 100)
    for words in (("db", "check"), ("db", "upgrade"), ("user", "list")):
        result = imsnode(*words)
        assert result.code == 1
        assert "imsnode.db" in result.err
    assert (configured.parent / "imsnode.db").read_bytes().startswith(b"this is no database")


@pytest.mark.usefixtures("configured")
def test_commands_that_need_a_node_say_so(imsnode: Command) -> None:
    for words in (("status",), ("reload",), ("trace",), _SEND):
        result = imsnode(*words)
        assert result.code == 1
        assert "the node does not run (no node answers at " in result.err


_SEND = ("message", "send", "--from", "alice", "--to", "bob", "hello")
_STORED = {"message_id": "m1", "status": 202, "outcome": "stored", "detail": "Accepted"}


def test_status(imsnode: Command, running: FakeNode) -> None:
    running.answers["/status"] = (200, {"ready": True, "bindings": {"now": 3}, "list": ["a", "b"]})
    assert imsnode("status", "--format", "csv").out == (
        "what,value\nready,true\nbindings.now,3\nlist,a b\n"
    )
    assert imsnode("status", "--format", "json").json()["bindings"] == {"now": 3}


def test_reload(imsnode: Command, running: FakeNode) -> None:
    running.answers["/reload"] = (200, {"applied": ["a"], "needs_restart": ["b"]})
    assert imsnode("reload").out == "applied a\nneeds a restart: b\n"
    running.answers["/reload"] = (200, {"applied": [], "needs_restart": []})
    assert imsnode("reload").out == "nothing has changed\n"
    running.answers["/reload"] = (409, {"error": "pager.store: is not one of the choices"})
    refused = imsnode("reload")
    assert (refused.code, refused.err) == (1, "imsnode: pager.store: is not one of the choices\n")


def test_a_message_is_submitted(imsnode: Command, running: FakeNode) -> None:
    running.answers["/messages"] = (200, _STORED)
    sent = imsnode(*_SEND)
    assert (sent.code, sent.out) == (0, "m1 stored 202 (Accepted)\n")
    assert running.asked == [
        (
            "/messages",
            {"from": "sip:alice@ims.test", "to": "sip:bob@ims.test", "text": "hello"},
        )
    ]
    assert imsnode(*_SEND, "--format", "json").json() == [_STORED]
    imsnode(*_SEND[:-1], "-", text="read\nme")
    assert running.asked[-1][1]["text"] == "read\nme"


def test_a_message_that_is_not_accepted(imsnode: Command, running: FakeNode) -> None:
    running.answers["/messages"] = (200, _STORED | {"status": 480, "outcome": "refused"})
    refused = imsnode(*_SEND)
    assert (refused.code, refused.out) == (1, "m1 refused 480 (Accepted)\n")
    running.answers["/messages"] = (400, {"error": "from: sip:alice@ims.test is not a user"})
    unknown = imsnode(*_SEND)
    assert (unknown.code, unknown.err) == (1, "imsnode: from: sip:alice@ims.test is not a user\n")
    assert imsnode(*_SEND[:-1], "").code == 2


def test_bindings_go_through_the_running_node(imsnode: Command, running: FakeNode) -> None:
    running.answers["/bindings/remove"] = (200, {"removed": 2})
    assert imsnode("binding", "remove", "bob").out == "removed 2\n"
    imsnode("binding", "remove", "bob", "sip:bob@192.0.2.1")
    assert running.asked == [
        ("/bindings/remove", {"aor": "sip:bob@ims.test"}),
        ("/bindings/remove", {"aor": "sip:bob@ims.test", "contact": "sip:bob@192.0.2.1"}),
    ]
    running.answers["/bindings/remove"] = (200, {"removed": 0})
    none = imsnode("binding", "remove", "bob")
    assert (none.code, none.err) == (1, "imsnode: sip:bob@ims.test does not have any binding\n")


def test_the_trace_is_drawn(imsnode: Command, running: FakeNode) -> None:
    event = {
        "at": 0.5,
        "dir": "in",
        "transport": "UDP",
        "local": "127.0.0.1:5060",
        "remote": "192.0.2.1:5060",
        "start": "OPTIONS sip:ims.test SIP/2.0",
        "call_id": "c1",
        "size": 300,
        "text": "OPTIONS sip:ims.test SIP/2.0\r\nCall-ID: c1\r\n\r\n",
    }
    running.answers["/trace"] = (200, [{"trace": "started"}, event, event])
    drawn = imsnode("trace", "--contains", "c1").out
    assert running.asked == [("/trace?bodies=0&contains=c1", None)]
    assert drawn.count("OPTIONS sip:ims.test") == 2
    assert "00:00:00.500" in drawn
    assert imsnode("trace", "--count", "1").out.count("OPTIONS") == 1
    assert "Call-ID: c1" in imsnode("trace", "--bodies").out
    assert running.asked[-1] == ("/trace?bodies=1&contains=", None)
    lines = imsnode("trace", "--format", "json").out.splitlines()
    assert len(lines) == 3
    running.answers["/trace"] = (503, {"error": "too many follow already"})
    assert imsnode("trace").err == "imsnode: too many follow already\n"
