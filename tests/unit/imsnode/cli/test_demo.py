from __future__ import annotations

import csv
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.cli import nodecmd
from imsnode.config import Config
from imsnode.storage import Accounts, Database, StoreDamaged
from sip.aio.errors import BindError

from .conftest import Result

Command = Callable[..., Result]
Serve = Callable[..., int]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Serve], None]:
    """Put a function in the place of the node."""

    def install(function: Serve) -> None:
        import imsnode.serve

        monkeypatch.setattr(imsnode.serve, "serve", function)

    return install


def ready(config: Config, *, announce: Callable[[str], None]) -> int:
    announce(f"imsnode ready {' '.join(str(listener) for listener in config.listen)}")
    return 0


def test_the_demo_tells_how_to_begin(
    imsnode: Command, serve: Callable[[Serve], None], tmp_path: Path
) -> None:
    serve(ready)
    first = imsnode("demo")
    assert first.code == 0
    lines = first.out.splitlines()
    assert lines[0] == "imsnode ready udp:127.0.0.1:5060 tcp:127.0.0.1:5060 tls:127.0.0.1:5061"
    with (tmp_path / "demo/users.csv").open() as stream:
        passwords = {row["aor"]: row["password"] for row in csv.DictReader(stream)}
    assert list(passwords) == [f"sip:{name}@ims.test" for name in ("alice", "bob", "carol")]
    for aor, password in passwords.items():
        assert any(aor in line and line.endswith(f" {password}") for line in lines)
    assert any("sip:echo@ims.test" in line for line in lines)
    assert any("message send --config demo/imsnode.toml --from alice" in line for line in lines)
    for name in ("imsnode.toml", "imsnode.db", "users.csv"):
        assert stat.S_IMODE((tmp_path / "demo" / name).stat().st_mode) == 0o600


def test_the_demo_keeps_its_users(
    imsnode: Command, serve: Callable[[Serve], None], tmp_path: Path
) -> None:
    serve(ready)
    first = imsnode("demo", "here")
    assert imsnode("demo", "here").out == first.out
    imsnode("user", "passwd", "bob", "--password", "mine", "--config", "here/imsnode.toml")
    imsnode("user", "remove", "carol", "--config", "here/imsnode.toml")
    third = imsnode("demo", "here").out
    assert "sip:bob@ims.test         password as it was changed to" in third
    accounts = Accounts(Database(f"sqlite:///{tmp_path}/here/imsnode.db"))
    assert accounts.get("sip:carol@ims.test") is not None


def test_a_broken_file_of_users_is_not_overwritten(
    imsnode: Command, serve: Callable[[Serve], None], tmp_path: Path
) -> None:
    serve(ready)
    imsnode("demo")
    (tmp_path / "demo/users.csv").write_text("user\nalice\n")
    broken = imsnode("demo")
    assert broken.code == 1
    assert "delete it to get new users" in broken.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            BindError("udp:127.0.0.1:5060", "listen", "address already in use"),
            2,
            "imsnode: cannot open udp:127.0.0.1:5060 (setting listen): address already in use\n",
        ),
        (
            StoreDamaged("imsnode.db", "is no database"),
            1,
            "imsnode: imsnode.db: is no database; nothing was changed\n",
        ),
    ],
)
def test_what_keeps_a_node_from_starting_is_one_line(
    imsnode: Command, serve: Callable[[Serve], None], error: Exception, code: int, line: str
) -> None:
    def fail(config: Config, *, announce: Callable[[str], None]) -> int:
        raise error

    serve(fail)
    result = imsnode("serve")
    assert (result.code, result.out, result.err) == (code, "", line)


def test_the_exit_code_of_the_node_is_that_of_the_command(
    imsnode: Command, serve: Callable[[Serve], None]
) -> None:
    serve(lambda config, *, announce: 3)
    assert imsnode("serve").code == 3
    assert nodecmd.run_node.__doc__
