# SPDX-License-Identifier: Apache-2.0
"""`imsnode room`: chat rooms, their rules and who belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import Cell, say, show_rows, timestamp
from .roomaudit import export, history
from .roomdesk import change, person, rooms
from .session import canonical_aor, load_config, node, wall_clock

if TYPE_CHECKING:
    from session_msrp.rooms.values import Access, Role, Room

app = typer.Typer(no_args_is_help=True, help="Chat rooms: one address where many talk (RFC 7701).")
member_app = typer.Typer(no_args_is_help=True, help="Who belongs to a room.")
app.add_typer(member_app, name="member")
app.command("history")(history)
app.command("export")(export)

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="Such as sip:staff@ims.test.")]
UserArgument = Annotated[str, typer.Argument(metavar="AOR", help="A user here or elsewhere.")]
UsersArgument = Annotated[
    list[str], typer.Argument(metavar="AOR...", help="Users here or elsewhere.")
]
PeopleOption = Annotated[list[str] | None, typer.Option(metavar="AOR", help="May be repeated.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name shown to others.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="What the room is about.")]
ModeratedOption = Annotated[
    bool | None,
    typer.Option(
        "--moderated/--unmoderated", help="Whether visitors only listen.", show_default=False
    ),
]
NicknamesOption = Annotated[
    bool | None,
    typer.Option(
        "--nicknames/--no-nicknames", help="Whether nicknames are allowed.", show_default=False
    ),
]
PrivateOption = Annotated[
    bool | None,
    typer.Option(
        "--private-messages/--no-private-messages",
        help="Whether those in the room may write to one another.",
        show_default=False,
    ),
]
HistoryOption = Annotated[
    int | None,
    typer.Option("--history", metavar="N", min=0, max=100_000, help="Messages kept at most."),
]
KeepOption = Annotated[
    str | None, typer.Option("--keep", metavar="DURATION", help="How long messages are kept.")
]
ExpiresOption = Annotated[
    str | None,
    typer.Option("--expires", metavar="DURATION", help='When the room ends, or "never".'),
]
RoleOption = Annotated[
    str, typer.Option("--role", metavar="owner|moderator|member|visitor", help="Their role.")
]

_MEMBERS = ("member", "role", "banned", "muted", "nickname", "reached_by")
_LISTED = ("aor", "display_name", "access", "moderated", "members", "history", "expires", "subject")


@app.command("add")
def add(
    room: RoomArgument,
    open_: Annotated[
        bool, typer.Option("--open", help="Everybody may come in, not members alone.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Nobody but members learns that it exists.")
    ] = False,
    moderated: ModeratedOption = None,
    nicknames: NicknamesOption = None,
    private_messages: PrivateOption = None,
    member: PeopleOption = None,
    moderator: PeopleOption = None,
    owner: PeopleOption = None,
    name: NameOption = None,
    topic: TopicOption = None,
    history: HistoryOption = None,
    keep: KeepOption = None,
    expires: ExpiresOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a room, for members only unless --open says otherwise."""
    from dataclasses import replace

    from session_msrp.rooms.edits import create
    from session_msrp.rooms.values import Access, Member, Role, Room

    settings = load_config(config)
    if open_ and private:
        raise UsageError("--open and --private exclude each other")
    made = Room(
        canonical_aor(settings, room),
        display_name=name or "",
        subject=topic or "",
        access=Access.OPEN if open_ else Access.PRIVATE if private else Access.MEMBERS,
        moderated=bool(moderated),
        nicknames=nicknames is not False,
        private_messages=private_messages is not False,
        expires_at=_end(expires) or 0.0,
        created_at=wall_clock(),
    )
    if history is not None:
        made = replace(made, history=history)
    if keep is not None:
        made = replace(made, retention_s=_seconds(keep))
    people = {Role.MEMBER: member, Role.MODERATOR: moderator, Role.OWNER: owner}
    members = {
        who: Member(who, role)
        for role, texts in people.items()
        for who in (person(settings, text) for text in texts or ())
    }
    most = settings.rooms.members
    change(settings, made.aor, create(replace(made, members=members), most))
    say(f"added {made.aor}")


