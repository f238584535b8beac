# SPDX-License-Identifier: Apache-2.0
"""The border to peers: what passes is changed as each of them is to see it, and back.

Works on octets beside the sockets, so that whoever sends or answers, transactions and resends
included, has nothing to know of it. Peers without rules, and everybody else, cost one look-up; a
node without any such peer has no border.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.errors import BadMessage
from sip.flow import Flow

from .head import Head
from .headerrules import HeaderRule, apply_rules
from .hiding import Hiding

__all__ = ["Border", "Crossing"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Crossing:
    """What is done for one peer. hiding: None where it may see what there is."""

    name: str
    rules: Sequence[HeaderRule]
    hiding: Hiding | None


class Border:
    """Changes messages from and to peers (`sip.aio.ports.Border`).

    Args: find: what is done for whoever is at the far end of a flow, None for nothing.
    """

    def __init__(self, find: Callable[[Flow], Crossing | None]) -> None:
        self._find = find

    def outward(self, flow: Flow, data: bytes) -> bytes:
        """Return a message as it leaves on a flow; b"" for one that must not."""
        crossing = self._find(flow)
        if crossing is None:
            return data
        try:
            head = Head(data)
            if crossing.hiding is not None:
                crossing.hiding.hide(head, flow.sent_by, flow.transport)
            apply_rules(crossing.rules, head, "out")
        except (BadMessage, ValueError) as error:
            # What cannot be read cannot be hidden either.
            _log.error("message kept back at the border", extra=_facts(crossing, error))
            return b""
        return head.encode()

    def inward(self, flow: Flow, data: bytes) -> bytes:
        """Return a message as it came in on a flow, restored; as it is where it is none."""
        crossing = self._find(flow)
        if crossing is None:
            return data
        try:
            head = Head(data)
        except BadMessage:
            return data  # the parser will say so
        apply_rules(crossing.rules, head, "in")
        if crossing.hiding is None:
            return head.encode()
        changed = head.encode()
        try:
            crossing.hiding.restore(head)
        except (BadMessage, ValueError):
            return changed  # what cannot be read goes by the rules all the same
        return head.encode()


def _facts(crossing: Crossing, error: Exception) -> dict[str, str]:
    return {"peer": crossing.name, "reason": str(error)}
