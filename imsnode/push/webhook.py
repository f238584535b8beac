# SPDX-License-Identifier: Apache-2.0
"""Push notifications by webhook: whoever is behind it has the credentials of the push services."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

from ..seal import derived_key
from ..webhook import Poster
from .sender import Notification

__all__ = ["WebhookSender", "webhook_secret"]


def webhook_secret(secret: bytes) -> str:
    """Return what notifications are signed with. secret: the node's own."""
    return "whsec_" + base64.b64encode(derived_key(secret, b"push webhook")[:32]).decode()


class WebhookSender:
    """`imsnode.push.sender.Sender` that posts to a URL, signed like any other webhook.

    Args: wall: epoch seconds.
    """

    def __init__(self, poster: Poster, url: str, secret: str, wall: Callable[[], float]) -> None:
        self._poster = poster
        self._url = url
        self._secret = secret
        self._wall = wall

    async def send(self, notification: Notification) -> str:
        """Post it; what answers 2xx has taken it."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        device = notification.device

        def done(status: int) -> None:
            if not answered.done():
                answered.set_result(status)

        self._poster.run(
            self._url, self._secret, notification.id, self._event(notification), device.aor, done
        )
        status = await answered
        if 200 <= status < 300:
            return ""
        return f"the webhook answered {status}" if status else "the webhook cannot be reached"

    async def close(self) -> None:
        """Nothing is held here: the poster belongs to all webhooks."""

    def _event(self, notification: Notification) -> bytes:
        device = notification.device
        at = datetime.fromtimestamp(self._wall(), UTC)
        event = {
            "type": "push.wake",
            "timestamp": at.isoformat(timespec="milliseconds"),
            "data": {
                "id": notification.id,
                "reason": notification.reason,
                "aor": device.aor,
                "instance": device.instance,
                "pn_provider": device.provider,
                "pn_prid": device.prid,
                "pn_param": device.param,
                "ttl": int(notification.expires_s),
            },
        }
        return json.dumps(event).encode()
