# SPDX-License-Identifier: Apache-2.0
"""The control socket's routes: what commands may ask of the running node."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..recalls import RecallResult
from ..trace import Subscription, TraceFull, TraceHub

__all__ = [
    "ControlPlane",
    "ControlRefused",
    "DocumentAnswer",
    "ReloadResult",
    "SubmitMessage",
    "SubmitResult",
    "make_control_app",
]

#: Reasons for which a subscription may end (RFC 6665 4.1.3).
REASONS = frozenset(
    ("deactivated", "probation", "rejected", "timeout", "giveup", "noresource", "invariant")
)

_log = logging.getLogger(__name__)


class ControlRefused(Exception):
    """The node will not do what was asked; str() says why and is shown to the operator."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """Keys of settings that changed: in force now, or after a restart."""

    applied: list[str]
    needs_restart: list[str]


@dataclass(frozen=True, slots=True)
class SubmitMessage:
    """A message to be sent in the name of a local user; addresses are canonical AoRs."""

    sender: str
    recipient: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of a submitted message; status is the SIP status its sender would have seen."""

    message_id: str
    status: int
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class DocumentAnswer:
    """What became of a request for an XCAP document. content: of a GET."""

    status: int
    etag: str
    media_type: str = ""
    content: bytes = b""


class ControlPlane(Protocol):
    """What the node offers to its operator. Every method may raise ControlRefused."""

    async def reload(self) -> ReloadResult:
        """Read the configuration again; a bad one is refused and changes nothing."""

    async def users_changed(self, aors: Sequence[str] | None) -> int:
        """Read accounts again, all with None; returns how many."""

    async def user_erased(self, aor: str) -> tuple[int, int]:
        """Erase a user from charging records and files; returns how many changed, and went."""

    async def tokens_changed(self) -> int:
        """Read the tokens of the HTTP API again; returns how many there are."""

    async def peers_changed(self) -> int:
        """Read the stored peers again; returns how many peers take requests."""

    def peers(self) -> Sequence[Mapping[str, object]]:
        """Say how the addresses of all peers do."""

    async def profiles_changed(self) -> int:
        """Read the filter criteria again; returns how many users have some."""

    async def services_changed(self) -> int:
        """Read the service accounts again; returns how many there are."""

    async def groups_changed(self) -> int:
        """Read the groups again; returns how many there are."""

    async def rooms_changed(self, rooms: Sequence[str] | None) -> int:
        """Put in force what changed of rooms in the database, of all with None; returns how many
        there are.
        """

    def kick_from_room(self, room: str, who: str) -> int:
        """Hang up on somebody in a room; returns how many sessions ended."""

    async def invite_to_room(self, room: str, people: Sequence[str]) -> int:
        """Call people into a room; returns how many devices ring."""

    def room_participants(self, room: str) -> Sequence[Mapping[str, object]]:
        """Say who is in a room now."""

    async def broadcasts_changed(self) -> int:
        """Take up broadcasts that were begun, drop those that were ended; returns how many run."""

    async def policies_changed(self, aors: Sequence[str] | None) -> int:
        """Read policies of users again, all with None; returns how many."""

    async def remove_binding(self, aor: str, contact: str | None) -> int:
        """Remove one binding, all with None; returns how many."""

    async def remove_subscription(self, number: int, reason: str, retry_after: int) -> int:
        """End a subscription for a reason of RFC 6665; returns how many."""

    async def submit_message(self, request: SubmitMessage) -> SubmitResult:
        """Send a message in the name of a local user."""

    async def recall_message(self, identity: str, sender: str) -> list[RecallResult]:
        """Take a message back; "" as sender is the operator."""

    async def document(self, method: str, target: str, content: bytes) -> DocumentAnswer:
        """Get, put or delete an XCAP document or a node of it, as the operator."""

    def sessions(self) -> Sequence[Mapping[str, object]]:
        """List the MSRP sessions that pass through the node."""

    async def flush_ledger(self) -> None:
        """Return when the ledger so far can be read from the database."""

    def status(self) -> Mapping[str, object]:
        """Return what an operator looks at first; plain values."""


class _BadBody(Exception):
    """The request's body is not what the route takes."""


