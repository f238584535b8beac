# SPDX-License-Identifier: Apache-2.0
"""`imsnode presence rules`: who may see the presence of a user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows
from .session import canonical_aor, load_config, wall_clock
from .xcapdesk import document_desk

if TYPE_CHECKING:
    from presence.event.package import Standing
    from presence.rules import RuleSet

app = typer.Typer(no_args_is_help=True, help="Rules: who may see the presence of a user.")

#: Usage and name of the documents that hold the rules of a user; the first is written.
DOCUMENTS: Final = (
    ("pres-rules", "index"),
    ("org.openmobilealliance.pres-rules", "pres-rules"),
)
RULE_COLUMNS: Final = ("rule", "about", "standing", "shows")
STEP_COLUMNS: Final = ("rule", "applies", "standing")

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Whose presence it is.")]
WatcherArgument = Annotated[str, typer.Argument(metavar="WATCHER", help="Who wants to see it.")]


@app.command("show")
def show(
    user: UserArgument,
    watcher: Annotated[
        str | None,
        typer.Option(metavar="AOR", help="Show what each rule says about this watcher."),
    ] = None,
    sphere: Annotated[
        str, typer.Option(metavar="NAME", help="The sphere the user is in, such as work.")
    ] = "",
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Show the rules of a user; the domain decides about those whom none is about."""
    from presence.rules.words import about, shows, standing_name

    settings = load_config(config)
    rules = _read(config, canonical_aor(settings, user, local=False))
    if watcher is None:
        show_rows(
            RULE_COLUMNS,
            [
                (one.id, about(one), standing_name(one.standing), shows(one.transformations))
                for one in rules.rules
            ],
            form,
        )
        return
    verdict = rules.decide(canonical_aor(settings, watcher, local=False), wall_clock(), sphere)
    show_rows(
        STEP_COLUMNS,
        [(one.rule, one.refusal or "yes", standing_name(one.standing)) for one in verdict.steps],
        form,
    )
    if form is Format.TABLE:
        decided = standing_name(verdict.standing) if verdict.rule_id else "as the domain has it"
        say(f"decided: {decided}")


@app.command("allow")
def allow(user: UserArgument, watcher: WatcherArgument, config: ConfigOption = None) -> None:
    """Let a watcher see everything."""
    from presence.event.package import Standing

    _set(config, user, watcher, Standing.ALLOW)


@app.command("confirm")
def confirm(user: UserArgument, watcher: WatcherArgument, config: ConfigOption = None) -> None:
    """Have a watcher wait until the user decides."""
    from presence.event.package import Standing

    _set(config, user, watcher, Standing.CONFIRM)


@app.command("polite-block")
def polite_block(user: UserArgument, watcher: WatcherArgument, config: ConfigOption = None) -> None:
    """Show a watcher a user who is never there."""
    from presence.event.package import Standing

    _set(config, user, watcher, Standing.POLITE)


@app.command("block")
def block(user: UserArgument, watcher: WatcherArgument, config: ConfigOption = None) -> None:
    """Show a watcher nothing, and end what it follows."""
    from presence.event.package import Standing

    _set(config, user, watcher, Standing.BLOCK)


def _read(config: Path | None, aor: str) -> RuleSet:
    """Return the rules of all documents of a user, as the node reads them."""
    from presence.rules import RuleSet, parse_rules
    from sip.errors import ParseError

    rules = RuleSet(())
    with document_desk(load_config(config)) as desk:
        for usage, name in DOCUMENTS:
            document = desk.find(f"{usage}/users/{aor}/{name}")
            if document is None:
                continue
            try:
                found = parse_rules(document)
            except ParseError as error:
                raise CommandError(
                    f"the rules of {aor} in {usage} cannot be read, so nobody sees anything: "
                    f"{error.reason}"
                ) from error
            rules = rules.joined(found, usage) if rules.rules else found
    return rules


def _set(config: Path | None, user: str, watcher: str, standing: Standing) -> None:
    from presence.rules.words import standing_name
    from presence.rules.writer import RuleStands, with_standing
    from sip.errors import ParseError

    settings = load_config(config)
    aor = canonical_aor(settings, user, local=False)
    who = canonical_aor(settings, watcher, local=False)
    usage, name = DOCUMENTS[0]
    target = f"{usage}/users/{aor}/{name}"
    with document_desk(settings) as desk:
        try:
            desk.put(target, with_standing(desk.find(target), who, standing))
        except ParseError as error:
            raise CommandError(f"the rules of {aor} cannot be read: {error.reason}") from error
        except RuleStands as error:
            raise CommandError(f"{error}; change it with imsnode xcap") from error
    say(f"{standing_name(standing)}: {who} for {aor}")
