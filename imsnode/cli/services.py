# SPDX-License-Identifier: Apache-2.0
"""`imsnode service`: accounts whose messages a program takes instead of a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows, timestamp
from .session import canonical_aor, database, load_config, tell_node, tell_users_changed
from .users import AorArgument

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import ServiceAccounts

app = typer.Typer(
    no_args_is_help=True, help="Service accounts: a program takes their messages, not a device."
)


@contextmanager
def _services(config: Config) -> Iterator[ServiceAccounts]:
    from imsnode.storage import AccountExists, AccountUnknown, ServiceAccounts, StorageError

    with database(config) as opened:
        try:
            yield ServiceAccounts(opened)
        except AccountExists as error:
            raise CommandError(f"{error.aor} exists already") from error
        except AccountUnknown as error:
            raise CommandError(f"there is no service account {error.aor}") from error
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("add")
def add(
    aor: AorArgument,
    webhook: Annotated[
        str, typer.Option(metavar="URL", help="Post messages there; else they are fetched.")
    ] = "",
    events: Annotated[
        bool, typer.Option("--events", help="Post what becomes of messages it sends, too.")
    ] = False,
    display_name: Annotated[str, typer.Option(help="Name shown to others.")] = "",
    config: ConfigOption = None,
) -> None:
    """Add a service account; prints the secret that signs what is posted."""
    from imsnode.storage import ServiceAccount
    from imsnode.webhook import new_secret
    from sip.aio.clock import SystemClock

    settings = load_config(config)
    name = canonical_aor(settings, aor)
    _check_store(settings, name.rpartition("@")[2])
    _check_url(settings, webhook)
    _check_events(events, webhook)
    new = ServiceAccount(name, webhook, new_secret(), SystemClock().wall(), events)
    with _services(settings) as services:
        services.add(new, display_name)
    _tell(settings, name)
    say(f"added {name}")
    say(f"secret {new.secret}")


@app.command("list")
def list_services(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List service accounts."""
    with _services(load_config(config)) as services:
        rows = (
            (one.aor, one.webhook, one.events, timestamp(one.created_at))
            for one in services.load_all()
        )
        show_rows(("aor", "webhook", "events", "created"), rows, form)


@app.command("webhook")
def webhook(
    aor: AorArgument,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Post messages there; - to have them fetched.")
    ],
    events: Annotated[
        bool, typer.Option("--events", help="Post what becomes of messages it sends, too.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Change where the messages of a service account go."""
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    target = "" if url == "-" else url
    _check_url(settings, target)
    _check_events(events, target)
    with _services(settings) as services:
        services.change(name, webhook=target, events=events)
    _tell(settings, name)
    say(f"changed {name}")


@app.command("secret")
def secret(aor: AorArgument, config: ConfigOption = None) -> None:
    """Make another secret for the signatures and print it; the old one is worth nothing."""
    from imsnode.webhook import new_secret

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    fresh = new_secret()
    with _services(settings) as services:
        services.change(name, secret=fresh)
    _tell(settings, name)
    say(f"secret {fresh}")


@app.command("remove")
def remove(aor: AorArgument, config: ConfigOption = None) -> None:
    """Remove a service account; what waits for it is given up."""
    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with _services(settings) as services:
        services.remove(name)
    _tell(settings, name)
    say(f"removed {name}")


def _tell(config: Config, aor: str) -> None:
    tell_users_changed(config, [aor])
    tell_node(config, lambda client: client.services_changed())


def _check_store(config: Config, domain: str) -> None:
    modes = {one.name: one.store for one in config.domain if one.store is not None}
    if modes.get(domain, config.pager.store) == "off":
        raise UsageError(
            f"messages for {domain} are not stored (pager.store, domain.store): a service account "
            "needs that"
        )


def _check_events(events: bool, url: str) -> None:
    if events and not url:
        raise UsageError("--events: there is no webhook to post them to")


def _check_url(config: Config, url: str) -> None:
    from imsnode.webhook import check_url

    try:
        if url:
            check_url(url, config.webhook.plain_http)
    except ValueError as error:
        raise UsageError(f"webhook: {url!r}: {error}") from error
