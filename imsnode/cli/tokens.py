# SPDX-License-Identifier: Apache-2.0
"""`imsnode token`: what programs show to the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows, timestamp
from .session import canonical_aor, database, load_config, tell_node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Tokens

app = typer.Typer(no_args_is_help=True, help="Tokens of the HTTP API: what programs may do.")


@contextmanager
def _tokens(config: Config) -> Iterator[Tokens]:
    from imsnode.storage import StorageError, Tokens

    with database(config) as opened:
        try:
            yield Tokens(opened)
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="messages:send, messages:read, services:read, broadcasts, history:read, "
            "rooms:read, rooms:write or admin; may be repeated.",
        ),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="AOR",
            help="Act only for this user, or with @DOMAIN for all users of a domain; may be "
            "repeated. Without it: for every user.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it is good, such as 90d or 12h.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a token and print it; it is shown this once."""
    from imsnode.identity.tokens import SCOPES, make_token
    from sip.aio.clock import SystemClock

    settings = load_config(config)
    scopes = tuple(dict.fromkeys(scope or ("messages:send", "messages:read")))
    for word in scopes:
        if word not in SCOPES:
            raise UsageError(f"--scope: {word} is not one of {', '.join(SCOPES)}")
    senders = tuple(_sender(settings, text) for text in sender or ())
    wall = SystemClock().wall()
    until = None if expires is None else wall + _duration(expires)
    text, token = make_token(name, scopes, senders, wall, until)
    with _tokens(settings) as tokens:
        tokens.add(token)
    tell_node(settings, lambda client: client.tokens_changed())
    say(text)


@app.command("list")
def list_tokens(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List tokens, never their secrets."""
    columns = ("id", "name", "scopes", "acts_for", "created", "expires")
    with _tokens(load_config(config)) as tokens:
        rows = (
            (
                token.id,
                token.name,
                " ".join(token.scopes),
                " ".join(token.senders),
                timestamp(token.created_at),
                "" if token.expires_at is None else timestamp(token.expires_at),
            )
            for token in tokens.load_all()
        )
        show_rows(columns, rows, form)


@app.command("revoke")
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As shown by `token list`.")],
    config: ConfigOption = None,
) -> None:
    """Make a token worthless at once."""
    settings = load_config(config)
    with _tokens(settings) as tokens:
        if not tokens.remove(identity):
            raise CommandError(f"there is no token {identity}")
    tell_node(settings, lambda client: client.tokens_changed())
    say(f"revoked {identity}")


def _sender(config: Config, text: str) -> str:
    if not text.startswith("@"):
        return canonical_aor(config, text)
    domain = text[1:].lower()
    if domain not in config.domains:
        served = ", ".join(config.domains)
        raise UsageError(f"--as: {text} is not a domain served here (domains: {served})")
    return f"@{domain}"


def _duration(text: str) -> float:
    from imsnode.config.types import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from error
