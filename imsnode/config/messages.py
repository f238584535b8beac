# SPDX-License-Identifier: Apache-2.0
"""Settings of pager mode: messages, lists, and who may send what."""

from __future__ import annotations

from typing import Literal

from .table import DAY, HOUR, KIB, MINUTE, Table, live
from .types import MediaType, Octets, OptionalPath, RuleName, RuleOption, Seconds

__all__ = ["BlockAnswer", "Large", "Lists", "Pager", "Policy", "Rule", "StoreMode", "Strangers"]

StoreMode = Literal["proxy", "first", "off"]
BlockAnswer = Literal["unavailable", "forbidden", "decline"]
Large = Literal["carry", "refuse", "indirect"]
Strangers = Literal["anything", "text", "one", "nothing"]


class Pager(Table):
    """Messages: relay first, keep what cannot be delivered now."""

    store: StoreMode = live(
        "proxy",
        "When a MESSAGE is stored: proxy (when no device took it in time), first (before delivery "
        "is tried), off (never).",
    )
    large: Large = live(
        "carry",
        "What becomes of a MESSAGE of more than limits.udp_size octets unless every device of the "
        "recipient is connected by TCP or TLS: carry (sent all the same), refuse (513), indirect "
        "(its content becomes a file, see content).",
    )
    defer_after: Seconds = live(
        4.0,
        "How long the sender waits for the recipient's final response before the message is "
        "stored and answered 202.",
        ge=0.1,
        le=20,
    )
    message_lifetime: Seconds = live(
        7 * DAY, "How long a stored message waits when it carries no Expires.", ge=60, le=366 * DAY
    )
    mailbox_messages: int = live(
        500, "Messages that may wait for one recipient; more is refused.", ge=1, le=1_000_000
    )
    retry_min: Seconds = live(
        5.0, "First wait before a failed delivery is tried again; doubles each time.", ge=1, le=HOUR
    )
    retry_max: Seconds = live(5 * MINUTE, "Longest wait between two tries.", ge=1, le=DAY)
    duplicate_memory: Seconds = live(
        DAY, "How long a message is remembered to recognise a resend.", ge=MINUTE, le=30 * DAY
    )
    imdn_record_route: bool = live(
        False,
        "Whether notifications (IMDN) are asked to come back through sip:imdn@DOMAIN. Those of "
        "this node's own users do anyway; it changes the body of messages that ask for one.",
    )
    echo: bool = live(True, "Whether sip:echo@DOMAIN sends every message back to its sender.")


class Lists(Table):
    """One message to many: lists of recipients, groups, broadcasts."""

    service: bool = live(
        True, "Whether sip:list@DOMAIN takes messages with a list of recipients (RFC 5365)."
    )
    list_max: int = live(
        50, "Recipients one such list may have; more is answered 403.", ge=1, le=256
    )
    consent: tuple[str, ...] = live(
        (),
        "Users (sip:NAME@DOMAIN) and domains elsewhere that agreed to get messages through lists "
        "of this node (RFC 5360); others elsewhere are answered 470.",
    )

    group_max: int = live(
        10_000,
        "Recipients a message to a group may have; more is answered 403.",
        ge=1,
        le=1_000_000,
    )
    receipts_wait: Seconds = live(
        30.0,
        "How long receipts (IMDN) about a message to a list or group are gathered before its "
        "sender gets them in one message; 0 sends each on its own.",
        ge=0,
        le=DAY,
    )
    receipts_keep: Seconds = live(
        DAY,
        "How long receipts about one such message are gathered; later ones are sent on their own.",
        ge=MINUTE,
        le=30 * DAY,
    )
    receipts_max: int = live(
        2000,
        "Messages whose receipts are gathered at a time; those about more are sent on their own.",
        ge=1,
        le=1_000_000,
    )
    to_sender: bool = live(
        False, "Whether a sender who is a member of the group gets a copy of the message too."
    )
    broadcast_rate: float = live(
        200.0,
        "Copies of a broadcast a second when none is asked for; 0 for as many as can be.",
        ge=0,
        le=1_000_000,
    )


class Policy(Table):
    """Who may send what to whom, beside what users wish for themselves (`imsnode policy`)."""

    block_answer: BlockAnswer = live(
        "unavailable",
        "What a sender hears whom the recipient does not want to hear from: unavailable (the same "
        "as when no device is registered, which is mostly 202), forbidden (403), decline (603).",
    )
    strangers: Strangers = live(
        "anything",
        "What somebody may send to a user who never wrote to them and does not allow them, unless "
        "that user chose otherwise: anything, text, one (a text, then nothing until it is "
        "answered), nothing.",
    )
    types: tuple[MediaType, ...] = live(
        (), "Types of content users may get, such as text/plain or image/*; none named: all."
    )
    message_size: Octets = live(
        0, "Longest body users may get; 0: limits.message_body_size alone.", ge=0, le=1024 * KIB
    )
    message_rate: float = live(
        0.0, "MESSAGE requests a second from one user; 0: limits alone.", ge=0, le=100_000
    )
    message_burst: int = live(
        50, "MESSAGE requests a user may send at once under that rate.", ge=1, le=1_000_000
    )
    fan_out: int = live(
        0, "People one user may write to in an hour; 0: any number.", ge=0, le=1_000_000
    )
    new_recipients: int = live(
        0,
        "People one user may write to in a day for the first time; 0: any number.",
        ge=0,
        le=1_000_000,
    )
    rules: tuple[RuleName, ...] = live(
        (), "Content rules, by the names of [[rule]] tables, for all that users send and get."
    )
    contacts: int = live(
        1000,
        "People remembered for one user, to know who is a stranger; those met longest ago are "
        "forgotten first.",
        ge=1,
        le=1_000_000,
    )
    rule_budget: Seconds = live(
        0.005, "Time a content rule may take for one message.", ge=0.0001, le=0.05
    )
    rule_failure: Literal["pass", "refuse"] = live(
        "pass",
        "What becomes of a message that a content rule could not judge: pass, or refuse (503).",
    )
    report_retention: Seconds = live(
        90 * DAY, "How long reports of spam and their evidence are kept.", ge=HOUR, le=3660 * DAY
    )


class Rule(Table):
    """A content rule: code that judges what messages say."""

    name: RuleName = live(..., "Name in `rules`, metrics and the ledger.")
    uses: str = live(
        ...,
        "words (refuses texts with the words and links of a file), the name of an entry point of "
        "the group imsnode.content_rules, or MODULE:ATTRIBUTE.",
        min_length=1,
    )
    file: OptionalPath = live(
        None, "File for the rule, relative to the configuration file; its option file."
    )
    options: tuple[RuleOption, ...] = live((), "Options for the rule, each as NAME=VALUE.")