@app.command("set")
def set_rules(
    room: RoomArgument,
    access: Annotated[
        str | None,
        typer.Option("--access", metavar="open|members|private", help="Who may come in."),
    ] = None,
    moderated: ModeratedOption = None,
    nicknames: NicknamesOption = None,
    private_messages: PrivateOption = None,
    name: NameOption = None,
    topic: TopicOption = None,
    history: HistoryOption = None,
    keep: KeepOption = None,
    expires: ExpiresOption = None,
    config: ConfigOption = None,
) -> None:
    """Change what is given; who is in the room learns of it at once."""
    from session_msrp.rooms import edits

    settings = load_config(config)
    aor = canonical_aor(settings, room)
    rules = edits.set_rules(
        aor,
        display_name=name,
        subject=topic,
        access=None if access is None else _access(access),
        moderated=moderated,
        nicknames=nicknames,
        private_messages=private_messages,
        history=history,
        retention_s=None if keep is None else _seconds(keep),
        expires_at=_end(expires),
    )
    change(settings, aor, rules)
    say(f"changed {aor}")


@app.command("remove")
def remove(room: RoomArgument, config: ConfigOption = None) -> None:
    """Remove a room with its history; who is in it is hung up on."""
    from session_msrp.rooms import edits

    settings = load_config(config)
    aor = canonical_aor(settings, room)
    change(settings, aor, edits.remove(aor))
    say(f"removed {aor}")


