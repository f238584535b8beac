# SPDX-License-Identifier: Apache-2.0
"""Groups as SIP sees them: a MESSAGE to `sip:NAME@DOMAIN` reaches everybody in the group once."""

from __future__ import annotations

from pager.groups import Group, Groups
from pager.submission import Answering
from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal

from .distribution import Distribution
from .oversize import Oversize, with_content

ALLOW = b"Allow: MESSAGE, OPTIONS"
NOT_ALLOWED = Refusal(403, b"Not one who may send to this group", ())
EMPTY = Refusal(480, b"Nobody else is in this group", ())


class GroupService:
    """Serves the addresses of all groups.

    to_sender: whether a sender who is a member gets a copy too. body_bytes: longest body.
    group_max: most recipients one message may have. oversize: takes large messages, None when they
    are carried.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        groups: Groups,
        distribution: Distribution,
        *,
        to_sender: bool,
        body_bytes: int,
        group_max: int,
    ) -> None:
        self.endpoint = endpoint
        self.groups = groups
        self.distribution = distribution
        self.to_sender = to_sender
        self.body_bytes = body_bytes
        self.group_max = group_max
        self.oversize: Oversize | None = None

    def request(self, request: Request, flow: Flow, sender: str, aor: str, now: float) -> None:
        """Answer one request for a group."""
        refusal = unserved(request, frozenset()) or self._refusal(request, sender, aor)
        if refusal is not None:
            self.endpoint.reply(request, flow, refusal.status, now, refusal.reason, refusal.lines)
            return
        transaction = self.endpoint.accept(request, flow, now)
        content = request.get("content-type") or b"", request.body
        recipients = self.recipients(sender, aor)

        def go(kind: bytes, body: bytes) -> None:
            now = self.distribution.fanout.pager.clock.now()
            smaller = with_content(request, kind, body, self.endpoint.limits)
            self.send(transaction, smaller, sender, aor, now)

        if self.oversize is None or not self.oversize.take_many(
            transaction, request, sender, aor, recipients, (aor,), content, go, now
        ):
            self.send(transaction, request, sender, aor, now)

    def send(
        self, answering: Answering, request: Request, sender: str, aor: str, now: float,
        local: bool = False,
    ) -> str:  # fmt: skip
        """Send a message to a group for a sender who may; returns its id."""
        recipients = self.recipients(sender, aor)
        return self.distribution.send(
            answering, request, sender, aor, recipients, now, local=local, known=False,
            disclosed=self.knows_members(sender, aor),
        )  # fmt: skip

    def knows_members(self, sender: str, aor: str) -> bool:
        """Say whether somebody may know who is in a group: the owner and the members."""
        group = self.groups.get(aor)
        return group is not None and (sender == group.owner or self.groups.is_member(aor, sender))

    def recipients(self, sender: str, aor: str) -> tuple[str, ...]:
        """Return who gets a copy of a message, in order of their AoRs."""
        if self.groups.get(aor) is None:
            return ()
        people = self.groups.people(aor)
        return people if self.to_sender else tuple(who for who in people if who != sender)

    def refused(self, size: int, sender: str, aor: str) -> Refusal | None:
        """Say why a message of ``size`` octets from an authenticated sender is not taken."""
        group: Group | None = self.groups.get(aor)
        if group is None:
            return Refusal(404, None, ())
        if not self.groups.may_send(group, sender):
            return NOT_ALLOWED
        if size > self.body_bytes:
            return Refusal(413, b"The message is too large", ())
        count = len(self.groups.people(aor))
        if count > self.group_max:
            return Refusal(403, b"The group has %d members, %d are allowed"
                           % (count, self.group_max), ())  # fmt: skip
        return None if self.recipients(sender, aor) else EMPTY

    def _refusal(self, request: Request, sender: str, aor: str) -> Refusal | None:
        return self.refused(len(request.body), sender, aor)


def unserved(request: Request, supported: frozenset[bytes]) -> Refusal | None:
    """Answer what no service for messages takes: other methods, unknown extensions."""
    tags = b", ".join(sorted(supported))
    if request.method == "OPTIONS":
        lines = (ALLOW, b"Accept: */*", *([b"Supported: " + tags] if tags else []))
        return Refusal(200, None, lines)
    if request.method != "MESSAGE":
        return Refusal(405, b"Only MESSAGE is served here", (ALLOW,))
    if "require" in request.names:
        unknown = [t for t in request.items("require") if t.lower() not in supported]
        if unknown:
            return Refusal(420, None, (b"Unsupported: " + b", ".join(unknown),))
    return None
