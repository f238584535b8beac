from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.config import Config, ConfigError, Listener, load

Loaded = Callable[[str], Config]
Refused = Callable[[str], list[str]]


def test_nothing_given_works_on_a_laptop() -> None:
    config = load(None)
    assert config.domains == ("ims.test",)
    assert [str(listener) for listener in config.listen] == [
        "udp:127.0.0.1:5060",
        "tcp:127.0.0.1:5060",
        "tls:127.0.0.1:5061",
    ]
    assert str(config.http.listen) == "127.0.0.1:8080"
    assert config.auth.algorithms == ("MD5",)
    assert config.pager.defer_after == 4.0
    assert config.registrar.device_memory == 30 * 86400
    assert config.path is None
    assert config.certificate is None


def test_limits_of_messages_are_those_of_the_threat_model() -> None:
    """Rows of the limits table that concern MESSAGE; tests of each are in test_limits.py."""
    config = load(None)
    limits, pager = config.limits, config.pager
    assert (limits.message_size, limits.head_size) == (80 * 1024, 16 * 1024)
    assert (limits.body_size, limits.message_body_size) == (64 * 1024, 32 * 1024)
    assert limits.udp_size == 1300
    assert (limits.source_rate, limits.source_burst, limits.source_ban) == (20.0, 40, 60.0)
    assert (limits.message_rate, limits.message_burst) == (10.0, 50)
    assert (pager.mailbox_messages, pager.message_lifetime) == (500, 7 * 86400)
    assert (limits.retry_after_min, limits.retry_after_max) == (5, 30)
    assert config.lists.list_max == 50


def test_the_keys_that_outside_tools_set(loaded: Loaded) -> None:
    config = loaded(
        """
        domains = ["ims.test", "other.test"]
        listen = ["udp:127.0.0.1:5060", "tls:[::1]:5061"]
        [http]
        listen = "127.0.0.1:8081"
        [storage]
        url = "sqlite:///data/imsnode.db"
        [[peer]]
        name = "core"
        address = "192.0.2.7"
        trust = "asserted"
        """
    )
    assert config.domains == ("ims.test", "other.test")
    assert config.listen == (Listener("UDP", "127.0.0.1", 5060), Listener("TLS", "::1", 5061))
    assert config.http.listen.port == 8081
    assert config.peer[0].address == ("192.0.2.7",)
    assert config.peer[0].trust == "asserted"
    assert config.peer[0].relay is False


def test_paths_are_relative_to_the_file(loaded: Loaded, tmp_path: Path) -> None:
    config = loaded(
        '[tls]\ncertificate = "a.pem"\nkey = "/keys/b.pem"\n[cdr]\nfile = "x/cdr.jsonl"'
    )
    assert config.directory == tmp_path
    assert config.storage_url == f"sqlite:///{tmp_path}/imsnode.db"
    assert config.storage_file == tmp_path / "imsnode.db"
    assert config.control_socket == tmp_path / "imsnode.sock"
    assert config.certificate == (tmp_path / "a.pem", Path("/keys/b.pem"))
    assert config.cdr_file == tmp_path / "x/cdr.jsonl"
    assert config.tls_directory == tmp_path / "tls"


def test_a_database_server_has_no_file(loaded: Loaded) -> None:
    config = loaded('[storage]\nurl = "postgresql://node@db/imsnode"')
    assert config.storage_url == "postgresql://node@db/imsnode"
    assert config.storage_file is None


def test_no_charging_records(loaded: Loaded) -> None:
    assert loaded('[cdr]\nfile = ""').cdr_file is None


def test_a_domain_may_differ(loaded: Loaded) -> None:
    config = loaded(
        """
        domains = ["a.test", "b.test"]
        [auth]
        algorithms = ["MD5"]
        [[domain]]
        name = "b.test"
        store = "first"
        algorithms = ["SHA-256", "MD5"]
        """
    )
    assert config.domain[0].store == "first"
    assert config.algorithms("a.test") == ("MD5",)
    assert config.algorithms("b.test") == ("SHA-256", "MD5")


def test_a_listener_may_differ(loaded: Loaded) -> None:
    config = loaded('[[listener]]\naddress = "tls:127.0.0.1:5061"\nalgorithms = ["SHA-256"]\n')
    assert config.listener_algorithms() == {Listener("TLS", "127.0.0.1", 5061): ("SHA-256",)}


