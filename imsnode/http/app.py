# SPDX-License-Identifier: Apache-2.0
"""The routes that every node has: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..metrics import Metrics

__all__ = ["Readiness", "make_app"]


class Readiness:
    """Why the node does not take traffic, by the part that says so.

    A part named at the start counts as "starting" until it says otherwise.
    """

    def __init__(self, *names: str) -> None:
        self._reasons: dict[str, str | None] = dict.fromkeys(names, "starting")
        self._watched: dict[str, Callable[[], str | None]] = {}

    def set(self, name: str, reason: str | None) -> None:
        """Note the reason of one part; None stands for "ready"."""
        self._reasons[name] = reason

    def watch(self, name: str, reason: Callable[[], str | None]) -> None:
        """Ask a part for its reason from now on, whenever somebody wants to know."""
        self._watched[name] = reason

    def reasons(self) -> dict[str, str]:
        """Return the parts that are not ready, with their reasons."""
        current = dict(self._reasons)
        for name, ask in self._watched.items():
            current[name] = ask()
        return {name: reason for name, reason in current.items() if reason is not None}

    @property
    def ready(self) -> bool:
        """True when no part has a reason not to be."""
        return not self.reasons()


def make_app(
    readiness: Readiness, metrics: Metrics, extra_routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """Return the application of the HTTP listener."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        reasons = readiness.reasons()
        body = {"ready": not reasons, "reasons": reasons}
        return JSONResponse(body, status_code=503 if reasons else 200)

    async def scrape(_request: Request) -> Response:
        payload, content_type = metrics.render()
        return Response(payload, headers={"content-type": content_type})

    routes: list[BaseRoute] = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", scrape),
        *extra_routes,
    ]
    return Starlette(routes=routes)
