# SPDX-License-Identifier: Apache-2.0
"""The application behind /api/v1."""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from .openapi import document
from .operation import Operation, refused, routes

__all__ = ["make_api"]


def make_api(operations: Sequence[Operation], version: str) -> Mount:
    """Return the API with its OpenAPI document, to be put beside the other routes."""
    text = json.dumps(document(operations, version))

    async def openapi(_request: Request) -> Response:
        return Response(text, media_type="application/json")

    app = Starlette(
        routes=[Route("/openapi.json", openapi), *routes(operations)],
        exception_handlers={HTTPException: refused},
    )
    # A path with a slash too many is another path.
    app.router.redirect_slashes = False
    return Mount("/api/v1", app)
