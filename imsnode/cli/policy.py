# SPDX-License-Identifier: Apache-2.0
"""`imsnode policy`: what users let in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows, timestamp
from .session import canonical_aor, database, load_config, tell_policies_changed, wall_clock

if TYPE_CHECKING:
    from imsnode.config import Config
    from pager.screening import UserPolicy

app = typer.Typer(no_args_is_help=True, help="Policies: what users let in, and from whom.")

LIST_MAX = 1000  # entries of one list
MUTE_MAX_S = 3660 * 86400.0
COLUMNS = ("aor", "block", "allow", "types", "size", "strangers", "muted_until")

AorArgument = Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")]
WhoArgument = Annotated[
    list[str],
    typer.Argument(metavar="WHO...", help="Addresses, *@DOMAIN, *@*.DOMAIN, or * for everybody."),
]


@app.command("list")
def list_policies(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List the users who have a policy of their own."""
    from imsnode.storage import UserPolicies

    with database(load_config(config)) as opened:
        show_rows(COLUMNS, (_row(one) for one in UserPolicies(opened).load_all()), form)


@app.command("show")
def show(aor: AorArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """Show the policy of a user; what is empty is left to the domain."""
    from imsnode.storage import Accounts, UserPolicies
    from pager.screening import UserPolicy

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with database(settings) as opened:
        policy = UserPolicies(opened).get(name)
        if policy is None and Accounts(opened).get(name) is None:
            raise CommandError(f"there is no user {name}")
    row = _row(policy or UserPolicy(name))
    if form is Format.TABLE:
        show_rows(("field", "value"), list(zip(COLUMNS, row, strict=True)), form)
    else:
        show_rows(COLUMNS, [row], form)


@app.command("set")
def set_policy(
    aor: AorArgument,
    types: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE,...", help='Types of content taken; "" leaves it to the domain.'
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Longest body, such as 8KiB; 0: the domain's."),
    ] = None,
    strangers: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help='anything, text, one or nothing; "" leaves it to the domain.'
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Set what a user takes, and what from strangers."""
    from imsnode.config.types import parse_media_type, parse_size
    from pager.screening import Strangers

    changes: dict[str, object] = {}
    try:
        if types is not None:
            words = [word.strip() for word in types.split(",") if word.strip()]
            changes["types"] = tuple(dict.fromkeys(parse_media_type(word) for word in words))
        if size is not None:
            changes["size"] = parse_size(int(size) if size.isdecimal() else size)
        if strangers is not None:
            changes["strangers"] = Strangers(strangers) if strangers else None
    except ValueError as error:
        given = {"--types": types, "--size": size, "--strangers": strangers}
        written = " ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        raise UsageError(f"{written}: {error}") from error
    if not changes:
        raise UsageError("nothing to set: give --types, --size or --strangers")
    # Any: replace() takes the fields of the class alone, which the keys above are.
    _change(config, aor, lambda policy: replace(policy, **changes), "set the policy of")  # type: ignore[arg-type]


@app.command("block")
def block(aor: AorArgument, who: WhoArgument, config: ConfigOption = None) -> None:
    """Let nothing in from these."""
    _change_list(config, aor, "block", who, True, "blocked for")


@app.command("unblock")
def unblock(aor: AorArgument, who: WhoArgument, config: ConfigOption = None) -> None:
    """Take entries off the block list."""
    _change_list(config, aor, "block", who, False, "unblocked for")


@app.command("allow")
def allow(aor: AorArgument, who: WhoArgument, config: ConfigOption = None) -> None:
    """Let these in although a wider entry blocks them, and never as strangers."""
    _change_list(config, aor, "allow", who, True, "allowed for")


@app.command("disallow")
def disallow(aor: AorArgument, who: WhoArgument, config: ConfigOption = None) -> None:
    """Take entries off the allow list."""
    _change_list(config, aor, "allow", who, False, "no longer allowed for")


@app.command("mute")
def mute(
    aor: AorArgument,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Such as 8h or 30m.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Such as 2026-12-24T08:00, in UTC unless it says else."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Store what comes for a user, and deliver it when the time is over."""
    end = _end(duration, until)
    _change(config, aor, lambda policy: replace(policy, muted_until=end), "muted")
    say(f"until {timestamp(end)}")


@app.command("unmute")
def unmute(aor: AorArgument, config: ConfigOption = None) -> None:
    """Deliver what was stored meanwhile, now."""
    _change(config, aor, lambda policy: replace(policy, muted_until=0.0), "unmuted")


@app.command("clear")
def clear(aor: AorArgument, config: ConfigOption = None) -> None:
    """Leave everything to the domain again."""
    from pager.screening import UserPolicy

    _change(config, aor, lambda policy: UserPolicy(policy.aor), "cleared the policy of")


def _row(policy: UserPolicy) -> tuple[Cell, ...]:
    return (
        policy.aor,
        " ".join(sorted(policy.block)),
        " ".join(sorted(policy.allow)),
        " ".join(policy.types),
        policy.size or None,
        policy.strangers or "",
        timestamp(policy.muted_until) if policy.muted_until else "",
    )


def _change(
    config: Path | None, aor: str, edit: Callable[[UserPolicy], UserPolicy], done: str
) -> None:
    from imsnode.storage import AccountUnknown, StorageError, UserPolicies

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    with database(settings) as opened:
        try:
            UserPolicies(opened).change(name, edit, wall_clock())
        except AccountUnknown as error:
            raise CommandError(f"there is no user {error.aor}") from error
        except StorageError as error:
            raise CommandError(str(error)) from error
    tell_policies_changed(settings, [name])
    say(f"{done} {name}")


def _change_list(
    config: Path | None, aor: str, name: str, who: list[str], add: bool, done: str
) -> None:
    settings = load_config(config)
    entries = frozenset(_entry(settings, text) for text in who)
    blocks = name == "block"

    def edit(policy: UserPolicy) -> UserPolicy:
        before = policy.block if blocks else policy.allow
        after = before | entries if add else before - entries
        if len(after) > LIST_MAX:
            raise UsageError(f"{name}: more than {LIST_MAX} entries; use *@DOMAIN")
        if not add and (missing := sorted(entries - before)):
            raise CommandError(f"not on the list: {' '.join(missing)}")
        return replace(policy, block=after) if blocks else replace(policy, allow=after)

    _change(config, aor, edit, f"{' '.join(sorted(entries))} {done}")


def _entry(config: Config, text: str) -> str:
    """Read an entry of a list: an address, *@DOMAIN, *@*.DOMAIN or *."""
    from imsnode.config.types import parse_domain

    if text == "*":
        return text
    for head in ("*@*.", "*@"):
        if text.startswith(head):
            try:
                return head + parse_domain(text.removeprefix(head))
            except ValueError as error:
                raise UsageError(f"{text!r} {error}") from error
    return canonical_aor(config, text, local=False)


def _end(duration: str | None, until: str | None) -> float:
    from imsnode.config.types import parse_duration

    if (duration is None) == (until is None):
        raise UsageError("give --for or --until")
    now = wall_clock()
    try:
        if duration is not None:
            end = now + parse_duration(duration)
        else:
            date = datetime.fromisoformat(until or "")
            end = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except ValueError as error:
        raise UsageError(f"{duration or until!r} {error}") from error
    if not now < end < now + MUTE_MAX_S:
        raise UsageError(f"{timestamp(end)} is not a time within the next ten years")
    return end
