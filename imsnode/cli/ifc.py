# SPDX-License-Identifier: Apache-2.0
"""`imsnode ifc`: initial filter criteria, by which the node as S-CSCF asks application servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows
from .session import canonical_aor, database, load_config, tell_node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.ims.criteria import ServiceProfile
    from imsnode.storage import StoredProfiles

app = typer.Typer(
    no_args_is_help=True, help="Filter criteria: which application servers a request passes."
)

WhoArgument = Annotated[
    str,
    typer.Argument(metavar="AOR", help="A user, or *@DOMAIN for all there who have none."),
]
FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE.xml", help="XML of TS 29.228: IMSSubscription or one profile."),
]


@contextmanager
def _profiles(config: Config) -> Iterator[StoredProfiles]:
    from imsnode.storage import StorageError, StoredProfiles

    with database(config) as opened:
        try:
            yield StoredProfiles(opened)
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("set")
def set_profile(aor: WhoArgument, file: FileArgument, config: ConfigOption = None) -> None:
    """Give a user the criteria of a file, in the place of those before."""
    settings = load_config(config)
    name = _name(settings, aor)
    document = _read(file)
    if len(_parsed(document, str(file))) != 1:
        raise UsageError(f"{file}: holds several profiles; `imsnode ifc import` takes them all")
    with _profiles(settings) as profiles:
        profiles.put([name], document)
    _tell(settings)
    say(f"set {name}")


@app.command("import")
def import_profiles(file: FileArgument, config: ConfigOption = None) -> None:
    """Give all public identities that a file names their criteria."""
    from imsnode.ims.criteria_xml import split_profiles

    settings = load_config(config)
    document = _read(file)
    _parsed(document, str(file))
    parts = split_profiles(document)
    for names, _ in parts:
        if not names:
            raise UsageError(f"{file}: a ServiceProfile names no PublicIdentity")
    with _profiles(settings) as profiles:
        for names, part in parts:
            profiles.put(names, part)
    _tell(settings)
    for names, _ in parts:
        for name in names:
            say(f"set {name}")


@app.command("list")
def list_profiles(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List the criteria of everybody, in the order in which servers are asked."""
    with _profiles(load_config(config)) as profiles:
        rows = (
            (aor, one.priority, one.server.uri.decode(), one.server.handling.name, _part(one.part))
            for aor, document in profiles.load_all().items()
            for profile in _parsed(document, aor)
            for one in profile.criteria
        )
        show_rows(("aor", "priority", "server", "default_handling", "part"), rows, form)


@app.command("show")
def show(aor: WhoArgument, config: ConfigOption = None) -> None:
    """Print the document that holds the criteria of a user."""
    settings = load_config(config)
    name = _name(settings, aor)
    with _profiles(settings) as profiles:
        document = profiles.load_all().get(name)
    if document is None:
        raise CommandError(f"{name} has no filter criteria")
    say(document.decode().rstrip("\n"))


@app.command("remove")
def remove(aor: WhoArgument, config: ConfigOption = None) -> None:
    """Take the criteria from a user."""
    settings = load_config(config)
    name = _name(settings, aor)
    with _profiles(settings) as profiles:
        if not profiles.remove(name):
            raise CommandError(f"{name} has no filter criteria")
    _tell(settings)
    say(f"removed {name}")


def _name(settings: Config, text: str) -> str:
    if not text.startswith("*@"):
        return canonical_aor(settings, text)
    if text[2:] not in settings.domains:
        served = ", ".join(settings.domains)
        raise UsageError(f"{text[2:]} is not a domain served here (domains: {served})")
    return text


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _parsed(document: bytes, where: str) -> list[ServiceProfile]:
    from imsnode.ims.criteria_xml import read_profiles
    from sip.errors import BadMessage

    try:
        return read_profiles(document)
    except BadMessage as error:
        raise UsageError(f"{where}: {error.reason}") from error


def _part(part: object) -> str:
    return getattr(part, "name", "")


def _tell(settings: Config) -> None:
    tell_node(settings, lambda client: client.profiles_changed())