@app.command("list")
def list_rooms(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List rooms."""
    settings = load_config(config)
    with rooms(settings) as table:
        every = table.load_all()
    show_rows(_LISTED, ([_facts(one)[name] for name in _LISTED] for one in every), form)


@app.command("show")
def show(
    room: RoomArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """Show the rules of a room and its members."""
    found = _found(config, room)
    if form is Format.TABLE:
        show_rows(("field", "value"), _facts(found).items(), form)
    _show_members(found, form)


@app.command("members")
def members(
    room: RoomArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """List who belongs to a room, and who is banned from it."""
    _show_members(_found(config, room), form)


@member_app.command("add")
def add_members(
    room: RoomArgument,
    people: UsersArgument,
    role: RoleOption = "",
    pager: Annotated[
        bool | None,
        typer.Option(
            "--pager/--session",
            help="Reach them by MESSAGE, or by a session as others; the room finds out by itself.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Let users belong to a room, or change what they are there; a ban ends."""
    from session_msrp.rooms import edits

    settings = load_config(config)
    aor = canonical_aor(settings, room)
    wanted = [person(settings, text) for text in people]
    rank = _role(role) if role else None
    most = settings.rooms.members
    each = (edits.set_member(aor, who, rank, False, None, pager, most) for who in wanted)
    change(settings, aor, edits.chain(each))
    say(f"added {len(wanted)} to {aor}")


@member_app.command("remove")
def remove_members(room: RoomArgument, people: UsersArgument, config: ConfigOption = None) -> None:
    """Let users belong to a room no more; out of one for members they are hung up on."""
    from session_msrp.rooms import edits

    settings = load_config(config)
    aor = canonical_aor(settings, room)
    gone = [person(settings, text) for text in people]
    change(settings, aor, edits.unset_members(aor, gone))
    say(f"removed {len(gone)} from {aor}")


@app.command("ban")
def ban(room: RoomArgument, user: UserArgument, config: ConfigOption = None) -> None:
    """Keep a user out, member or not; in the room they are hung up on."""
    _moderate(config, room, user, "banned", True)


@app.command("unban")
def unban(room: RoomArgument, user: UserArgument, config: ConfigOption = None) -> None:
    """Let a user in again who was banned."""
    _moderate(config, room, user, "banned", False)


@app.command("mute")
def mute(room: RoomArgument, user: UserArgument, config: ConfigOption = None) -> None:
    """Let a user listen only."""
    _moderate(config, room, user, "muted", True)


@app.command("unmute")
def unmute(room: RoomArgument, user: UserArgument, config: ConfigOption = None) -> None:
    """Let a user speak again."""
    _moderate(config, room, user, "muted", False)


@app.command("kick")
def kick(room: RoomArgument, user: UserArgument, config: ConfigOption = None) -> None:
    """Hang up on a user who is in a room; unlike a ban it lets them come back."""
    settings = load_config(config)
    aor, who = canonical_aor(settings, room), person(settings, user)
    with node(settings) as client:
        ended = client.kick_from_room(aor, who)
    if not ended:
        raise CommandError(f"{who} is not in {aor}")
    say(f"ended {ended} sessions of {who} in {aor}")


@app.command("invite")
def invite(room: RoomArgument, people: UsersArgument, config: ConfigOption = None) -> None:
    """Call users into a room; into one that is not open they are made members first."""
    settings = load_config(config)
    aor = canonical_aor(settings, room)
    wanted = [person(settings, text) for text in people]
    with node(settings) as client:
        called = client.invite_to_room(aor, wanted)
    say(f"called {called} devices to {aor}")


@app.command("participants")
def participants(
    room: RoomArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """List who is in a room now, a line for each session."""
    settings = load_config(config)
    aor = canonical_aor(settings, room)
    with node(settings) as client:
        found = client.room_participants(aor)
    columns = ("user", "role", "nickname", "since", "messages", "octets")
    rows = ({**row, "since": timestamp(row["since"])} for row in found)
    show_rows(columns, ([row[name] for name in columns] for row in rows), form)


def _moderate(config: ConfigOption, room: str, user: str, verb: str, wanted: bool) -> None:
    from session_msrp.rooms import edits

    settings = load_config(config)
    aor, who = canonical_aor(settings, room), person(settings, user)
    edit = edits.set_banned if verb == "banned" else edits.set_muted
    change(settings, aor, edit(aor, who, wanted, settings.rooms.members))
    say(f"{'' if wanted else 'un'}{verb} {who}")


def _found(config: ConfigOption, room: str) -> Room:
    settings = load_config(config)
    aor = canonical_aor(settings, room)
    with rooms(settings) as table:
        found = table.get(aor)
    if found is None:
        raise CommandError(f"there is no room {aor}")
    return found


def _facts(room: Room) -> dict[str, Cell]:
    return {
        "aor": room.aor,
        "display_name": room.display_name,
        "subject": room.subject,
        "access": room.access.value,
        "moderated": room.moderated,
        "nicknames": room.nicknames,
        "private_messages": room.private_messages,
        "members": len(room.members),
        "history": room.history,
        "keep": f"{room.retention_s:.0f} s",
        "expires": timestamp(room.expires_at) if room.expires_at else None,
        "idle": f"{room.idle_s:.0f} s" if room.idle_s else None,
        "created": timestamp(room.created_at),
    }


def _show_members(room: Room, form: Format) -> None:
    rows = (
        (one.aor, one.role.value, one.banned, one.muted, one.nickname,
         "message" if one.pager else "session")
        for one in room.members.values()
    )  # fmt: skip
    show_rows(_MEMBERS, rows, form)


def _access(word: str) -> Access:
    from session_msrp.rooms.values import Access

    try:
        return Access(word)
    except ValueError:
        raise UsageError(f"--access {word!r} is not one of {', '.join(Access)}") from None


def _role(word: str) -> Role:
    from session_msrp.rooms.values import Role

    try:
        return Role(word)
    except ValueError:
        raise UsageError(f"--role {word!r} is not one of {', '.join(Role)}") from None


def _seconds(text: str) -> float:
    from imsnode.config.types import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{text!r} {error}") from error
    if seconds <= 0:
        raise UsageError(f"{text!r} is not a duration such as 30d")
    return seconds


def _end(text: str | None) -> float | None:
    """Return when something ends, 0.0 for never, None when nothing was given."""
    if text is None:
        return None
    return 0.0 if text == "never" else wall_clock() + _seconds(text)