_Handler = Callable[[Request], Awaitable[Response]]


def make_control_app(plane: ControlPlane, trace: TraceHub) -> Starlette:
    """Return the application of the control socket. Who can open the socket may do everything."""

    async def reload(_request: Request) -> Response:
        return JSONResponse(asdict(await plane.reload()))

    async def users_changed(request: Request) -> Response:
        return JSONResponse({"count": await plane.users_changed(_aors(await _body(request)))})

    async def policies_changed(request: Request) -> Response:
        return JSONResponse({"count": await plane.policies_changed(_aors(await _body(request)))})

    async def user_erased(request: Request) -> Response:
        body = await _body(request)
        records, files = await plane.user_erased(_string(body, "aor"))
        return JSONResponse({"records": records, "files": files})

    async def tokens_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.tokens_changed()})

    async def peers_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.peers_changed()})

    async def peers(_request: Request) -> Response:
        return JSONResponse({"peers": plane.peers()})

    async def profiles_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.profiles_changed()})

    async def services_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.services_changed()})

    async def groups_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.groups_changed()})

    async def rooms_changed(request: Request) -> Response:
        rooms = _aors(await _body(request), "rooms")
        return JSONResponse({"count": await plane.rooms_changed(rooms)})

    async def kick_from_room(request: Request) -> Response:
        body = await _body(request)
        ended = plane.kick_from_room(_string(body, "room"), _string(body, "who"))
        return JSONResponse({"ended": ended})

    async def invite_to_room(request: Request) -> Response:
        body = await _body(request)
        called = await plane.invite_to_room(_string(body, "room"), _aors(body, "people") or [])
        return JSONResponse({"called": called})

    async def room_participants(request: Request) -> Response:
        found = plane.room_participants(_string(await _body(request), "room"))
        return JSONResponse({"participants": found})

    async def broadcasts_changed(_request: Request) -> Response:
        return JSONResponse({"count": await plane.broadcasts_changed()})

    async def remove_binding(request: Request) -> Response:
        body = await _body(request)
        contact = None if body.get("contact") is None else _string(body, "contact")
        return JSONResponse({"removed": await plane.remove_binding(_string(body, "aor"), contact)})

    async def remove_subscription(request: Request) -> Response:
        body = await _body(request)
        number, retry_after = body.get("number"), body.get("retry_after", -1)
        reason = _string(body, "reason")
        if not isinstance(number, int):
            raise _BadBody("number")
        if not isinstance(retry_after, int):
            raise _BadBody("retry_after")
        if reason not in REASONS:
            raise _BadBody("reason")
        removed = await plane.remove_subscription(number, reason, retry_after)
        return JSONResponse({"removed": removed})

    async def submit(request: Request) -> Response:
        message = _message(await _body(request))
        return JSONResponse(asdict(await plane.submit_message(message)))

    async def recall(request: Request) -> Response:
        body = await _body(request)
        sender = "" if body.get("from") is None else _string(body, "from")
        results = await plane.recall_message(_string(body, "id"), sender)
        return JSONResponse({"results": [asdict(result) for result in results]})

    async def document(request: Request) -> Response:
        body = await _body(request)
        content = _octets(body, "content_base64")
        done = await plane.document(_string(body, "method"), _string(body, "target"), content)
        shown = base64.b64encode(done.content).decode()
        return JSONResponse(
            {
                "status": done.status,
                "etag": done.etag,
                "media_type": done.media_type,
                "content_base64": shown,
            }
        )

    async def status(_request: Request) -> Response:
        return JSONResponse(dict(plane.status()))

    async def sessions(_request: Request) -> Response:
        return JSONResponse({"sessions": plane.sessions()})

    async def flush(_request: Request) -> Response:
        await plane.flush_ledger()
        return JSONResponse({"flushed": True})

    async def follow(request: Request) -> Response:
        try:
            subscription = trace.subscribe(
                bodies=request.query_params.get("bodies") == "1",
                contains=request.query_params.get("contains", ""),
            )
        except TraceFull:
            return _error(503, "too many traces are running")
        return StreamingResponse(_follow(subscription), media_type="application/x-ndjson")

    return Starlette(
        routes=[
            Route("/reload", _guarded(reload), methods=["POST"]),
            Route("/users/changed", _guarded(users_changed), methods=["POST"]),
            Route("/users/erased", _guarded(user_erased), methods=["POST"]),
            Route("/tokens/changed", _guarded(tokens_changed), methods=["POST"]),
            Route("/peers/changed", _guarded(peers_changed), methods=["POST"]),
            Route("/peers", _guarded(peers)),
            Route("/profiles/changed", _guarded(profiles_changed), methods=["POST"]),
            Route("/services/changed", _guarded(services_changed), methods=["POST"]),
            Route("/groups/changed", _guarded(groups_changed), methods=["POST"]),
            Route("/rooms/changed", _guarded(rooms_changed), methods=["POST"]),
            Route("/rooms/kick", _guarded(kick_from_room), methods=["POST"]),
            Route("/rooms/invite", _guarded(invite_to_room), methods=["POST"]),
            Route("/rooms/participants", _guarded(room_participants), methods=["POST"]),
            Route("/broadcasts/changed", _guarded(broadcasts_changed), methods=["POST"]),
            Route("/policies/changed", _guarded(policies_changed), methods=["POST"]),
            Route("/bindings/remove", _guarded(remove_binding), methods=["POST"]),
            Route("/subscriptions/remove", _guarded(remove_subscription), methods=["POST"]),
            Route("/messages", _guarded(submit), methods=["POST"]),
            Route("/messages/recall", _guarded(recall), methods=["POST"]),
            Route("/documents", _guarded(document), methods=["POST"]),
            Route("/ledger/flush", _guarded(flush), methods=["POST"]),
            Route("/sessions", _guarded(sessions)),
            Route("/status", _guarded(status)),
            Route("/trace", _guarded(follow)),
        ]
    )