def test_variables_are_stronger_than_the_file(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMSNODE_PAGER__DEFER_AFTER", "2s")
    monkeypatch.setenv("IMSNODE_DOMAINS", "a.test, b.test")
    monkeypatch.setenv("IMSNODE_LISTEN", '["udp:[::1]:5060"]')
    monkeypatch.setenv("IMSNODE_HTTP__LISTEN", "[::1]:80")
    config = loaded('domains = ["c.test"]\n[pager]\ndefer_after = 3\nretry_min = "7s"\n')
    assert config.pager.defer_after == 2.0
    assert config.pager.retry_min == 7.0
    assert config.domains == ("a.test", "b.test")
    assert str(config.listen[0]) == "udp:[::1]:5060"
    assert config.http.listen.host == "::1"
    assert config.origins["pager.defer_after"] == "IMSNODE_PAGER__DEFER_AFTER"
    assert config.origins["pager.retry_min"] == "file"


def test_variables_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMSNODE_PAGER__DEFER_AFTER", "2s")
    assert load(None, environment=False).pager.defer_after == 4.0


def test_a_bad_variable_is_named(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMSNODE_AUTH__ALGORITHMS", "MD6")
    (problem,) = refused("")
    assert problem.startswith('auth.algorithms[0] = "MD6": is not one of the choices; choose ')
    assert problem.endswith("(set by the variable IMSNODE_AUTH__ALGORITHMS)")


def test_an_unknown_variable_of_a_table_is_an_error(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMSNODE_PAGER__DEFER", "2")
    monkeypatch.setenv("IMSNODE_SERVICE_HOST", "10.0.0.1")  # not ours: others set such names too
    assert refused("") == [
        "pager.defer: is not a setting; did you mean pager.defer_after "
        "(set by the variable IMSNODE_PAGER__DEFER)"
    ]


def test_every_problem_is_reported_at_once(refused: Refused) -> None:
    problems = refused(
        """
        defer_afer = 3
        [pager]
        store = "frist"
        retry_min = "3x"
        [limits]
        headers = 3
        [[peer]]
        name = "a b"
        adress = "192.0.2.7"
        """
    )
    assert problems == [
        "defer_afer: is not a setting; did you mean pager.defer_after",
        "peer[0].adress: is not a setting; did you mean peer[0].address",
        "pager.store = \"frist\": is not one of the choices; choose 'proxy', 'first' or 'off'",
        'pager.retry_min = "3x": is not a duration; give seconds as a number, or text such as '
        '"500ms", "4s", "5m", "2h", "30d"',
        "limits.headers = 3: is out of range; it must be at least 16",
        'peer[0].name = "a b": is not a name; use up to 64 letters, digits, dots, dashes, '
        "underscores",
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[pager]\ndefer_aftr = 1", "did you mean pager.defer_after"),
        ("device_memory = 1", "did you mean registrar.device_memory"),
        ("[htp]\nlisten = 1", "did you mean http"),
        ("[[pear]]\nname = 1", "did you mean peer"),
        ("zzzzqqqq = 1", "`imsnode config show` lists all settings"),
    ],
)
def test_an_unknown_key_names_the_nearest(refused: Refused, text: str, advice: str) -> None:
    (problem,) = refused(text)
    assert problem.endswith(f"is not a setting; {advice}")


def test_wrong_kinds_are_refused(refused: Refused) -> None:
    assert len(refused('domains = "ims.test"')) == 1
    assert len(refused("http = 5")) == 1
    assert len(refused("peer = 5")) == 1
    assert len(refused("listen = []")) == 1
    assert len(refused("[pager]\necho = 'perhaps'")) == 1


def test_hosts_and_paths(refused: Refused) -> None:
    assert refused('[network]\nadvertise = "a b"') == [
        'network.advertise = "a b": is not a host; write a name such as "sip.example.org" '
        "or an address"
    ]
    assert refused('[control]\nsocket = ""') == [
        'control.socket = "": is empty; write the name of a file'
    ]


def test_a_password_is_not_printed(refused: Refused) -> None:
    problems = refused('[storage]\nurl = "mysql://joe:geheim@h/x"')
    assert "geheim" not in " ".join(problems)


def test_what_is_no_toml_or_no_file(tmp_path: Path, refused: Refused) -> None:
    assert "is not TOML" in refused("domains = [")[0]
    with pytest.raises(ConfigError, match="there is no such file; make one with `imsnode init"):
        load(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'domains = ["b\xfccher"]')
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_configuration_cannot_be_changed() -> None:
    config = load(None)
    with pytest.raises(ValueError, match="frozen"):
        config.pager.defer_after = 1.0  # type: ignore[misc]
