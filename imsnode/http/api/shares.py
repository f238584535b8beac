# SPDX-License-Identifier: Apache-2.0
"""Who may fetch a file: as its owner sees and changes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pydantic import Field

from ...content import ContentRefused, ContentStore, Kept
from .files import FileAccess, link_to, owner_of, store_refused
from .history import aor_of
from .models import Address, ApiModel, timestamp
from .operation import Call, Operation
from .problems import Problem

__all__ = ["share_operations"]


class Reader(ApiModel):
    """Somebody who may fetch a file."""

    reader: str
    link: bool = Field(description="By a link of their own, which needs no credentials.")


class Readers(ApiModel):
    """Who may fetch a file, beside its owner."""

    until: datetime = Field(description="When the file goes.")
    readers: list[Reader]


class NewLink(ApiModel):
    """For whom a link is made."""

    reader: Address


class PersonalLink(ApiModel):
    """A link for one person, good for whoever has it. It is shown this once."""

    url: str
    reader: str
    until: datetime


def share_operations(
    store: ContentStore, access: FileAccess, base_url: Callable[[], str]
) -> list[Operation]:
    """Return the operations on who may fetch a file. base_url: what links begin with."""

    def own(call: Call) -> tuple[str, str, Kept]:
        token, owner = call.path["token"], owner_of(call)
        kept = store.owned(token, owner)
        if kept is None:
            raise Problem("not-found", "there is no such file of the user")
        return token, owner, kept

    async def list_readers(call: Call) -> Readers:
        kept = own(call)[2]
        given = [Reader(reader=who, link=False) for who in kept.readers]
        linked = dict.fromkeys(who for _, who in kept.links)
        given += [Reader(reader=who, link=True) for who in linked]
        return Readers(until=timestamp(kept.expires_at), readers=given)

    async def share_file(call: Call) -> None:
        token, owner, _ = own(call)
        try:
            await store.share(token, owner, (aor_of(call.path["reader"]),))
        except ContentRefused as refused:
            raise store_refused(refused) from None

    async def make_link(call: Call) -> PersonalLink:
        token, owner, kept = own(call)
        reader = aor_of(call.body.reader)
        try:
            made = await store.link_for(token, owner, reader)
        except ContentRefused as refused:
            raise store_refused(refused) from None
        url = link_to(base_url(), made)
        return PersonalLink(url=url, reader=reader, until=timestamp(kept.expires_at))

    async def withdraw_file(call: Call) -> None:
        token, owner, _ = own(call)
        try:
            done = await store.withdraw(token, owner, aor_of(call.path["reader"]))
        except ContentRefused as refused:
            raise store_refused(refused) from None
        if not done:
            raise Problem("not-found", "they could not fetch it")

    texts = {
        "aor": "The owner, such as sip:alice@ims.test.",
        "token": "The end of the file's own link.",
        "reader": "A user, or a group.",
    }
    file = {name: texts[name] for name in ("aor", "token")}
    path, one = "/users/{aor}/files/{token}", "/users/{aor}/files/{token}/readers/{reader}"
    known = ("sender-not-allowed", "not-found")
    changed = (*known, "not-now", "unavailable")
    return [
        Operation(
            "GET", path + "/readers", list_readers, "Ask who may fetch a file",
            access.users, "messages:read", answer=Readers, problems=known,
            path_texts=file, tag="files",
        ),
        Operation(
            "PUT", one, share_file, "Let somebody fetch a file, with their own credentials",
            access.users, "messages:send", problems=changed, path_texts=texts, tag="files",
        ),
        Operation(
            "DELETE", one, withdraw_file, "Let somebody fetch a file no more",
            access.users, "messages:send", problems=changed, path_texts=texts, tag="files",
        ),
        Operation(
            "POST", path + "/links", make_link, "Make a link for one person, without credentials",
            access.users, "messages:send", body=NewLink, answer=PersonalLink, status=201,
            problems=changed, path_texts=file, tag="files",
        ),
    ]  # fmt: skip