def _guarded(handler: _Handler) -> _Handler:
    """Turn refusals into answers, and faults into an answer without their inside (rule O2)."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except _BadBody as error:
            return _error(400, str(error))
        except ControlRefused as error:
            return _error(409, str(error))
        except HTTPException:
            raise
        except Exception:  # noqa: BLE001  # the edge of the process (rule G1)
            _log.exception("control request failed", extra={"path": request.url.path})
            return _error(500, "the node met an unexpected error; its log says more")

    return answer


async def _follow(subscription: Subscription) -> AsyncIterator[bytes]:
    try:
        yield b'{"trace":"started"}\n'
        async for line in subscription:
            yield line
    finally:
        subscription.close()


async def _body(request: Request) -> Mapping[str, object]:
    octets = await request.body()
    try:
        body = json.loads(octets or b"{}")
    except ValueError as error:
        raise _BadBody("the body is not JSON") from error
    if not isinstance(body, dict):
        raise _BadBody("the body must be a JSON object")
    return body


def _aors(body: Mapping[str, object], key: str = "aors") -> list[str] | None:
    aors = body.get(key)
    if aors is None:
        return None
    if not (isinstance(aors, list) and all(isinstance(aor, str) for aor in aors)):
        raise _BadBody(f"{key} must be a list of addresses or null")
    return aors


def _string(body: Mapping[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise _BadBody(f"{key} must be a non-empty string")
    return value


def _message(body: Mapping[str, object]) -> SubmitMessage:
    sender, recipient = _string(body, "from"), _string(body, "to")
    if "text" in body:
        text = body["text"]
        if not isinstance(text, str):
            raise _BadBody("text must be a string")
        try:
            return SubmitMessage(sender, recipient, "text/plain;charset=UTF-8", text.encode())
        except UnicodeEncodeError as error:
            raise _BadBody("text holds half a character") from error
    octets = _octets(body, "body_base64")
    if not octets:
        raise _BadBody("body_base64 must be a non-empty string")
    content_type = _string(body, "content_type")
    if not content_type.isascii() or not content_type.isprintable():
        raise _BadBody("content_type must be printable ASCII")
    return SubmitMessage(sender, recipient, content_type, octets)


def _octets(body: Mapping[str, object], key: str) -> bytes:
    value = body.get(key, "")
    try:
        return base64.b64decode(value if isinstance(value, str) else "*", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _BadBody(f"{key} is not base64") from error


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
