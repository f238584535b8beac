# SPDX-License-Identifier: Apache-2.0
"""`imsnode message`: submit messages and look at those that are kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import printable, say, show_rows, timestamp
from .session import canonical_aor, database, load_config, node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import MessageState

app = typer.Typer(no_args_is_help=True, help="Messages: submit one, look at those that are kept.")

LONGEST_LIST = 1_000_000
COLUMNS = ("id", "state", "received", "expires", "sender", "recipient", "size", "call_id")


@app.command("send")
def send(
    sender: Annotated[str, typer.Option("--from", metavar="AOR", help="The sender.")],
    recipient: Annotated[str, typer.Option("--to", metavar="AOR", help="The recipient.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text, or - to read it.")],
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Submit a message through the running node; prints its id and what became of it."""
    settings = load_config(config)
    body = sys.stdin.read() if text == "-" else text
    if not body:
        raise UsageError("the message is empty")
    source = canonical_aor(settings, sender)
    target = canonical_aor(settings, recipient, local=False)
    with node(settings) as client:
        answer = client.submit(source, target, body)
    status = int(answer["status"])
    fields = ("message_id", "status", "outcome", "detail")
    if form is Format.TABLE:
        detail = f" ({printable(str(answer['detail']))})" if answer["detail"] else ""
        say(f"{answer['message_id']} {answer['outcome']} {status}{detail}")
    else:
        show_rows(fields, [[answer[field] for field in fields]], form)
    if status >= 300:
        raise CommandError(f"the message was not accepted: {status}")


@app.command("list")
def list_messages(
    recipient: Annotated[
        str | None, typer.Option(metavar="AOR", help="Only messages for this user.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Settled messages too, while they are remembered.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=LONGEST_LIST, metavar="N", help="At most so many.")
    ] = 100,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List the messages that wait, oldest first."""
    from imsnode.storage import list_messages as read

    settings = load_config(config)
    user = canonical_aor(settings, recipient, local=False) if recipient is not None else None
    with database(settings) as opened:
        rows = read(opened, user, waiting_only=not everything, limit=limit)
    cells = (
        (
            row.id,
            row.state,
            timestamp(row.received_at),
            timestamp(row.expires_at),
            row.sender,
            row.recipient,
            row.size,
            _text(row.call_id),
        )
        for row in rows
    )
    show_rows(COLUMNS, cells, form)


@app.command("recall")
def recall(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Message id or Call-ID.")],
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="AOR", help="Only when this user sent it."),
    ] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Take a message back, and its copies for a list, wherever they have not been delivered."""
    settings = load_config(config)
    source = canonical_aor(settings, sender, local=False) if sender is not None else ""
    results = _recall(settings, identity, source)
    if not results:
        raise CommandError(f"no message {printable(identity)} is known")
    show_rows(("id", "recipient", "state"), results, form)
    if not any(state in ("removed", "partly") for _, _, state in results):
        raise CommandError("nothing was left to take back")


def _recall(settings: Config, identity: str, sender: str) -> list[tuple[str, str, str]]:
    """Recall through the running node, or in the database when none runs."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning
    from imsnode.storage import withdraw_now
    from sip.aio.clock import SystemClock

    try:
        with ControlClient(settings.control_socket) as client:
            found = client.recall(identity, sender or None)
            return [(one["message_id"], one["recipient"], one["state"]) for one in found]
    except ControlRefused as error:
        raise CommandError(str(error)) from error
    except NodeNotRunning:
        pass
    with database(settings) as opened:
        found_now = withdraw_now(opened, identity, sender, SystemClock().wall())
    return [(message_id, recipient, str(state)) for message_id, recipient, state in found_now]


@app.command("show")
def show(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Message id, Call-ID or IMDN Message-ID.")
    ],
    body: Annotated[bool, typer.Option("--body", help="Print the body too.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show a message: how far it came, and what is kept of it, its body only when asked for."""
    from imsnode.storage import message_states, show_message

    with database(load_config(config)) as opened:
        states = message_states(opened, identity)
        rows = show_message(opened, identity)
        if not rows:
            rows = [row for one in states for row in show_message(opened, one.message_id)]
    if not rows and not states:
        raise CommandError(f"nothing is known of message {printable(identity)}")
    _say_states(states)
    for row in rows:
        say()
        say(f"id         {row.id}")
        say(f"state      {row.state}")
        say(f"received   {timestamp(row.received_at)}")
        say(f"expires    {timestamp(row.expires_at)}")
        say(f"from       {printable(row.sender)}")
        say(f"to         {printable(row.recipient)}")
        say(f"call-id    {printable(_text(row.call_id))}")
        say(f"size       {row.size} octets")
        for line in row.head.split(b"\r\n"):
            if line:
                say(f"  {printable(_text(line))}")
        if body:
            say()
            for text in _text(row.body).splitlines():
                say(f"  {printable(text)}")


def _say_states(states: Sequence[MessageState]) -> None:
    """Print how far each message came, a line for each device below it."""
    for one in states:
        known_by = f" (IMDN Message-ID {printable(one.imdn_id)})" if one.imdn_id else ""
        say(f"{one.message_id} to {printable(one.recipient)}{known_by}")
        say(f"  {one.state} at {timestamp(one.at)}")
        for device in one.devices:
            name = printable(device.device) or "any device"
            say(f"  {name}: {device.state} at {timestamp(device.at)} ({device.witness})")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
