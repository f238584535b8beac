# SPDX-License-Identifier: Apache-2.0
"""Settings of message centres: the way to and from phones that know short messages alone."""

from __future__ import annotations

from typing import Literal

from .peers import NumberRange
from .table import DAY, HOUR, MINUTE, Table, live, restart
from .types import HttpAddress, OptionalPath, PeerName, Seconds

__all__ = ["Sms", "Smsc"]


class Sms(Table):
    """Short messages inside SIP (application/vnd.3gpp.sms)."""

    service_centre: str = restart(
        "",
        "Number of the service centre that phones send to, with + and country. The node answers "
        "for it, and brings messages to phones that take nothing else. Empty: it only passes them "
        "on.",
        pattern=r"^(\+[0-9]{1,15})?$",
    )


class Smsc(Table):
    """A message centre that is reached by SMPP 3.4."""

    name: PeerName = live(..., "Name in logs, metrics and the ledger.")
    address: HttpAddress = live(..., "Host and port of the message centre.")
    system_id: str = live(..., "Who this node is there.", min_length=1, max_length=15)
    password_file: OptionalPath = live(
        None, "File that holds the password, relative to the configuration file."
    )
    system_type: str = live("", "What kind of system this node is there.", max_length=12)
    numbers: tuple[NumberRange, ...] = live(
        ("+",), "First digits of the numbers whose messages go there; + stands for all."
    )
    source: str = live(
        "",
        "Number or name that stands for senders whose own address is no number; without it their "
        "user name.",
        max_length=20,
    )
    window: int = live(10, "Messages there that may wait for an answer at a time.", ge=1, le=1000)
    rate: float = live(0.0, "Messages a second that are sent there; 0: no limit.", ge=0, le=10_000)
    long: Literal["udh", "sar", "payload"] = live(
        "udh",
        "How texts beyond one short message go: cut with user data headers, cut with sar "
        "parameters, or whole in message_payload.",
    )
    receipts: bool = live(True, "Whether the centre is asked what became of each message.")
    enquire: Seconds = live(
        30.0,
        "After how long without a word the centre is asked whether it is there.",
        ge=1,
        le=HOUR,
    )
    answer: Seconds = live(
        30.0,
        "How long the centre may take to answer before the link is made anew.",
        ge=1,
        le=MINUTE * 10,
    )
    part_lifetime: Seconds = live(
        DAY, "How long parts of a message wait for the rest.", ge=MINUTE, le=30 * DAY
    )
