# SPDX-License-Identifier: Apache-2.0
"""Files that messages refer to: uploaded by users, fetched by whoever has the link."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response

from sip.bodies import external_body, filetransfer
from sip.errors import SipError
from sip.uri import parse_uri

from ...content import ContentRefused, ContentStore, Kept
from ...identity.accounts import Account
from ...identity.tokens import ApiToken
from .operation import Call, Operation, Security
from .problems import Problem

__all__ = ["file_operations", "link_to"]

_KINDS = {
    "type": "type-refused",
    "size": "too-large",
    "quota": "too-large",
    "full": "unavailable",
    "infected": "content-refused",
    "unavailable": "unavailable",
}
_NAME = re.compile(r'filename="?([^";]{1,200})"?')
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


def file_operations(
    store: ContentStore, security: Security, base_url: Callable[[], str]
) -> list[Operation]:
    """Return the operations on files. base_url: what links begin with."""

    async def upload(call: Call) -> FileLink | Response:
        owner = _owner(call)
        if not store.may_upload(owner):
            raise Problem("not-now", "the user's domain keeps no files")
        header: UploadHeader = call.header
        try:
            token, kept = await store.put(
                owner,
                header.content_type,
                _name(header.content_disposition),
                header.content_length,
                call.request.stream(),
            )
        except ContentRefused as refused:
            raise Problem(_KINDS[refused.kind], refused.detail) from None
        except ClientDisconnect:
            raise Problem("invalid-request", "the file did not come to its end") from None
        return _answer(header.accept, link_to(base_url(), token), kept)

    async def fetch(call: Call) -> Response:
        found = store.find(call.path["token"])
        if found is None:
            raise Problem("not-found", "there is no such file, or its link has ended")
        kept, file = found
        name = quote(kept.name or "file")
        disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return FileResponse(file, 200, _FETCHED | disposition, kept.content_type)

    async def remove(call: Call) -> None:
        if not store.remove(call.path["token"], _owner(call)):
            raise Problem("not-found", "there is no such file of the user")

    texts = {"aor": "The user, such as sip:alice@ims.test.", "token": "The end of the link."}
    mine = {"aor": texts["aor"]}
    return [
        Operation(
            "POST", "/users/{aor}/files", upload, "Upload a file that a message will refer to",
            security, "messages:send", header=UploadHeader, answer=FileLink, status=201,
            problems=("sender-not-allowed", "not-now", "too-large", "type-refused",
                      "content-refused", "unavailable"),
            path_texts=mine, tag="files",
        ),
        Operation(
            "DELETE", "/users/{aor}/files/{token}", remove, "Remove a file; its link ends",
            security, "messages:send", problems=("sender-not-allowed", "not-found"),
            path_texts=texts, tag="files",
        ),
        Operation(
            "GET", "/files/{token}", fetch, "Fetch a file by its link", problems=("not-found",),
            path_texts={"token": texts["token"]}, tag="files",
        ),
    ]  # fmt: skip


def link_to(base: str, token: str) -> str:
    """Return the URL of a file."""
    return f"{base}/api/v1/files/{token}"


def _owner(call: Call) -> str:
    """Return the user of the path, for whom the caller may act."""
    try:
        aor = parse_uri(call.path["aor"].encode("ascii")).aor
    except (SipError, UnicodeEncodeError):
        raise Problem("not-found", "there is no such user") from None
    caller: Account | ApiToken = call.caller
    good = caller.may_act_for(aor) if isinstance(caller, ApiToken) else caller.aor == aor
    if not good:
        raise Problem("sender-not-allowed", "these are not your files")
    return aor


def _name(disposition: str) -> str:
    """Return the last part of the file's name; what could be a path is none."""
    found = _NAME.search(disposition)
    name = re.split(r"[/\\]", found[1])[-1].strip() if found else ""
    return "".join([c for c in name if c.isprintable()])


def _answer(accept: str, url: str, kept: Kept) -> FileLink | Response:
    until = datetime.fromtimestamp(int(kept.expires_at), UTC)
    if filetransfer.MEDIA_TYPE.decode() in accept:
        text = until.isoformat().replace("+00:00", "Z")
        file = filetransfer.File(url, kept.size, kept.content_type, text, kept.name)
        body = filetransfer.build_file_transfer(filetransfer.FileTransfer(file))
        return Response(body, 201, media_type=filetransfer.MEDIA_TYPE.decode())
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
