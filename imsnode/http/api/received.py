# SPDX-License-Identifier: Apache-2.0
"""Messages for service accounts, as they are posted to webhooks and given to those who fetch."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sip.privacy import shown

from ...received import Received
from .models import timestamp

__all__ = [
    "EVENT_TYPE",
    "MessageState",
    "Reached",
    "ReceivedMessage",
    "StateEvent",
    "WebhookEvent",
    "event_of",
    "received_message",
]

#: Content-Type of an event in the mailbox of a service account.
EVENT_TYPE: Final = b"application/vnd.imsnode.event+json"
Reached = Literal["stored", "delivered", "displayed", "failed", "expired", "recalled"]

# Said in fields of their own, or of no meaning without the SIP message around them.
_OMITTED = frozenset(("from", "to", "content-type", "content-length"))
_COMPACT = {"c": "content-type", "f": "from", "t": "to", "l": "content-length", "s": "subject"}


class ReceivedMessage(BaseModel):
    """A message for a service account. Its content is in `text`, or in `body_base64`."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    sender: str = Field(alias="from")
    to: str
    received_at: datetime
    expires_at: datetime
    content_type: str
    text: str | None = Field(default=None, description="Given when it is text in UTF-8.")
    body_base64: str | None = None
    headers: dict[str, str] = Field(
        description="Headers of the SIP message by lower-case name, repeated ones joined by commas."
    )


class WebhookEvent(BaseModel):
    """What is posted to a webhook."""

    type: Literal["message.received"] = "message.received"
    timestamp: datetime
    data: ReceivedMessage


class MessageState(BaseModel):
    """What a message that the account sent has come to."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(description="Message id; empty when the node does not know it (any more).")
    sender: str = Field(alias="from")
    to: str
    state: Reached
    sip_status: int = Field(default=0, description="Answer of the device, or to the sender.")
    device: str = Field(default="", description="Instance id, where one device is meant.")
    imdn_message_id: str = Field(default="", description="Of what its reader has seen.")


class StateEvent(BaseModel):
    """What is posted to a webhook about a message that the account sent."""

    type: str = Field(description="`message.` and the state.")
    timestamp: datetime = Field(description="When it came to that.")
    data: MessageState


def event_of(message: Received, wall: float) -> WebhookEvent | StateEvent:
    """Return what is posted for a message, or for an event."""
    if message.content_type == EVENT_TYPE:
        return StateEvent.model_validate_json(message.body)
    return WebhookEvent(timestamp=timestamp(wall), data=received_message(message))


def received_message(message: Received) -> ReceivedMessage:
    """Return a message as the API gives it."""
    text = _text(message.content_type, message.body)
    return ReceivedMessage(
        id=message.id,
        sender=message.sender,
        to=message.recipient,
        received_at=timestamp(message.received_at),
        expires_at=timestamp(message.expires_at),
        content_type=message.content_type.decode("utf-8", "replace"),
        text=text,
        body_base64=None if text is not None else b64encode(message.body).decode(),
        headers=_headers(message.head),
    )


def _text(content_type: bytes, body: bytes) -> str | None:
    """Return the text of a body, None when octets could get lost that way."""
    kind = content_type.lower()
    if not kind.startswith(b"text/") or (b"charset" in kind and b"utf-8" not in kind):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    for written, value in shown([(name.strip(), value) for name, _, value in lines]):
        name = written.lower().decode("utf-8", "replace")
        name = _COMPACT.get(name, name)
        if name and name not in _OMITTED:
            text = value.strip().decode("utf-8", "replace")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers
