# SPDX-License-Identifier: Apache-2.0
"""`imsnode user`: accounts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cards import set_user
from .erasure import erase_data, export_data
from .errors import CommandError, UsageError
from .identities import identity_app, identity_text
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows
from .session import canonical_aor, database, load_config, tell_users_changed

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.history import Keep
    from imsnode.storage import Accounts

app = typer.Typer(no_args_is_help=True, help="Accounts: who may register and send.")

app.command("set")(set_user)
app.add_typer(identity_app, name="identity")
app.command("export-data")(export_data)
app.command("erase-data")(erase_data)

AorArgument = Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")]
PasswordOption = Annotated[
    str | None, typer.Option("--password", help="The password; others may see it in `ps`.")
]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
AlgorithmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--algorithm",
        metavar="NAME",
        help="Digest algorithm to offer instead of the domain's; may be repeated.",
    ),
]


@contextmanager
def accounts_of(config: Config) -> Iterator[Accounts]:
    """Open the accounts and turn what can go wrong with one into a CommandError."""
    from imsnode.storage import AccountExists, Accounts, AccountUnknown, StorageError

    with database(config) as opened:
        try:
            yield Accounts(opened)
        except AccountExists as error:
            raise CommandError(str(error)) from error
        except AccountUnknown as error:
            raise CommandError(f"there is no user {error.aor}") from error
        except StorageError as error:
            raise CommandError(str(error)) from error


def _password(given: str | None, from_stdin: bool) -> str:
    from .userfile import check_password

    if given is not None and from_stdin:
        raise UsageError("give --password or --password-stdin, not both")
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif given is None:
        if not sys.stdin.isatty():
            raise UsageError("there is no password: use --password-stdin or --password")
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    check_password(given)
    return given


def algorithms_named(names: list[str] | None) -> tuple[str, ...]:
    """Return the algorithms an account may have. Raises: UsageError."""
    from sip.aka import AKA_ALGORITHMS
    from sip.digest import ALGORITHMS

    known = (*reversed(ALGORITHMS), *reversed(AKA_ALGORITHMS))
    for name in names or ():
        if name not in known:
            raise UsageError(f"{name} is not one of {', '.join(known)}")
    return tuple(names or ())


@app.command("add")
def add(
    aor: AorArgument,
    password: PasswordOption = None,
    password_stdin: StdinOption = False,
    display_name: Annotated[str, typer.Option(help="Name shown to others.")] = "",
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it switched off.")] = False,
    algorithm: AlgorithmOption = None,
    rfc2069: Annotated[
        bool, typer.Option("--rfc2069", help="Accept answers without qop, from old clients.")
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="A SIM card will do (`imsnode user set`).")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Add a user."""
    from imsnode.identity.accounts import make_account

    settings = load_config(config)
    name = canonical_aor(settings, aor)
    account = make_account(
        name,
        "" if no_password else _password(password, password_stdin),
        display_name=display_name,
        enabled=not disabled,
        algorithms=algorithms_named(algorithm),
        rfc2069=rfc2069,
    )
    with accounts_of(settings) as accounts:
        accounts.add(account)
    tell_users_changed(settings, [name])
    say(f"added {name}")


