# SPDX-License-Identifier: Apache-2.0
"""Refusals of the API, as RFC 9457 problem details."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field
from starlette.responses import Response

__all__ = ["KINDS", "FieldError", "Problem", "ProblemDetails", "problem_response"]

MEDIA_TYPE = "application/problem+json"
_URN = "urn:imsnode:problem:"

#: Status and title of every kind; the kind is the end of the problem's type.
KINDS: Mapping[str, tuple[int, str]] = {
    "invalid-request": (400, "The request is not what the operation takes"),
    "no-credentials": (401, "Credentials are needed"),
    "bad-credentials": (401, "The credentials are not good"),
    "scope-missing": (403, "The token is not good for this"),
    "sender-not-allowed": (403, "The token may not act for this address"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The resource does not take this method"),
    "not-now": (409, "The state of the resource forbids it"),
    "too-large": (413, "The content is too large"),
    "type-refused": (415, "Files of this type are not taken"),
    "not-a-form": (415, "The content is not multipart/form-data"),
    "not-json": (415, "The content is not JSON"),
    "unknown-recipient": (422, "A recipient is not served here"),
    "not-accepted": (422, "Nobody took the message"),
    "content-refused": (422, "The content must not be passed on"),
    "key-reused": (422, "The idempotency key belongs to another request"),
    "too-many-requests": (429, "Too many requests"),
    "unexpected": (500, "The node met an unexpected error"),
    "unavailable": (503, "The node cannot do this now"),
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Where it stands, names and positions joined by dots.")
    reason: str


class ProblemDetails(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="URN of the kind of problem; stable.")
    title: str
    status: int
    detail: str = Field(default="", description="What was wrong this time.")
    errors: list[FieldError] | None = Field(
        default=None, description="The fields at fault, of an invalid request."
    )


class Problem(Exception):
    """A request is refused. headers: of the answer; a name may be there more than once.

    ``more``: further members of the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: str = "",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = list(headers.items() if isinstance(headers, Mapping) else headers)
        self.more = more

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.kind][0]


def problem_response(problem: Problem) -> Response:
    """Return the answer that states a problem."""
    status, title = KINDS[problem.kind]
    content: dict[str, object] = {"type": _URN + problem.kind, "title": title, "status": status}
    if problem.detail:
        content["detail"] = problem.detail
    content.update(problem.more)
    text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    response = Response(text, status, media_type=MEDIA_TYPE)
    for name, value in problem.headers:
        response.headers.append(name, value)
    return response
