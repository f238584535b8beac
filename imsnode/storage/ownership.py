# SPDX-License-Identifier: Apache-2.0
"""Whose rows are: what of a table one user is given, and what of it is others' as well.

A row that names a user need not be theirs: a block list of somebody else, a report about them, a
list of recipients. Those are not told to the user, and when the user is erased they only lose the
name.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table

from .schema import (
    aka_card,
    api_request,
    api_token,
    contact,
    counted,
    history_choice,
    job,
    job_batch,
    member,
    parcel,
    peer,
    public_identity,
    publication_journal,
    receipt,
    recipient_group,
    room,
    room_event,
    room_member,
    service,
    service_profile,
    sms_part,
    sms_sent,
    spam_report,
    subscription_journal,
    user_policy,
)

__all__ = ["LISTS", "OWNERS", "TEXTS"]

#: By table, the columns that hold the user whose row it is, alone; none where no user has rows.
OWNERS: Mapping[Table, tuple[str, ...]] = {
    aka_card: ("aor",),
    api_request: (),
    api_token: ("senders",),  # one that acts for nobody else
    contact: ("owner",),
    counted: ("sender",),
    history_choice: ("aor",),
    job: ("sender",),
    job_batch: (),
    member: ("member",),
    parcel: (),
    peer: (),
    public_identity: ("aor",),
    publication_journal: ("resource",),
    receipt: ("recipient",),
    recipient_group: ("owner",),
    room: (),
    room_event: ("actor",),
    room_member: ("member",),
    service: ("aor",),
    service_profile: ("aor",),
    sms_part: (),
    sms_sent: ("sender",),
    spam_report: ("reporter",),
    subscription_journal: ("watcher",),
    user_policy: ("aor",),
}

#: By table, the columns that list users, and what stands between two of them.
LISTS: Mapping[Table, Mapping[str, str]] = {
    api_token: {"senders": " "},
    counted: {"recipients": "\n"},
    parcel: {"recipients": "\n"},
    user_policy: {"block": "\n", "allow": "\n"},
}

#: By table, the columns in which the name of a user becomes a word for nobody, for the row is about
#: more than the user.
TEXTS: Mapping[Table, tuple[str, ...]] = {
    room: ("display_name", "subject"),
    room_event: ("actor", "who", "detail"),
}
