# SPDX-License-Identifier: Apache-2.0
"""The package `message-summary`: messages that wait for a user (RFC 3842)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..event.package import Body, entity_tag
from ..event.subscription import Subscription
from .own import OwnPackage, Terrain

__all__ = ["MEDIA_TYPE", "MessageSummaryPackage"]

MEDIA_TYPE: Final = b"application/simple-message-summary"


class MessageSummaryPackage(OwnPackage):
    """`presence.event.package.EventPackage` for stored messages.

    Args: waiting: counts the messages that wait for a user.
    """

    def __init__(self, waiting: Callable[[str], int], terrain: Terrain) -> None:
        super().__init__("message-summary", MEDIA_TYPE, terrain)
        self._waiting = waiting

    def counted(self, resource: str, now: float) -> None:
        """Take note that more or fewer messages wait for a user."""
        self.notifier.changed(self.key, resource, now)

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return the summary; all that waits is new, since what was read is not kept."""
        content = self._summary(sub.resource)
        return Body(MEDIA_TYPE, content, entity_tag(content))

    def etag(self, sub: Subscription, wall: float) -> bytes:
        """Return the entity tag of the summary."""
        return entity_tag(self._summary(sub.resource))

    def _summary(self, resource: str) -> bytes:
        count = self._waiting(resource)
        return b"Messages-Waiting: %b\r\nMessage-Account: %b\r\nText-Message: %d/0\r\n" % (
            b"yes" if count else b"no",
            resource.encode(),
            count,
        )
