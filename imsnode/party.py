# SPDX-License-Identifier: Apache-2.0
"""Who speaks in a dialog of the node's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal

from . import answers
from .msrp.talk import Talk

if TYPE_CHECKING:
    from .node import Node

__all__ = ["stranger"]


def stranger(node: Node, talk: Talk, request: Request, flow: Flow, now: float) -> Refusal | None:
    """Say why whoever sent a request is not taken for the party of a dialog of the node's."""
    near = flow.remote[0] == talk.flow.remote[0]
    if node.directory.get(talk.remote) is None:
        return None if near else answers.NO_DIALOG
    served = request.method != "OPTIONS"  # which anybody may ask outside of dialogs
    verdict = node.authenticator.check(request, flow, now, node.clock.wall(), served)
    if verdict is None or isinstance(verdict, Refusal):
        return verdict
    if verdict.aor == talk.remote or (verdict.peer and near):
        return None
    return answers.NO_DIALOG