@app.command("list")
def list_users(
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Only users of this.")
    ] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List users."""
    columns = ("aor", "display_name", "enabled", "algorithms", "rfc2069")
    with accounts_of(load_config(config)) as accounts:
        rows = (
            (a.aor, a.display_name, a.enabled, " ".join(a.algorithms), a.rfc2069)
            for a in accounts.load_all()
            if domain is None or a.realm == domain.lower()
        )
        show_rows(columns, rows, form)


@app.command("show")
def show(aor: AorArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """Show one user."""
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with accounts_of(settings) as accounts:
        account = accounts.get(name)
    if account is None:
        raise CommandError(f"there is no user {name}")
    hashes = {"MD5": account.ha1_md5, "SHA-256": account.ha1_sha256}
    hashes["SHA-512-256"] = account.ha1_sha512_256
    facts: dict[str, Cell] = {
        "aor": account.aor,
        "digest_user": account.user,
        "realm": account.realm,
        "display_name": account.display_name,
        "enabled": account.enabled,
        "algorithms": " ".join(account.algorithms or settings.algorithms(account.realm)),
        "rfc2069": account.rfc2069,
        "identities": " ".join(identity_text(one) for one in account.identities),
        "aka": account.aka.algorithm if account.aka is not None else "",
        "passwords_for": " ".join(word for word, value in hashes.items() if value),
    }
    if form is Format.TABLE:
        show_rows(("field", "value"), list(facts.items()), form)
    else:
        show_rows(tuple(facts), [tuple(facts.values())], form)


@app.command("passwd")
def passwd(
    aor: AorArgument,
    password: PasswordOption = None,
    password_stdin: StdinOption = False,
    config: ConfigOption = None,
) -> None:
    """Give a user another password."""
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    secret = _password(password, password_stdin)
    with accounts_of(settings) as accounts:
        accounts.passwd(name, secret)
    tell_users_changed(settings, [name])
    say(f"changed the password of {name}")


def _change(
    config: Path | None, aor: str, verb: Callable[[Accounts, str], None], done: str
) -> None:
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with accounts_of(settings) as accounts:
        verb(accounts, name)
    tell_users_changed(settings, [name])
    say(f"{done} {name}")


@app.command("disable")
def disable(aor: AorArgument, config: ConfigOption = None) -> None:
    """Switch a user off: nothing is accepted from it, messages for it are refused."""
    _change(config, aor, lambda accounts, name: accounts.disable(name), "disabled")


@app.command("enable")
def enable(aor: AorArgument, config: ConfigOption = None) -> None:
    """Switch a user on again."""
    _change(config, aor, lambda accounts, name: accounts.enable(name), "enabled")


@app.command("remove")
def remove(aor: AorArgument, config: ConfigOption = None) -> None:
    """Remove a user."""
    _change(config, aor, lambda accounts, name: accounts.remove(name), "removed")


@app.command("history")
def history(
    aor: AorArgument,
    retention: Annotated[
        str | None,
        typer.Option(
            metavar="R", help="How long messages are kept: a time, none, until-displayed, default."
        ),
    ] = None,
    carbons: Annotated[
        str | None,
        typer.Option(metavar="C", help="Copies for the other devices: on, off, default."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Say how the history of a user is kept; without an option, what holds now."""
    from dataclasses import replace

    from imsnode.history import Choice, Keeping, keep_text
    from imsnode.settings import history_settings
    from imsnode.storage import Choices

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with database(settings) as opened:
        choices = Choices(opened)
        choice = choices.load([name]).get(name, Choice())
        if retention is not None:
            choice = replace(choice, keep=_keep(retention))
        if carbons is not None:
            choice = replace(choice, carbons=_switch(carbons))
        if retention is not None or carbons is not None:
            choices.set(name, choice)
            tell_users_changed(settings, [name])
    keeping = Keeping(history_settings(settings), {name: choice})
    kept = keep_text(keeping.of(name))
    say(f"{name}: retention {kept}, carbons {'on' if keeping.carbons(name) else 'off'}")


def _keep(text: str) -> Keep | None:
    from imsnode.config.types import parse_retention
    from imsnode.settings import keep_of

    if text == "default":
        return None
    try:
        return keep_of(parse_retention(text))
    except ValueError as error:
        raise UsageError(f"--retention {text!r} {error}") from error


def _switch(text: str) -> bool | None:
    words = {"on": True, "off": False, "default": None}
    if text not in words:
        raise UsageError(f"--carbons {text!r} is not one of on, off, default")
    return words[text]


@app.command("import")
def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="aor,password,...; UTF-8.")],
    config: ConfigOption = None,
) -> None:
    """Add all users of a CSV file, or none of them when a line is bad."""
    from imsnode.storage import ImportRefused

    from .imsfile import completed
    from .progress import Progress
    from .userfile import BadLine, read_users

    settings = load_config(config)
    with accounts_of(settings) as accounts, Progress() as progress:
        with progress.step("reading", _count_lines(file)) as advance:
            users = read_users(
                file,
                lambda text: canonical_aor(settings, text),
                advance,
                lambda account, row: completed(settings, account, row),
            )
        bad = users.bad
        if bad:
            known = {account.aor for account in accounts.load_all()}
            there = zip(users.accounts, users.lines, strict=True)
            bad += [BadLine(n, f"{a.aor} exists already") for a, n in there if a.aor in known]
            bad.sort(key=lambda line: line.number)
        else:
            try:
                with progress.step("writing", len(users.accounts)) as advance:
                    accounts.import_many(users.accounts, advance)
            except ImportRefused as error:
                bad = [BadLine(users.lines[row], reason) for row, reason in error.problems]
    if bad:
        for line in bad:
            sys.stderr.write(f"{file}: {line}\n")
        raise CommandError(f"nothing was imported: {len(bad)} bad lines in {file}")
    tell_users_changed(settings, None)
    say(f"imported {len(users.accounts)} users")


def _count_lines(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


@app.command("export")
def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write, readable by its owner only."),
    ] = None,
    with_hashes: Annotated[
        bool, typer.Option("--with-hashes", help="Add the digest hashes, for a later import.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write all users as CSV; passwords are not known, so that column stays empty."""
    from .userfile import write_users

    with accounts_of(load_config(config)) as accounts:
        if output is None:
            write_users(accounts.load_all(), sys.stdout, hashes=with_hashes)
            return
        try:
            handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                write_users(accounts.load_all(), stream, hashes=with_hashes)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}") from error
