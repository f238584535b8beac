# SPDX-License-Identifier: Apache-2.0
"""What goes over the API about messages, as it is checked and documented."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pager.recall import RecallState

__all__ = [
    "Address",
    "ApiModel",
    "Content",
    "CopyStatus",
    "DeviceStatus",
    "Idempotency",
    "MessageStatus",
    "NewMessage",
    "Outcome",
    "RecallOutcome",
    "Recalled",
    "State",
    "Submitted",
    "timestamp",
]

RECIPIENTS = 50
State = Literal["delivered", "displayed", "stored", "pending", "refused", "expired", "recalled"]

Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    Field(description="Address of record.", examples=["sip:alice@ims.test"]),
]
_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
ContentType = Annotated[
    str,
    StringConstraints(max_length=1024, pattern=rf"^{_WORD}/{_WORD}( *;[ -~]*)?$"),
]
# No control character gets into a header of a SIP message.
HeaderValue = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")]
HeaderName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?i:subject|priority|in-reply-to|accept-contact|accept-language|"
        r"content-language|conversation-id|contribution-id|inreplyto-contribution-id|"
        r"p-asserted-service|p-preferred-service|x-[a-z0-9-]{1,60})$"
    ),
]


Base64 = Annotated[
    str,
    StringConstraints(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"),
    Field(json_schema_extra={"contentEncoding": "base64"}),
]


class ApiModel(BaseModel):
    """Base of what comes and goes: no unknown fields."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Content(ApiModel):
    """The content of a message: `text`, or `body_base64` with its `content_type`."""

    text: str | None = Field(default=None, min_length=1, description="Text, sent as text/plain.")
    content_type: ContentType | None = Field(
        default=None, description="Media type of the body.", examples=["application/json"]
    )
    body_base64: Base64 | None = Field(default=None, description="The octets of the body.")

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.text is None) == (self.body_base64 is None):
            raise ValueError("give either text or body_base64")
        if self.body_base64 is not None and self.content_type is None:
            raise ValueError("body_base64 needs a content_type")
        return self

    @property
    def content(self) -> tuple[bytes, bytes]:
        """Content-Type and octets of the body."""
        kind = (self.content_type or "text/plain;charset=UTF-8").encode()
        if self.text is None:
            return kind, b64decode(self.body_base64 or "")
        return kind, self.text.encode()


class NewMessage(Content):
    """A message to be sent. Its content is `text`, or `body_base64` with its `content_type`."""

    sender: Address = Field(alias="from")
    to: Address | Annotated[list[Address], Field(min_length=1, max_length=RECIPIENTS)] = Field(
        description="One address, a user's or a group's, or a list of them; each gets a copy, "
        "and several users have copies of one message."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Further headers of the SIP message: Subject, Priority, In-Reply-To, "
        "Accept-Contact, Accept-Language, Content-Language, Conversation-ID, Contribution-ID, "
        "InReplyTo-Contribution-ID, P-Asserted-Service, P-Preferred-Service, and any X- one.",
    )
    expires: int | None = Field(
        default=None, ge=1, le=2**31, description="Seconds after which it need not be delivered."
    )

    @property
    def recipients(self) -> list[str]:
        """The recipients, as they were written."""
        return [self.to] if isinstance(self.to, str) else self.to


class Idempotency(ApiModel):
    """Header of a request that must count once."""

    key: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")] | None = Field(
        default=None,
        alias="Idempotency-Key",
        description="A name for this request, any unique string. A repeat under the same key "
        "gets the first answer and sends nothing.",
    )


class Outcome(ApiModel):
    """What became of a message for one recipient."""

    id: str = Field(description="Message id, as in `imsnode why`.")
    to: str
    state: State = Field(
        description="delivered: a device took it; displayed: its user saw it; stored: kept until "
        "a device does; pending: no outcome yet, nothing is promised; refused: nobody will get "
        "it; expired: too late; recalled: its sender took it back."
    )
    sip_status: int = Field(description="The SIP status its sender would have seen; 0: none yet.")
    reason: str = ""


class Submitted(ApiModel):
    """What was submitted, a message for each recipient."""

    id: str | None = Field(
        default=None,
        description="Of the message itself, where several users have copies: its state is that of "
        "all of them.",
    )
    messages: list[Outcome]


class RecallOutcome(ApiModel):
    """What came of taking a message back, for one recipient."""

    id: str
    to: str
    state: RecallState = Field(
        description="removed: nobody gets it; partly: a device has it, no other gets it; "
        "on-its-way: an attempt was under way; too-late: delivered, refused or expired before; "
        "unknown: it was never stored; failed: nothing has changed."
    )


class Recalled(ApiModel):
    """What came of taking a message back, with its copies for the members of a list."""

    messages: list[RecallOutcome]


class DeviceStatus(ApiModel):
    """What became of a message at one device."""

    device: str = Field(description="Instance id, empty when the device gave none.")
    state: Literal["delivered", "displayed", "refused", "retrying"]
    at: datetime
    witness: Literal["sip", "imdn"] = Field(
        description="How it is known: the device's answer, or a notification it sent (RFC 5438)."
    )


class CopyStatus(ApiModel):
    """What became of the copy of one recipient."""

    id: str
    to: str
    state: State


class MessageStatus(ApiModel):
    """What is known of a message."""

    id: str
    sender: str = Field(alias="from")
    to: str
    received_at: datetime
    expires_at: datetime | None = None
    size: int
    state: State
    reason: str = Field(default="", description="The rule behind the newest step.")
    devices: list[DeviceStatus]
    copies: list[CopyStatus] | None = Field(
        default=None, description="Of a message to several users: what became of each copy."
    )


def timestamp(wall: float) -> datetime:
    """Return epoch seconds as UTC, to the millisecond."""
    return datetime.fromtimestamp(round(wall, 3), UTC)
