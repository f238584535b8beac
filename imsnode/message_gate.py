# SPDX-License-Identifier: Apache-2.0
"""What the gate asks of a MESSAGE alone, wherever it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.message import Request

from .recalls import may_be_revoke
from .reporting import may_be_report

if TYPE_CHECKING:
    from .node import Node

__all__ = ["about_another", "limited"]


def limited(
    node: Node, request: Request, flow: Flow, sender: str, aor: str, now: float, wall: float
) -> bool:
    """Hold a sender to its domain's limits for a message to somebody elsewhere."""
    pager = node.pager
    if not pager.screens_all or pager.screen is None:
        return False
    kind = request.get("content-type")
    verdict = pager.screen.limit(kind, request.body, sender, aor, now, wall)
    if verdict is None:
        return False
    transaction = node.endpoint.accept(request, flow, now)
    pager.turn_away(transaction, request, sender, aor, verdict, now, wall)
    return True


def about_another(
    node: Node, request: Request, flow: Flow, sender: str, aor: str, now: float
) -> bool:
    """Serve a MESSAGE that says something of another, which may have come just before it."""
    if may_be_revoke(request):
        node.endpoint.catch_up(now)
        if node.recalls.request(request, flow, sender, aor, now):
            return True
    if may_be_report(request):
        node.endpoint.catch_up(now)
        return node.reporting.take(request, flow, sender, aor, now)
    return False
