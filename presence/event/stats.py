# SPDX-License-Identifier: Apache-2.0
"""What the event framework counts."""

from __future__ import annotations

__all__ = ["EventStats"]


class EventStats:
    """Plain integers.

    subscribed, refreshed, rejected: SUBSCRIBEs. notifies: sent. suppressed: not sent for a matching
    entity tag. failed: answered by what does not end the subscription. refused: what does.
    unreachable: without a way to the watcher. published, conflicts: PUBLISHes, and those with a
    stale entity tag.
    """

    __slots__ = (
        "conflicts", "failed", "notifies", "published", "refreshed", "refused", "rejected",
        "subscribed", "suppressed", "unreachable",
    )  # fmt: skip

    def __init__(self) -> None:
        self.subscribed = 0
        self.refreshed = 0
        self.rejected = 0
        self.notifies = 0
        self.suppressed = 0
        self.failed = 0
        self.refused = 0
        self.unreachable = 0
        self.published = 0
        self.conflicts = 0
