# SPDX-License-Identifier: Apache-2.0
"""`imsnode demo`: a node to try things on, with users in it."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError
from .nodecmd import create, run_node
from .output import say
from .session import database, load_config

if TYPE_CHECKING:
    from imsnode.config import Config

__all__ = ["demo"]

DOMAIN = "ims.test"
HTTPS = "127.0.0.1:8443"  # browsers speak WebSocket over TLS with a page that came over TLS
NAMES = ("alice", "bob", "carol")
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


def demo(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder of the demo node; made when missing.")
    ] = Path("demo"),
) -> None:
    """Run a node for the domain ims.test with the users alice, bob and carol.

    The folder keeps everything, also the passwords, so that softphones still fit the next time;
    delete it to begin anew.
    """
    file = directory / "imsnode.toml"
    if not file.exists():
        create(directory, [DOMAIN], {"http.tls_listen": HTTPS})
    settings = load_config(file)
    passwords = _passwords(directory / "users.csv")
    _add_users(settings, passwords)

    def announce(line: str) -> None:
        say(line)
        for text in _guide(settings, file, passwords):
            say(text)

    raise typer.Exit(run_node(settings, announce))


def _passwords(file: Path) -> dict[str, str]:
    """Read the users of the demo, or make them: address of record to password."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return {row["aor"]: row["password"] for row in csv.DictReader(stream)}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(
            f"{file} cannot be used ({error}); delete it to get new users"
        ) from error
    made = {f"sip:{name}@{DOMAIN}": _password() for name in NAMES}
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("aor", "password", "display_name", "enabled"))
        for aor, password in made.items():
            name = aor.removeprefix("sip:").partition("@")[0]
            writer.writerow((aor, password, name.capitalize(), "true"))
    return made


def _password() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(10))


def _add_users(settings: Config, passwords: dict[str, str]) -> None:
    """Put into the database the users that are not there yet; an own password of theirs stays."""
    from imsnode.identity.accounts import make_account
    from imsnode.storage import Accounts

    with database(settings) as opened:
        accounts = Accounts(opened)
        for aor, password in passwords.items():
            name = aor.removeprefix("sip:").partition("@")[0]
            account = make_account(aor, password, display_name=name.capitalize())
            known = accounts.get(aor)
            if known is None:
                accounts.add(account)
            elif known.ha1_md5 != account.ha1_md5:
                passwords[aor] = "as it was changed to"


def _guide(settings: Config, file: Path, passwords: dict[str, str]) -> list[str]:
    """Say how to send the first message, with a softphone and without."""
    domain = settings.domains[0]
    ways = ", ".join(f"{e.transport} {e.host}:{e.port}" for e in settings.listen)
    program = _program()
    return [
        "",
        f"Users of {domain}:",
        *(f"  {aor:24} password {password}" for aor, password in passwords.items()),
        "",
        "With a softphone: make an account with one of these users,",
        f"  domain {domain}, user name the part before the @, the password above,",
        f"  and as outbound proxy (or SIP server) one of: {ways}.",
        f"  Write to sip:echo@{domain}: it answers every message. Register a second softphone",
        "  with another user and write to each other; switch one off and it gets later what waits.",
        f"In a browser (JsSIP and others): {', '.join(_sockets(settings))}.",
        "",
        "Without one, in another terminal:",
        f"  {program} message send --config {file} --from alice --to bob 'Hello Bob'",
        f"  {program} why --config {file} ID        (the id that was printed)",
        f"  {program} trace --config {file}         (live traffic as a ladder)",
        "",
        "Ctrl-C ends it.",
    ]


def _sockets(settings: Config) -> list[str]:
    """Name the ways of SIP over WebSocket."""
    http = settings.http
    secure = [] if http.tls_listen is None else [f"wss://{http.tls_listen}/sip"]
    return [f"ws://{http.listen}/sip", *secure]


def _program() -> str:
    """The command as it can be typed here."""
    if shutil.which("imsnode"):
        return "imsnode"
    path = Path(sys.argv[0])
    try:
        return (
            str(path.resolve().relative_to(Path.cwd()))
            if path.name == "imsnode"
            else (f"{Path(sys.executable).name} -m imsnode")
        )
    except ValueError:
        return str(path)
