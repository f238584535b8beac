# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document, made of the same operations as the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .operation import Operation
from .problems import KINDS, MEDIA_TYPE, ProblemDetails

__all__ = ["document"]

# Any: JSON.
Json = dict[str, Any]
_Mode = Literal["validation", "serialization"]

_ALWAYS = ("invalid-request", "unexpected")
_SECURED = ("no-credentials", "bad-credentials", "scope-missing", "too-many-requests")
_WITH_BODY = ("too-large", "not-json")


def document(operations: Sequence[Operation], version: str) -> Json:
    """Return the document (OpenAPI 3.1)."""
    wanted: list[tuple[type[BaseModel], _Mode]] = [(ProblemDetails, "serialization")]
    for one in operations:
        wanted += [(model, "validation") for model in (one.query, one.header, one.body) if model]
        if one.answer is not None:
            wanted.append((one.answer, "serialization"))
    wanted = list(dict.fromkeys(wanted))
    refs, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    schemas: Json = definitions.get("$defs", {})
    used = {one.security.name: dict(one.security.scheme) for one in operations if one.security}
    paths: Json = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, refs, schemas)
    # Parameters are spelled out where they are used.
    for model in {model for one in operations for model in (one.query, one.header) if model}:
        schemas.pop(refs[model, "validation"]["$ref"].rpartition("/")[2], None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imsnode",
            "version": version,
            "description": "Messages by HTTP: send, ask what became of them, fetch.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": used},
    }


def _operation(one: Operation, refs: Mapping[Any, Json], schemas: Json) -> Json:
    made: Json = {
        "operationId": one.handler.__name__,
        "summary": one.summary,
        "responses": _responses(one, refs),
    }
    if one.tag:
        made["tags"] = [one.tag]
    if one.security is not None:
        made["security"] = [{one.security.name: []}]
        if one.scope:
            made["description"] = f"Needs the scope `{one.scope}`."
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": one.path_texts.get(name, name),
            "schema": {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    for place, model in (("query", one.query), ("header", one.header)):
        if model is not None:
            name = refs[model, "validation"]["$ref"].rpartition("/")[2]
            parameters += _parameters(place, schemas[name])
    if parameters:
        made["parameters"] = parameters
    if one.body is not None:
        content = {"application/json": {"schema": refs[one.body, "validation"]}}
        made["requestBody"] = {"required": True, "content": content}
    return made


def _parameters(place: str, schema: Json) -> list[Json]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": place,
            "required": name in required,
            "description": field.get("description", name),
            "schema": {key: value for key, value in field.items() if key != "description"},
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _responses(one: Operation, refs: Mapping[Any, Json]) -> Json:
    good: Json = {"description": "Done."}
    status = 204
    if one.answer is not None:
        status = one.status
        schema = refs[one.answer, "serialization"]
        good = {"description": one.summary, "content": {"application/json": {"schema": schema}}}
    responses: Json = {str(status): good}
    for number, (text, media) in one.others.items():
        responses[str(number)] = {"description": text, "content": {media: {}}}
    problem = {MEDIA_TYPE: {"schema": refs[ProblemDetails, "serialization"]}}
    for number, titles in sorted(_titles(one).items()):
        responses[str(number)] = {"description": "; ".join(titles) + ".", "content": problem}
    return responses


def _titles(one: Operation) -> dict[int, list[str]]:
    kinds: Iterable[str] = (
        *_ALWAYS,
        *(_SECURED if one.security is not None else ()),
        *(_WITH_BODY if one.body is not None else ()),
        *one.problems,
    )
    titles: dict[int, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        status, title = KINDS[kind]
        titles.setdefault(status, []).append(title)
    return titles
