# SPDX-License-Identifier: Apache-2.0
"""`imsnode group`: groups that a message can be sent to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows
from .session import canonical_aor, database, load_config, tell_node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import GroupStore
    from pager.groups import Senders

app = typer.Typer(no_args_is_help=True, help="Groups: one address that reaches many.")
member_app = typer.Typer(no_args_is_help=True, help="Who belongs to a group.")
app.add_typer(member_app, name="member")

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="Such as sip:sales@ims.test.")]
MembersArgument = Annotated[
    list[str], typer.Argument(metavar="AOR...", help="Users here or elsewhere, and other groups.")
]
OwnerOption = Annotated[
    str | None, typer.Option("--owner", metavar="AOR", help='A user, or "" for none.')
]
SendersOption = Annotated[
    str | None,
    typer.Option(
        "--senders",
        metavar="owner|members|domain|anyone",
        help="Who may send to it; by default its members and its owner.",
    ),
]


@contextmanager
def _groups(config: Config) -> Iterator[GroupStore]:
    """Open the groups and turn what can go wrong with one into a CommandError."""
    from imsnode.mailing import reserved_aors
    from imsnode.storage import GroupRefused, GroupStore, StorageError

    with database(config) as opened:
        try:
            yield GroupStore(opened, config.domains, reserved_aors(config.domains))
        except GroupRefused as error:
            raise CommandError(str(error)) from error
        except StorageError as error:
            raise CommandError(str(error)) from error


def _tell(config: Config) -> None:
    tell_node(config, lambda client: client.groups_changed())


def _senders(word: str | None) -> Senders | None:
    from pager.groups import Senders

    if word is None:
        return None
    try:
        return Senders(word)
    except ValueError:
        known = ", ".join(senders.value for senders in Senders)
        raise UsageError(f"--senders {word!r} is not one of {known}") from None


def _people(config: Config, texts: list[str] | None) -> list[str]:
    return [canonical_aor(config, text, local=False) for text in texts or ()]


@app.command("add")
def add(
    group: GroupArgument,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", metavar="AOR", help="A user or group in it; may be repeated."),
    ] = None,
    owner: OwnerOption = None,
    senders: SendersOption = None,
    display_name: Annotated[str, typer.Option(help="Name shown to others.")] = "",
    config: ConfigOption = None,
) -> None:
    """Add a group."""
    from pager.groups import Group, Senders

    settings = load_config(config)
    made = Group(
        canonical_aor(settings, group),
        canonical_aor(settings, owner, local=False) if owner else "",
        _senders(senders) or Senders.MEMBERS,
        display_name,
        tuple(_people(settings, member)),
    )
    with _groups(settings) as groups:
        groups.add(made)
    _tell(settings)
    say(f"added {made.aor}")


@app.command("change")
def change(
    group: GroupArgument,
    owner: OwnerOption = None,
    senders: SendersOption = None,
    display_name: Annotated[str | None, typer.Option(help="Name shown to others.")] = None,
    config: ConfigOption = None,
) -> None:
    """Change the owner of a group, who may send to it, or its name."""
    settings = load_config(config)
    name = canonical_aor(settings, group, local=False)
    whose = canonical_aor(settings, owner, local=False) if owner else owner
    with _groups(settings) as groups:
        groups.change(name, whose, _senders(senders), display_name)
    _tell(settings)
    say(f"changed {name}")


@app.command("remove")
def remove(group: GroupArgument, config: ConfigOption = None) -> None:
    """Remove a group, from other groups too; its members stay users."""
    settings = load_config(config)
    name = canonical_aor(settings, group, local=False)
    with _groups(settings) as groups:
        groups.remove(name)
    _tell(settings)
    say(f"removed {name}")


@app.command("list")
def list_groups(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List groups; `people` counts everybody a message reaches, through other groups too."""
    from pager.groups import Groups

    columns = ("aor", "display_name", "owner", "senders", "members", "people")
    with _groups(load_config(config)) as store:
        groups = Groups(store.load_all())
    rows = (
        (g.aor, g.display_name, g.owner, g.senders.value, len(g.members),
         len(groups.people(g.aor)))
        for g in groups
    )  # fmt: skip
    show_rows(columns, rows, form)


@app.command("show")
def show(
    group: GroupArgument,
    everybody: Annotated[
        bool, typer.Option("--people", help="List everybody it reaches, through other groups too.")
    ] = False,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show the members of a group."""
    from pager.groups import Groups

    settings = load_config(config)
    name = canonical_aor(settings, group, local=False)
    with _groups(settings) as store:
        groups = Groups(store.load_all())
    found = groups.get(name)
    if found is None:
        raise CommandError(f"there is no group {name}")
    if form is Format.TABLE:
        facts: list[tuple[str, Cell]] = [
            ("aor", found.aor),
            ("display_name", found.display_name),
            ("owner", found.owner),
            ("senders", found.senders.value),
            ("people", len(groups.people(name))),
        ]
        show_rows(("field", "value"), facts, form)
    members = groups.people(name) if everybody else found.members
    rows = ((who, "user" if groups.get(who) is None else "group") for who in members)
    show_rows(("member", "kind"), rows, form)


@member_app.command("add")
def add_member(group: GroupArgument, member: MembersArgument, config: ConfigOption = None) -> None:
    """Let users or other groups belong to a group."""
    settings = load_config(config)
    name = canonical_aor(settings, group, local=False)
    with _groups(settings) as groups:
        count = groups.add_members(name, _people(settings, member))
    _tell(settings)
    say(f"added {count} to {name}")


@member_app.command("remove")
def remove_member(
    group: GroupArgument, member: MembersArgument, config: ConfigOption = None
) -> None:
    """Let users or other groups belong to a group no more."""
    settings = load_config(config)
    name = canonical_aor(settings, group, local=False)
    with _groups(settings) as groups:
        count = groups.remove_members(name, _people(settings, member))
    if not count:
        raise CommandError(f"none of them is a member of {name}")
    _tell(settings)
    say(f"removed {count} from {name}")


@app.command("import")
def import_groups(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="group,member,...; UTF-8; see the how-to.")
    ],
    config: ConfigOption = None,
) -> None:
    """Add all groups and members of a CSV file, or none of them when a line is bad."""
    from imsnode.storage import ImportRefused

    from .groupfile import read_groups
    from .progress import Progress
    from .userfile import BadLine

    settings = load_config(config)
    with _groups(settings) as groups, Progress() as progress:
        with progress.step("reading", 0) as advance:
            found = read_groups(file, settings, advance)
        bad = found.bad
        fresh = added = 0
        if not bad:
            try:
                with progress.step("writing", len(found.memberships)) as advance:
                    fresh, added = groups.import_all(found.groups, found.memberships, advance)
            except ImportRefused as error:
                bad = [BadLine(found.lines[row], reason) for row, reason in error.problems]
    if bad:
        for line in bad:
            sys.stderr.write(f"{file}: {line}\n")
        raise CommandError(f"nothing was imported: {len(bad)} bad lines in {file}")
    _tell(settings)
    say(f"imported {fresh} new groups and {added} new memberships")


@app.command("export")
def export(
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="File to write.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write all groups and their members as CSV, as `import` reads it."""
    from .groupfile import write_groups

    with _groups(load_config(config)) as groups:
        every = groups.load_all()
    if output is None:
        write_groups(every, sys.stdout)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as stream:
            write_groups(every, stream)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}") from error
