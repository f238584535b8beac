# SPDX-License-Identifier: Apache-2.0
"""Messages: submit them, ask what became of them."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Sequence
from dataclasses import replace

from pydantic import BaseModel
from starlette.responses import Response

from ...identity.tokens import ApiToken
from ...storage.errors import StorageError
from ...storage.story import Story
from .models import (
    Idempotency,
    MessageStatus,
    NewMessage,
    Outcome,
    Recalled,
    RecallOutcome,
    State,
    Submitted,
)
from .once import Once
from .operation import Call, Operation, Security
from .ports import MessageDesk, Outgoing, Result
from .problems import Problem
from .status import state_word, status_of, status_of_list

__all__ = ["message_operations"]

_STATUS: dict[State, int] = {"delivered": 200, "displayed": 200, "refused": 480, "expired": 480}

_UNREADABLE = "the ledger cannot be read"
_UNKNOWN = "no message of this id is known, or not to this token"


def message_operations(
    desk: MessageDesk, security: Security, wall: Callable[[], float]
) -> list[Operation]:
    """Return the operations on messages."""
    messages = _Messages(desk, wall)
    return [
        Operation(
            "POST",
            "/messages",
            messages.send_message,
            "Send a message to one or several recipients",
            security,
            "messages:send",
            header=Idempotency,
            body=NewMessage,
            answer=Submitted,
            status=202,
            problems=(
                "sender-not-allowed", "unknown-recipient", "not-accepted", "key-reused",
                "not-now", "too-large", "unavailable",
            ),
            tag="messages",
        ),
        Operation(
            "GET",
            "/messages/{id}",
            messages.get_message,
            "Ask what became of a message",
            security,
            "messages:read",
            answer=MessageStatus,
            problems=("not-found", "unavailable"),
            path_texts={"id": "Message id."},
            tag="messages",
        ),
        Operation(
            "DELETE",
            "/messages/{id}",
            messages.recall_message,
            "Take a message back, wherever it has not been delivered",
            security,
            "messages:send",
            answer=Recalled,
            problems=("not-found", "unavailable"),
            path_texts={"id": "Message id."},
            tag="messages",
        ),
    ]  # fmt: skip


class _Messages:
    """The handlers."""

    def __init__(self, desk: MessageDesk, wall: Callable[[], float]) -> None:
        self._desk = desk
        self._once = Once(desk, wall)

    async def send_message(self, call: Call) -> BaseModel | Response:
        """Submit a message, once for each idempotency key."""
        new: NewMessage = call.body
        token: ApiToken = call.caller
        header: Idempotency = call.header
        message, recipients = self._outgoing(new, token, header.key)
        return await self._once.answer(
            token, header.key, new, lambda: self._submit(message, recipients)
        )

    async def get_message(self, call: Call) -> MessageStatus:
        """Tell the state of a message to those who sent it or got it."""
        token: ApiToken = call.caller
        story = await self._story(call.path["id"])
        if not any(map(token.may_act_for, (story.sender, story.recipient))):
            raise Problem("not-found", _UNKNOWN)
        if story.recipient.startswith("sip:list@") and token.may_act_for(story.sender):
            try:
                return status_of_list(story, await self._desk.copies(story))
            except StorageError as error:
                raise Problem("unavailable", _UNREADABLE) from error
        return status_of(story, token.may_act_for(story.sender))

    async def recall_message(self, call: Call) -> Recalled:
        """Take a message back for its sender; doing so again tells the same."""
        token: ApiToken = call.caller
        story = await self._story(call.path["id"])
        if not token.may_act_for(story.sender):
            raise Problem("not-found", _UNKNOWN)
        results = await self._desk.recall(story.message_id, story.sender)
        return Recalled(
            messages=[
                RecallOutcome(id=one.message_id, to=one.recipient, state=one.state)
                for one in results
            ]
        )

    async def _story(self, identity: str) -> Story:
        try:
            story = await self._desk.story(identity)
        except StorageError as error:
            raise Problem("unavailable", _UNREADABLE) from error
        if story is None:
            raise Problem("not-found", _UNKNOWN)
        return story

    # -------------------------------------------------------------- submitting

    def _outgoing(
        self, new: NewMessage, token: ApiToken, key: str | None
    ) -> tuple[Outgoing, list[str]]:
        """Return a message as it is for everybody, and who they are."""
        sender = self._address("from", new.sender)
        if not token.may_act_for(sender) or not self._desk.is_user(sender):
            raise Problem("sender-not-allowed", f"the token may not send as {sender}")
        recipients = list(dict.fromkeys(self._address("to", text) for text in new.recipients))
        for aor in recipients:
            if not self._desk.may_receive(aor):
                raise Problem("unknown-recipient", f"to: {aor} is no user or group of this node")
        content_type, body = new.content
        if len(body) > self._desk.largest:
            raise Problem("too-large", f"a message holds at most {self._desk.largest} octets")
        headers = [(name.encode(), value.encode()) for name, value in new.headers.items()]
        if new.expires is not None:
            headers.append((b"Expires", b"%d" % new.expires))
        identity = f"{token.id} {key}" if key is not None else ""
        return Outgoing(sender, "", content_type, body, headers, identity), recipients

    def _address(self, field: str, text: str) -> str:
        try:
            return self._desk.address(text)
        except ValueError as error:
            raise Problem(
                "invalid-request",
                f"{field}: {error}",
                errors=[{"field": field, "reason": str(error)}],
            ) from error

    async def _submit(self, message: Outgoing, recipients: Sequence[str]) -> Submitted:
        users = [aor for aor in recipients if self._desk.is_user(aor)]
        alone = [aor for aor in recipients if len(users) < 2 or aor not in users]
        results: dict[str, Outcome] = {}
        list_id = None
        try:
            sent = await gather(*[self._desk.submit(_to(message, aor)) for aor in alone])
            results = {aor: _outcome(aor, result) for aor, result in zip(alone, sent, strict=True)}
            if len(users) > 1:
                whole = await self._desk.submit_list(message, users)
                list_id = whole.message_id or None
                results |= await self._copies(whole, message.sender, users)
        except ValueError as error:
            raise Problem("invalid-request", str(error)) from error
        outcomes = [results[aor] for aor in recipients]
        if all(outcome.state == "refused" for outcome in outcomes):
            detail = "; ".join(dict.fromkeys(f"{o.sip_status} {o.reason}" for o in outcomes))
            raise Problem(
                "not-accepted", detail, messages=[outcome.model_dump() for outcome in outcomes]
            )
        return Submitted(id=list_id, messages=outcomes)

    async def _copies(self, whole: Result, sender: str, users: Sequence[str]) -> dict[str, Outcome]:
        """Return what became of a message to several users, for each of them."""
        if whole.status != 202:
            return {aor: _outcome(aor, whole) for aor in users}
        # Of whom the ledger does not tell yet, nothing is promised.
        unknown = Result(whole.message_id, 0, "")
        outcomes = {aor: _outcome(aor, unknown) for aor in users}
        story = await self._story(whole.message_id)
        for copy in await self._desk.copies(story):
            if copy.recipient in outcomes and copy.sender == sender:
                status = _STATUS.get(state_word(copy), 202)
                reason = status_of(copy, True).reason if status >= 300 else whole.reason
                outcomes[copy.recipient] = _outcome(
                    copy.recipient, Result(copy.message_id, status, reason)
                )
        return outcomes


def _to(message: Outgoing, aor: str) -> Outgoing:
    identity = f"{message.identity} {aor}" if message.identity else ""
    return replace(message, recipient=aor, identity=identity)


def _outcome(recipient: str, result: Result) -> Outcome:
    return Outcome(
        id=result.message_id,
        to=recipient,
        state=_state(result.status),
        sip_status=result.status,
        reason=result.reason,
    )


def _state(status: int) -> State:
    if not status:
        return "pending"
    if status == 202:
        return "stored"
    return "delivered" if status < 300 else "refused"
