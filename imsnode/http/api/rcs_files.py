# SPDX-License-Identifier: Apache-2.0
"""File transfer over HTTP as RCS clients do it (GSMA RCC.07): one address for all users.

A client asks with an empty POST whether it has to authenticate (401, else 204), then sends a form:
``tid``, a name for the upload; perhaps ``Thumbnail``, a small picture; ``File``. The answer is the
body of the message about the file.
"""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sip.bodies.filetransfer import MEDIA_TYPE, FileTransfer

from ...content import ContentRefused, ContentStore, Kept
from ...identity.accounts import Account
from ...identity.tokens import ApiToken
from ..form import BadForm, FormPart, boundary_of, form_parts
from .files import FileAccess, base_name, described, file_answer, link_to, store_refused
from .history import HistoryAccess
from .operation import Call, Operation
from .problems import Problem

__all__ = ["rcs_file_operations"]

_FORM = "multipart/form-data"
_TID_BYTES = 255
_FORM_S = 1200.0


class FormHeader(BaseModel):
    """What a form says of itself."""

    model_config = ConfigDict(extra="ignore")

    content_type: str = Field(
        default="", alias="content-type", max_length=200, description=_FORM + " with its boundary."
    )


class _AnyUser:
    """Admits whoever of the users shows credentials."""

    name = "digest"

    def __init__(self, users: HistoryAccess, realms: Callable[[], Sequence[str]]) -> None:
        self.scheme: Mapping[str, str] = users.scheme
        self._users = users
        self._realms = realms

    async def admit(self, request: Request, scope: str) -> Account | ApiToken:
        """Return who asks. Raises: Problem."""
        return await self._users.admit_any(request, scope, self._realms())


def rcs_file_operations(
    store: ContentStore,
    access: FileAccess,
    realms: Callable[[], Sequence[str]],
    base_url: Callable[[], str],
) -> list[Operation]:
    """Return the operation behind the address that RCS clients upload to."""

    async def upload_form(call: Call) -> Response:
        caller: Account | ApiToken = call.caller
        header: FormHeader = call.header
        if isinstance(caller, ApiToken):
            raise Problem("sender-not-allowed", "a token uploads to /users/{aor}/files")
        if not store.may_upload(caller.aor):
            raise Problem("not-now", "the user's domain keeps no files")
        announced = call.request.headers.get("content-length", "")
        if not header.content_type and not announced.strip("0"):
            return Response(status_code=204)
        try:
            boundary = boundary_of(header.content_type)
        except BadForm as error:
            raise Problem("not-a-form", str(error)) from None
        most = int(announced) if announced.isdecimal() else store.settings.file_bytes
        return await _Upload(store, caller.aor, base_url()).take(call.request, most, boundary)

    return [
        Operation(
            "POST", "/files", upload_form, "Upload a file as RCS clients do (RCC.07)",
            _AnyUser(access.users, realms), "messages:send", header=FormHeader,
            problems=("sender-not-allowed", "not-now", "too-large", "type-refused", "not-a-form",
                      "content-refused", "unavailable"),
            others={200: ("The body of a message about the file.", MEDIA_TYPE.decode())},
            tag="files",
        ),
    ]  # fmt: skip


class _Upload:
    """One form of one user."""

    def __init__(self, store: ContentStore, owner: str, base: str) -> None:
        self._store = store
        self._owner = owner
        self._base = base
        self._tokens: list[str] = []

    async def take(self, request: Request, octets: int, boundary: bytes) -> Response:
        """Keep what a form of at most so many octets brings, all or nothing, and describe it."""
        try:
            async with timeout(_FORM_S):
                transfer = await self._read(request, octets, boundary)
        except BaseException as error:
            for token in self._tokens:
                self._store.remove(token, self._owner)
            if isinstance(error, ContentRefused):
                raise store_refused(error) from None
            if isinstance(error, BadForm | ClientDisconnect | TimeoutError):
                detail = str(error) or "the form did not come to its end"
                raise Problem("invalid-request", detail) from None
            raise
        return file_answer(transfer, 200)

    async def _read(self, request: Request, octets: int, boundary: bytes) -> FileTransfer:
        most = min(octets, self._store.settings.file_bytes)
        thumbnail = file = None
        async for part in form_parts(request.stream(), boundary):
            if part.name == "tid":
                await part.text(_TID_BYTES)
            elif part.name == "Thumbnail" and thumbnail is None:
                thumbnail = await self._keep(part, most)
            elif part.name == "File" and file is None:
                file = await self._keep(part, most)
            else:
                raise BadForm("the form has something beside tid, Thumbnail and File")
        if file is None:
            raise BadForm("the form has no File")
        transfer = [
            described(link_to(self._base, token), kept)
            for token, kept in (file, *((thumbnail,) if thumbnail is not None else ()))
        ]
        return FileTransfer(*transfer)

    async def _keep(self, part: FormPart, most: int) -> tuple[str, Kept]:
        length = most if part.size is None else part.size
        token, kept = await self._store.put(
            self._owner, part.content_type, base_name(part.filename), length, part.chunks,
            exact=part.size is not None,
        )  # fmt: skip
        self._tokens.append(token)
        return token, kept
