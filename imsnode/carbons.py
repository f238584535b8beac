# SPDX-License-Identifier: Apache-2.0
"""Carbons: what one device of a user sends goes to the user's other devices too.

A device asks for it when it registers, by the feature tag ``+imsnode.carbons`` in its Contact (RFC
3840 section 9; ``+imsnode.carbons="FALSE"``: not this one), or the user or domain is set so. A
carbon goes straight to the device: it is no submission, so it is neither archived nor stored nor
copied again. A device that is away finds what it missed in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pager.identity import delivery_call_id
from pager.ports import Bindings
from pager.replay import stored_head
from pager.submission import Submission
from pager.values import ExpiredMessage, StoredMessage
from sip.forward import Draft, Proxy, Target
from sip.grammar import split_commas
from sip.headers.via import parse_via
from sip.message import Request, Response
from sip.proxy import Branch, Fork
from sip.uri import parse_uri

from .storage.archive_group import is_notice

__all__ = ["HEADER", "Carbons", "asks"]

HEADER: Final = b"Imsnode-Carbon"
_TAG: Final = b";+imsnode.carbons"


class Carbons:
    """`pager.ports.Observer` that sends the copies.

    Args:
        registered: Contact parameters and source (host, port) of the registration of a target.
        wanted: says whether a device that does not say so itself gets copies.
    """

    def __init__(
        self,
        proxy: Proxy,
        bindings: Bindings,
        registered: Callable[[Target], tuple[bytes, tuple[str, int]]],
        wanted: Callable[[str], bool],
    ) -> None:
        self._proxy = proxy
        self._bindings = bindings
        self._registered = registered
        self._wanted = wanted
        self.sent = 0

    def answered(self, submission: Submission, now: float) -> None:
        """Send copies of a message that a device or the store has taken."""
        sender = submission.sender
        if submission.status >= 300 or sender == submission.recipient:
            return
        # One target for each device: most users have a single one, which has just sent this.
        targets = self._bindings.targets(sender, now)
        if len(targets) > 1 or (targets and not submission.request.received_host):
            self._copy(submission, targets, now)

    def _copy(self, submission: Submission, targets: Sequence[Target], now: float) -> None:
        request = submission.request
        if is_notice(request.get("content-type") or b"text/plain", request.body):
            return
        everyone = self._wanted(submission.sender)
        headers: list[tuple[bytes, bytes]] = []
        for target in targets:
            params, source = self._registered(target)
            asked = asks(params)
            if not (everyone if asked is None else asked):
                continue
            if _comes_from(request, source, target):
                continue
            headers = headers or _headers(submission)
            call_id = delivery_call_id(submission.id, f"carbon {self._name(target)}")
            identity = [(b"Call-ID", call_id), (b"CSeq", b"1 MESSAGE")]
            draft = Draft("MESSAGE", [*identity, *headers], request.body)
            Fork(self._proxy, None, draft, self).start((target,), now)
            self.sent += 1

    def _name(self, target: Target) -> str:
        return self._bindings.device_of(target) or target.uri.decode("utf-8", "replace")

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Send nothing: the message to the list has been copied."""

    def concluded(
        self, message: StoredMessage, device: str, status: int, final: bool, now: float
    ) -> None:
        """Send nothing: that was done when it was stored."""

    def expired(self, gone: ExpiredMessage, wall: float) -> None:
        """Send nothing."""

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Leave it at that: a copy is not repeated."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Leave it at that: nobody waits for the answer."""


def asks(params: bytes) -> bool | None:
    """Say what a device asked for in its Contact parameters, None when it says nothing."""
    _, found, rest = params.lower().partition(_TAG)
    if not found or rest[:1] not in (b"", b";", b"="):
        return None
    return not rest.startswith(b'="false"')


def _comes_from(request: Request, source: tuple[str, int], target: Target) -> bool:
    """Say whether a request comes from the device behind a target.

    The device registered from the same address, or calls itself in its Via as in its Contact: it
    may send from another port, and be behind a proxy.
    """
    if (request.received_host, request.received_port) == source and request.via_count == 1:
        return True
    last = parse_via(split_commas(request.get_all("via")[-1], "Via")[-1])
    contact = parse_uri(target.uri)
    return (last.host, last.port) == (contact.host, contact.port)


def _headers(submission: Submission) -> list[tuple[bytes, bytes]]:
    """Return the message's own header fields and the mark that it is a copy."""
    mark = f'sent;to="{submission.recipient}";id={submission.id}'
    headers = [(HEADER, mark.encode())]
    for line in stored_head(submission.request, submission.at).split(b"\r\n"):
        name, _, value = line.partition(b":")
        headers.append((name.strip(), value.strip()))
    return headers
