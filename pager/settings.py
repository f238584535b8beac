# SPDX-License-Identifier: Apache-2.0
"""Bounds and times of the pager service, with the defaults of the limits table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import SettingsError


class StoreMode(StrEnum):
    """When a message for a domain is stored."""

    PROXY = "proxy"  # when nobody answered, which is the rule
    FIRST = "first"  # before anything is tried
    OFF = "off"  # never


@dataclass(frozen=True, slots=True)
class PagerSettings:
    """Settings of the service; all of them can change while it runs.

    mode, domain_modes: when to store, for every domain and by lower-case domain name.
    defer_after_s: patience with a recipient before the message is stored and the sender gets
        202; must stay well inside the sender's 32 s (RFC 3261 17.1.2.2, Timer F).
    message_lifetime_s: longest stay in the store, whatever Expires says.
    message_body_bytes: larger bodies get 413.
    mailbox_messages: messages per recipient that nobody has taken yet, and as many again that
        only wait for further devices; beyond it 480 with ``full_retry_after_s``.
    retry_min_s, retry_max_s: back-off of a device that does not answer, doubling.
    page_messages: messages of one mailbox read at once for one device. draining_devices:
        devices for which a page may be in memory at the same time; others wait their turn.
    expire_every_s: pause between sweeps for messages past their deadline.
    unavailable_retry_after_s: Retry-After when the store cannot commit.
    recent_messages: submissions remembered to recognise a repeat before it is sent on.
    """

    mode: StoreMode = StoreMode.PROXY
    domain_modes: Mapping[str, StoreMode] = field(default_factory=dict)
    defer_after_s: float = 4.0
    message_lifetime_s: float = 7 * 86400.0
    message_body_bytes: int = 32768
    mailbox_messages: int = 500
    retry_min_s: float = 5.0
    retry_max_s: float = 300.0
    page_messages: int = 50
    draining_devices: int = 2000
    expire_every_s: float = 30.0
    full_retry_after_s: int = 300
    unavailable_retry_after_s: int = 5
    recent_messages: int = 65536

    def __post_init__(self) -> None:
        if not 0.0 < self.defer_after_s < 32.0:
            raise SettingsError("defer_after_s", "must be above 0 and below 32")
        if not 0.0 < self.retry_min_s <= self.retry_max_s:
            raise SettingsError("retry_min_s", "must be above 0 and not above retry_max_s")
        for name in ("message_lifetime_s", "expire_every_s"):
            if getattr(self, name) <= 0.0:
                raise SettingsError(name, "must be above 0")
        for name in (
            "message_body_bytes",
            "mailbox_messages",
            "page_messages",
            "draining_devices",
            "full_retry_after_s",
            "unavailable_retry_after_s",
            "recent_messages",
        ):
            if getattr(self, name) < 1:
                raise SettingsError(name, "must be at least 1")

    def mode_for(self, recipient: str) -> StoreMode:
        """Return the mode of the domain of a canonical AoR."""
        if not self.domain_modes:
            return self.mode
        return self.domain_modes.get(recipient.rpartition("@")[2], self.mode)
