# SPDX-License-Identifier: Apache-2.0
"""`imsnode user identity`: the public identities of users beside their address of record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows
from .session import canonical_aor, load_config, tell_users_changed

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.identity.accounts import Account
    from imsnode.identity.identities import PublicIdentity

__all__ = ["BARRED", "canonical_identity", "identity_app", "identity_text"]

BARRED = "!"
"""Stands in front of an identity that serves to register alone."""

identity_app = typer.Typer(
    no_args_is_help=True, help="Public identities: registered together, all for one user."
)

AorArgument = Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")]
UriArgument = Annotated[
    str, typer.Argument(metavar="URI", help="Such as sip:ann@ims.test or tel:+4917012345.")
]


@identity_app.command("add")
def add(
    aor: AorArgument,
    uri: UriArgument,
    barred: Annotated[
        bool, typer.Option("--barred", help="It serves to register and for nothing else.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Give a user one more public identity; one that is there is barred or opened."""
    from imsnode.identity.identities import PublicIdentity

    settings = load_config(config)
    name = canonical_identity(settings, uri)
    new = PublicIdentity(name, barred)

    def change(account: Account) -> tuple[PublicIdentity, ...]:
        if name not in [one.uri for one in account.identities]:
            return (*account.identities, new)
        return tuple(new if one.uri == name else one for one in account.identities)

    _change(settings, aor, change)
    say(f"added {name}")


@identity_app.command("remove")
def remove(aor: AorArgument, uri: UriArgument, config: ConfigOption = None) -> None:
    """Take a public identity away from a user."""
    settings = load_config(config)
    name = canonical_identity(settings, uri)

    def change(account: Account) -> tuple[PublicIdentity, ...]:
        left = tuple(one for one in account.identities if one.uri != name)
        if len(left) == len(account.identities):
            raise CommandError(f"{account.aor} does not have {name}")
        return left

    _change(settings, aor, change)
    say(f"removed {name}")


@identity_app.command("list")
def list_identities(
    aor: Annotated[str | None, typer.Argument(metavar="[AOR]", help="Only of this user.")] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List public identities; the address of record itself is the default one of its user."""
    from .users import accounts_of

    settings = load_config(config)
    wanted = canonical_aor(settings, aor, local=False) if aor is not None else None
    with accounts_of(settings) as accounts:
        rows = [
            (account.aor, one.uri, one.barred)
            for account in accounts.load_all()
            if wanted in (None, account.aor)
            for one in account.identities
        ]
    show_rows(("aor", "identity", "barred"), rows, form)


def canonical_identity(config: Config, text: str) -> str:
    """Return a public identity in its one form. Raises: UsageError."""
    from imsnode.identity.identities import Identities
    from imsnode.settings import number_plans
    from sip.errors import SipError
    from sip.uri import parse_uri

    if not text.startswith("tel:"):
        return canonical_aor(config, text)
    identities = Identities(lambda _: False)
    identities.configure(number_plans(config), config.domains[0])
    try:
        number = identities.number_of(parse_uri(text.encode()))
    except (SipError, UnicodeEncodeError):
        number = ""
    if not number:
        raise UsageError(
            f"{text!r} is not a number such as tel:+4917012345, nor does a domain's country_code "
            "say what it means"
        )
    return f"tel:{number}"


def identity_text(one: PublicIdentity) -> str:
    """Return an identity as it stands in a file."""
    return f"{BARRED if one.barred else ''}{one.uri}"


def _change(
    settings: Config, aor: str, change: Callable[[Account], tuple[PublicIdentity, ...]]
) -> None:
    from .users import accounts_of

    name = canonical_aor(settings, aor, local=False)
    with accounts_of(settings) as accounts:
        account = accounts.get(name)
        if account is None:
            raise CommandError(f"there is no user {name}")
        accounts.set_identities(name, change(account))
    tell_users_changed(settings, [name])
