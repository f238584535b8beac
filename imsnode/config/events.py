# SPDX-License-Identifier: Apache-2.0
"""The settings of the presence server and of the documents that users keep for it."""

from __future__ import annotations

from typing import Literal

from .table import DAY, HOUR, KIB, Table, live, restart
from .types import EventName, Octets, Seconds

__all__ = ["Presence", "Standing", "Xcap"]

Standing = Literal["confirm", "allow", "polite", "block"]


class Presence(Table):
    """The presence server: event state of users, and who follows it."""

    enabled: bool = restart(
        True,
        "Whether the node keeps event state (SUBSCRIBE, PUBLISH); without it SUBSCRIBEs go to the "
        "devices of the user.",
    )
    strangers: Standing = live(
        "confirm",
        "How a watcher stands whom no rule of the user is about: confirm (waits until the user "
        "decides), allow, polite (sees somebody who is away), block.",
    )
    forward: tuple[EventName, ...] = live(
        ("call-completion", "conference", "kpml", "refer"),
        "Event packages whose SUBSCRIBEs always go to the devices of the user. Others that the "
        "node does not have go there too, and are answered 489 when there is no device.",
    )
    notify_interval: Seconds = restart(
        5.0, "Least time between two NOTIFYs of one subscription (RFC 3856 6.10).", ge=0, le=HOUR
    )
    subscribe_min: Seconds = restart(60.0, "Shortest subscription; less is 423.", ge=1, le=DAY)
    subscribe_max: Seconds = restart(HOUR, "Longest subscription.", ge=60, le=7 * DAY)
    publish_min: Seconds = live(60.0, "Shortest publication; less is answered 423.", ge=1, le=DAY)
    publish_max: Seconds = live(HOUR, "Longest publication.", ge=60, le=7 * DAY)
    publish_size: Octets = live(
        64 * KIB, "Longest body of a PUBLISH; more is answered 413.", ge=256, le=256 * KIB
    )
    publications: int = live(
        20, "Publications of one user in one package; more is answered 403.", ge=1, le=1_000
    )
    per_watcher: int = live(
        200, "Subscriptions one user may have; more is answered 403.", ge=1, le=100_000
    )
    per_target: int = live(
        2_000, "Subscriptions to one user; more is answered 503.", ge=1, le=1_000_000
    )
    per_pair: int = live(
        50, "Subscriptions of one user to one other; more is answered 403.", ge=1, le=100_000
    )
    nameless: int = live(
        200,
        "Subscriptions to one user by watchers who hide their identity; more is answered 403.",
        ge=0,
        le=1_000_000,
    )
    subscriptions: int = live(
        500_000, "Subscriptions altogether; more is answered 503.", ge=1, le=100_000_000
    )
    list_members: int = live(
        500, "Members of a list one can subscribe to; others are left out.", ge=1, le=10_000
    )
    list_references: int = live(
        50, "Lists that one list may lead to, through references and lists on it.", ge=0, le=1_000
    )
    list_remotes: int = live(
        10_000,
        "Subscriptions of the node to members of lists that other servers serve.",
        ge=0,
        le=1_000_000,
    )
    list_followed: int = live(
        5_000,
        "Members of all the lists that one user is subscribed to; more is answered 403.",
        ge=1,
        le=10_000_000,
    )
    list_remotes_per_user: int = live(
        500,
        "Such subscriptions on behalf of one user; other members are not known.",
        ge=0,
        le=1_000_000,
    )
    unanswered: Literal["remove", "suspend"] = live(
        "remove",
        "What becomes of a subscription whose NOTIFY is not answered: remove, or suspend (it is "
        "tried again until it expires).",
    )
    waiting: Seconds = live(
        7 * DAY,
        "How long a user is told of watchers who left before the user decided about them.",
        ge=0,
        le=366 * DAY,
    )


class Xcap(Table):
    """Documents of users, such as lists and rules, at /xcap on the HTTP listener (RFC 4825)."""

    root: str = live(
        "",
        "URI of the XCAP root as it stands in documents and notifications, such as "
        '"https://xcap.ims.test/xcap"; "" takes the HTTP listener\'s own.',
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?)?$",
    )
    document_size: Octets = live(
        256 * KIB, "Longest document; a longer one is answered 413.", ge=KIB, le=1024 * KIB
    )
    documents: int = live(
        100, "Documents a user may have; one more is answered 403.", ge=1, le=100_000
    )
    depth: int = live(
        64, "Levels of elements a document may have; more is answered 409.", ge=4, le=250
    )
    cache_size: Octets = live(
        64 * 1024 * KIB, "Memory for documents that were read.", ge=0, le=1024**4
    )
    rate: float = live(50.0, "Requests a second of one user; above it 429.", gt=0, le=1_000_000)
    burst: int = live(200, "Requests a user may make at once.", ge=1, le=1_000_000)
