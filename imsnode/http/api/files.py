# SPDX-License-Identifier: Apache-2.0
"""Files that messages refer to: uploaded by users, fetched by those they are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from sip.bodies import external_body, filetransfer
from sip.errors import SipError
from sip.uri import parse_uri

from ...content import ContentRefused, ContentStore, Found, Kept
from ...identity.accounts import Account
from ...identity.tokens import ApiToken
from .history import HistoryAccess
from .operation import Call, Operation
from .problems import Problem

__all__ = [
    "FileAccess",
    "base_name",
    "described",
    "file_answer",
    "file_operations",
    "file_owner",
    "link_to",
    "owner_of",
    "store_refused",
]

_KINDS = {
    "type": "type-refused",
    "size": "too-large",
    "quota": "too-large",
    "full": "unavailable",
    "infected": "content-refused",
    "unavailable": "unavailable",
    "readers": "not-now",
}
_NAME = re.compile(r'filename="?([^";]{1,200})"?')
_NOT_YOURS = "there is no such file of the user"
_GONE = "there is no such file, or its link has ended"
# What a browser must not take for a page of this node's own.
_FETCHED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, max-age=3600",
    "Referrer-Policy": "no-referrer",
}


class UploadHeader(BaseModel):
    """What an upload says of its content."""

    model_config = ConfigDict(extra="ignore")

    content_type: str = Field(
        alias="content-type", max_length=200, pattern=r"^[!-~]+/[ -~]+$", description="Of the file."
    )
    content_length: int = Field(alias="content-length", ge=0, description="Octets of the file.")
    content_disposition: str = Field(
        default="",
        alias="content-disposition",
        max_length=500,
        description='Its name: attachment; filename="photo.jpg".',
    )
    accept: str = Field(
        default="application/json",
        max_length=500,
        description="application/json, application/vnd.gsma.rcs-ft-http+xml (RCC.07) or "
        "message/external-body (RFC 4483): the last two are bodies to be sent as they are.",
    )


class FileLink(BaseModel):
    """Where a file is to be fetched."""

    url: str
    until: datetime = Field(description="When the link ends.")
    size: int
    content_type: str
    name: str
    sha256: str


class FileAccess:
    """Who may fetch files: their owners and readers, by digest or a token that acts for them.

    Args: realms: of the users served here. member: tells whether an AoR is in a group.
    """

    name = "digest"

    def __init__(
        self,
        store: ContentStore,
        users: HistoryAccess,
        realms: Callable[[], Sequence[str]],
        member: Callable[[str, str], bool],
    ) -> None:
        self.scheme: Mapping[str, str] = users.scheme
        self.users = users
        self._store = store
        self._realms = realms
        self._member = member

    async def admit(self, request: Request, scope: str) -> Found:
        """Return what a link leads to, for those it is for. Raises: Problem."""
        found = self._store.find(request.path_params["token"])
        if found is None:
            raise Problem("not-found", _GONE)
        if self._store.settings.open or found.person:
            return found
        kept = found.kept
        own = kept.owner.rpartition("@")[2]
        realms = sorted(self._realms(), key=lambda realm: realm != own)
        caller = await self.users.admit_any(request, scope, realms)
        if not any(self._is(caller, who) for who in (kept.owner, *kept.readers)):
            raise Problem("sender-not-allowed", "the file is for others")
        return found

    def _is(self, caller: Account | ApiToken, who: str) -> bool:
        """Say whether somebody is, or may act for, one of those a file is for."""
        names: Sequence[str] = (caller.aor,) if isinstance(caller, Account) else caller.senders
        if isinstance(caller, ApiToken) and caller.may_act_for(who):
            return True
        return any(
            name == who or who == "*@" + name.rpartition("@")[2] or self._member(who, name)
            for name in names
        )


def file_operations(
    store: ContentStore, access: FileAccess, base_url: Callable[[], str]
) -> list[Operation]:
    """Return the operations on files. base_url: what links begin with."""

    async def upload(call: Call) -> FileLink | Response:
        owner = file_owner(store, call)
        header: UploadHeader = call.header
        try:
            token, kept = await store.put(
                owner,
                header.content_type,
                file_name(header.content_disposition),
                header.content_length,
                call.request.stream(),
            )
        except ContentRefused as refused:
            raise store_refused(refused) from None
        except ClientDisconnect:
            raise Problem("invalid-request", "the file did not come to its end") from None
        return _answer(header.accept, link_to(base_url(), token), kept)

    async def fetch(call: Call) -> Response:
        found: Found = call.caller
        kept = found.kept
        name = quote(kept.name or "file")
        disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return FileResponse(found.path, 200, _FETCHED | disposition, kept.content_type)

    async def remove(call: Call) -> None:
        if not store.remove(call.path["token"], owner_of(call)):
            raise Problem("not-found", _NOT_YOURS)

    texts = {"aor": "The user, such as sip:alice@ims.test.", "token": "The end of the link."}
    mine = {"aor": texts["aor"]}
    return [
        Operation(
            "POST", "/users/{aor}/files", upload, "Upload a file that a message will refer to",
            access.users, "messages:send", header=UploadHeader, answer=FileLink, status=201,
            problems=("sender-not-allowed", "not-found", "not-now", "too-large", "type-refused",
                      "content-refused", "unavailable"),
            path_texts=mine, tag="files",
        ),
        Operation(
            "DELETE", "/users/{aor}/files/{token}", remove, "Remove a file; its links end",
            access.users, "messages:send", problems=("sender-not-allowed", "not-found"),
            path_texts=texts, tag="files",
        ),
        Operation(
            "GET", "/files/{token}", fetch, "Fetch a file by its link", access, "messages:read",
            problems=("sender-not-allowed", "not-found"),
            path_texts={"token": texts["token"]}, tag="files",
        ),
    ]  # fmt: skip


def file_owner(store: ContentStore, call: Call) -> str:
    """Return the user of the path, who may upload. Raises: Problem."""
    owner = owner_of(call)
    if not store.may_upload(owner):
        raise Problem("not-now", "the user's domain keeps no files")
    return owner


def store_refused(refused: ContentRefused) -> Problem:
    """Return the problem that a refusal of the store is."""
    later = {"Retry-After": "5"} if _KINDS[refused.kind] == "unavailable" else {}
    return Problem(_KINDS[refused.kind], refused.detail, later)


def link_to(base: str, token: str) -> str:
    """Return the URL of a file."""
    return f"{base}/api/v1/files/{token}"


def owner_of(call: Call) -> str:
    """Return the user of the path, for whom the caller may act."""
    try:
        aor = parse_uri(call.path["aor"].encode("ascii")).aor
    except (SipError, UnicodeEncodeError):
        raise Problem("not-found", "there is no such user") from None
    caller: Account | ApiToken = call.caller
    good = caller.may_act_for(aor) if isinstance(caller, ApiToken) else caller.aor == aor
    if not good:
        raise Problem("sender-not-allowed", "you are somebody else")
    return aor


def file_name(disposition: str) -> str:
    """Return the name of a file out of a Content-Disposition."""
    found = _NAME.search(disposition)
    return base_name(found[1]) if found else ""


def base_name(path: str) -> str:
    """Return the last part of a file's name; what could be a path is none."""
    name = re.split(r"[/\\]", path)[-1].strip()
    return "".join([c for c in name if c.isprintable()])


