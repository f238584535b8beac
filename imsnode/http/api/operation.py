# SPDX-License-Identifier: Apache-2.0
"""An operation of the API: the one place that says what it takes, gives and is called.

Routes and the OpenAPI document are both made of these, so they cannot disagree.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .problems import FieldError, Problem, problem_response

__all__ = ["Call", "Operation", "Security", "routes"]

_log = logging.getLogger(__name__)

_KIND_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
_ERRORS = 20  # fields named in one refusal


class Security(Protocol):
    """A way to say who is asking."""

    name: str
    """As the OpenAPI document calls it."""

    scheme: Mapping[str, str]
    """The security scheme object of the OpenAPI document."""

    async def admit(self, request: Request, scope: str) -> Any:
        """Return who is asking, for the handler; raises Problem when that may not be done."""


# Any: each operation has its own models and, by its security, its own kind of caller.
@dataclass(frozen=True, slots=True)
class Call:
    """One request for an operation, checked. path: parameters of the path, decoded."""

    request: Request
    caller: Any
    path: Mapping[str, str]
    query: Any
    header: Any
    body: Any


Handler = Callable[[Call], Awaitable[BaseModel | Response | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What stands behind one method of one path.

    path: below /api/v1, parameters in braces. scope: what the caller must be good for. query,
    header, body, answer: models of what comes and goes; an operation without an answer gives 204.
    others: further good answers by status, each with its description and media type.
    problems: kinds of refusals beside those that any operation has. path_texts: what the
    parameters of the path are.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    security: Security | None = None
    scope: str = ""
    query: type[BaseModel] | None = None
    header: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    problems: tuple[str, ...] = ()
    path_texts: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    tag: str = ""

    async def run(self, request: Request) -> Response:
        """Admit, check, handle, answer. Raises Problem."""
        caller = None
        if self.security is not None:
            caller = await self.security.admit(request, self.scope)
        query = header = None
        if self.query is not None:
            query = _checked(self.query, dict(request.query_params))
        elif request.query_params:
            raise Problem("invalid-request", "the operation takes no query")
        if self.header is not None:
            names = [info.alias or name for name, info in self.header.model_fields.items()]
            given = {name: request.headers[name] for name in names if name in request.headers}
            header = _checked(self.header, given)
        body = await _body(self.body, request) if self.body is not None else None
        call = Call(request, caller, request.path_params, query, header, body)
        answer = await self.handler(call)
        if answer is None:
            return Response(status_code=204)
        if isinstance(answer, Response):
            return answer
        text = answer.model_dump_json(by_alias=True, exclude_none=True)
        return Response(text, self.status, media_type="application/json")


def routes(operations: Iterable[Operation]) -> list[BaseRoute]:
    """Return a route for each path, which knows all of its methods."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route(path, _endpoint(methods), methods=list(methods)) for path, methods in by_path.items()
    ]


def _endpoint(methods: Mapping[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await methods[method].run(request)
        except Problem as problem:
            return problem_response(problem)
        except HTTPException:
            raise
        except Exception:  # noqa: BLE001  # the edge of the process (rule G1)
            _log.exception("API request failed", extra={"path": request.url.path})
            return problem_response(Problem("unexpected", "the node's log says more"))

    return endpoint


async def refused(_request: Request, error: Exception) -> Response:
    """Turn what the framework refuses into a problem."""
    assert isinstance(error, HTTPException)
    kind = _KIND_OF_STATUS.get(error.status_code, "invalid-request")
    headers = dict(error.headers or {})
    return problem_response(Problem(kind, error.detail if kind == "too-large" else "", headers))


async def _body(model: type[BaseModel], request: Request) -> BaseModel:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("not-json", "send it as application/json")
    octets = await request.body()
    try:
        return model.model_validate_json(octets)
    except ValidationError as error:
        raise _invalid(error) from error


def _checked(model: type[BaseModel], given: Mapping[str, str]) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> Problem:
    errors = [
        FieldError(
            field=".".join(str(part) for part in one["loc"]) or "body", reason=one["msg"]
        ).model_dump()
        for one in error.errors(include_url=False, include_input=False)[:_ERRORS]
    ]
    first = errors[0]
    return Problem("invalid-request", f"{first['field']}: {first['reason']}", errors=errors)
