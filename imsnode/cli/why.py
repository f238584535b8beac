# SPDX-License-Identifier: Apache-2.0
"""`imsnode why`: the story of a message, or of a subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import printable, say, show_rows, timestamp
from .session import database, flush, load_config

if TYPE_CHECKING:
    from imsnode.storage import MessageState, Story

__all__ = ["timeline", "why"]

#: `imsnode.presence.chronicle.KIND`, without loading the node.
SUBSCRIPTION = "subscription"

WITNESSES = {"sip": "its SIP answer", "imdn": "its notification (IMDN)"}
COLUMNS = ("message_id", "call_id", "at", "step", "device", "status", "rule", "meaning")


def why(
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Message id, Call-ID or IMDN Message-ID.")
    ],
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """Tell the story of a message or a subscription: each step and the rule behind it."""
    from imsnode.storage import find_story, state_of
    from pager.rules import OUTCOMES, RULES, explain

    settings = load_config(config)
    flush(settings)
    with database(settings) as opened:
        stories = find_story(opened, identity)
    if not stories:
        raise CommandError(f"nothing is known of {printable(identity)}")
    if form is Format.TABLE:
        for number, story in enumerate(stories):
            if number:
                say()
            for line in timeline(story, state_of(story), RULES, OUTCOMES):
                say(line)
        return
    rows = (
        (s.message_id, _call_id(s), timestamp(at), step, device, status, rule, explain(rule))
        for s in stories
        for at, step, device, status, rule in s.steps
    )
    show_rows(COLUMNS, rows, form)


def timeline(
    story: Story, state: MessageState, rules: Mapping[str, str], outcomes: Mapping[str, str]
) -> list[str]:
    """Write the story as lines: who to whom, each step with its time and reason, the outcome.

    Args: state: where the message stands. rules, outcomes: explain the words that the ledger uses;
          a word without an explanation stands alone.
    """
    call_id = printable(_call_id(story))
    lines = [
        f"message {story.message_id}   Call-ID {call_id}",
        f"from {printable(story.sender)} to {printable(story.recipient)}, {story.size} octets",
        "",
    ]
    if story.kind == SUBSCRIPTION:
        watcher = printable(story.sender) or "somebody without identity"
        lines = [
            f"{story.message_id}   Call-ID {call_id}",
            f"{watcher} follows {printable(story.recipient)}",
            "",
        ]
    if story.imdn_id:
        lines[-1:-1] = [f"IMDN Message-ID {printable(story.imdn_id)}"]
    start = story.steps[0][0] if story.steps else story.received_at
    for at, step, device, status, rule in story.steps:
        head = f"{timestamp(at)} {_elapsed(at - start):>9}  {step}"
        facts = [str(status)] if status else []
        detail = printable(device) if story.kind == SUBSCRIPTION else f"device {printable(device)}"
        facts += [detail] if device else []
        lines.append("  ".join([head, *facts]))
        if rule:
            meaning = rules.get(rule.partition(":")[0], rule)
            shown = rule if meaning == rule else f"{meaning} ({rule})"
            lines.append(f"{'':36}because {shown}")
    if story.kind == SUBSCRIPTION:
        return lines
    lines.append("")
    lines += [
        f"device {printable(one.device) or 'any'}: {one.state} at {timestamp(one.at)}, "
        f"by {WITNESSES[one.witness]}"
        for one in state.devices
    ]
    if not story.kind:
        lines.append(f"{printable(story.recipient)}: {state.state} at {timestamp(state.at)}")
    lines.append(f"outcome: {_outcome(story, outcomes)}")
    return lines


def _outcome(story: Story, outcomes: Mapping[str, str]) -> str:
    text = outcomes.get(story.outcome, "")
    return f"{story.outcome}: {text}" if text else story.outcome


def _elapsed(seconds: float) -> str:
    return f"+{seconds:.3f}s" if seconds < 100 else f"+{seconds:.0f}s"


def _call_id(story: Story) -> str:
    return story.call_id.decode("utf-8", "backslashreplace")