def _answer(accept: str, url: str, kept: Kept) -> FileLink | Response:
    until = datetime.fromtimestamp(int(kept.expires_at), UTC)
    if filetransfer.MEDIA_TYPE.decode() in accept:
        return file_answer(filetransfer.FileTransfer(described(url, kept)), 201)
    if external_body.MEDIA_TYPE.decode() in accept:
        kind, body = external_body.build_external_body(
            url.encode(), kept.content_type.encode(), kept.size, kept.expires_at,
            kept.digest.encode() + b"@content.invalid",
        )  # fmt: skip
        return Response(body, 201, {"Content-Type": kind.decode()})
    return FileLink(
        url=url, until=until, size=kept.size, content_type=kept.content_type, name=kept.name,
        sha256=kept.digest,
    )  # fmt: skip


def described(url: str, kept: Kept) -> filetransfer.File:
    """Return a file as RCC.07 describes it."""
    until = datetime.fromtimestamp(int(kept.expires_at), UTC).isoformat().replace("+00:00", "Z")
    return filetransfer.File(url, kept.size, kept.content_type, until, kept.name)


def file_answer(transfer: filetransfer.FileTransfer, status: int) -> Response:
    """Return the answer that describes a file as a message about it does (RCC.07)."""
    body = filetransfer.build_file_transfer(transfer)
    return Response(body, status, media_type=filetransfer.MEDIA_TYPE.decode())
