# SPDX-License-Identifier: Apache-2.0
"""Third-party REGISTERs of the node's own: as S-CSCF it tells application servers who is here.

Whatever changes the bindings of a user with filter criteria is told: a REGISTER, the end of a
lifetime, the operator. It leaves after the answer to the user.

Spec: TS 24.229 5.4.1.7, 5.4.1.7A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip.forward import Draft, Target
from sip.limits import Limits
from sip.message import Request, Response, build_request, build_response
from sip.parser import parse_message
from sip.proxy import Branch, Fork
from sip.registrar import Binding
from sip.routing import Refusal
from sip.uri import parse_uri

from ..location import AorRecord
from .criteria import (
    ApplicationServer,
    DefaultHandling,
    Occasion,
    RegistrationType,
    SptCase,
)
from .profiles import Profiles
from .registrations import is_third_party
from .scscf import own_route, server_route
from .third_party import body_for

if TYPE_CHECKING:
    from ..node import Node

__all__ = ["Announcing"]

_LATER: Final = 1
_REMEMBERED: Final = 10_000  # REGISTERs that are being carried out
_CREDENTIALS: Final = frozenset(("authorization", "proxy-authorization"))
_PASSED_ON: Final = ("p-access-network-info", "p-visited-network-id")


class Announcing:
    """Tells application servers of registrations."""

    def __init__(self, node: Node, profiles: Profiles, limits: Limits) -> None:
        self.node = node
        self.profiles = profiles
        self.told = 0
        self._limits = limits
        self._asked: dict[str, Request] = {}

    def seen(self, request: Request, aor: str) -> None:
        """Remember the REGISTER that is about to change a user's bindings; a query does not."""
        if self.profiles.of(aor) is None or not request.has("contact"):
            return
        if aor in self._asked or len(self._asked) < _REMEMBERED:
            self._asked[aor] = request

    def moved(
        self, aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float
    ) -> None:
        """Take notice of a change; see `imsnode.location.Moved`."""
        request = self._asked.pop(aor, None)
        if not len(self.profiles) or self.profiles.of(aor) is None:
            return
        before = [one for one in old if not is_third_party(one)]
        after = [one for one in new if not is_third_party(one)]
        if not before and not after:
            return
        kind = RegistrationType.RE_REGISTRATION
        if not before:
            kind = RegistrationType.INITIAL_REGISTRATION
        elif not after:
            kind = RegistrationType.DE_REGISTRATION
        later = _Announcement(self, aor, kind, after, request)
        self.node.endpoint.timers.schedule(now, later, _LATER)

    def announce(
        self,
        aor: str,
        kind: RegistrationType,
        bindings: list[Binding],
        request: Request | None,
        now: float,
    ) -> None:
        """Send a REGISTER to every server whose criterion asks for one."""
        profile = self.profiles.of(aor)
        if profile is None:
            return
        register = request or self._register_of(aor)
        occasion = Occasion(register, SptCase.ORIGINATING_REGISTERED, kind)
        for criterion in profile.all_for(occasion):
            self.told += 1
            self._send(criterion.server, aor, bindings, register, now)

    def _register_of(self, aor: str) -> Request:
        """Return what stands for the REGISTER where nobody sent one."""
        name = aor.encode()
        fields = [
            (b"Via", b"SIP/2.0/UDP invalid;branch=z9hG4bK0"), (b"From", b"<%b>;tag=0" % name),
            (b"To", b"<%b>" % name), (b"Call-ID", b"0"), (b"CSeq", b"1 REGISTER"),
            (b"Max-Forwards", b"70"),
        ]  # fmt: skip
        domain = b"sip:" + name.rpartition(b"@")[2]
        made = parse_message(build_request("REGISTER", domain, fields, b""), self._limits)
        assert isinstance(made, Request)
        return made

    def _send(
        self,
        server: ApplicationServer,
        aor: str,
        bindings: list[Binding],
        register: Request,
        now: float,
    ) -> None:
        node = self.node
        uri = parse_uri(server.uri)
        way = node.proxy.target_for(server.uri, [server_route(uri)], now)
        if isinstance(way, Refusal):
            self.failed(server, aor, now)
            return
        own = own_route(way.flow)
        ids = node.proxy.ids
        left = max((one.expires_at for one in bindings), default=now) - now
        headers = [
            (b"From", b"%b;tag=%b" % (own, ids.tag())),
            (b"To", b"<%b>" % aor.encode()),
            (b"Call-ID", ids.call_id()),
            (b"CSeq", b"1 REGISTER"),
            (b"Contact", own),
            (b"Expires", b"%d" % round(left)),
        ]
        for name in _PASSED_ON:
            value = register.get(name)
            if value is not None:
                headers.append((name.title().encode(), value))
        answer = build_response(register, 200, None, [one.line(now) for one in bindings])
        kind, body = body_for(server, _octets(register), answer, ids.token(20).encode())
        if kind:
            headers.append((b"Content-Type", kind))
        # The server is addressed and reached by the same URI: no Route is needed.
        target = Target(server.uri, way.flow)
        owner = _Told(self, server, aor)
        Fork(node.proxy, None, Draft("REGISTER", headers, body), owner).start((target,), now)

    def failed(self, server: ApplicationServer, aor: str, now: float) -> None:
        """End a registration whose server has to know of it and does not (TS 24.229 5.4.1.7)."""
        if server.handling is DefaultHandling.SESSION_TERMINATED:
            _Deregistration(self.node, aor).begin(now)


class _Announcement:
    """A change that is told after what is being done now."""

    __slots__ = ("announcing", "aor", "bindings", "kind", "request")

    def __init__(
        self,
        announcing: Announcing,
        aor: str,
        kind: RegistrationType,
        bindings: list[Binding],
        request: Request | None,
    ) -> None:
        self.announcing = announcing
        self.aor = aor
        self.kind = kind
        self.bindings = bindings
        self.request = request

    def on_timer(self, kind: int, now: float) -> None:
        self.announcing.announce(self.aor, self.kind, self.bindings, self.request, now)


class _Told:
    """The owner of one third-party REGISTER."""

    __slots__ = ("announcing", "aor", "server")

    def __init__(self, announcing: Announcing, server: ApplicationServer, aor: str) -> None:
        self.announcing = announcing
        self.server = server
        self.aor = aor

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: a fork to one target ends with its only branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        if status >= 300:
            self.announcing.failed(self.server, self.aor, now)


class _Deregistration:
    """The end of all bindings of a user, in turn with their REGISTERs."""

    __slots__ = ("aor", "node", "record")

    def __init__(self, node: Node, aor: str) -> None:
        self.node = node
        self.aor = aor
        self.record: AorRecord | None = None

    def begin(self, now: float) -> None:
        location = self.node.location
        self.record = record = location.claim(self.aor, self.begin)
        if record is None:
            return
        if not record.bindings:
            location.release(record, now)
            return
        location.commit(record, (), now, self.node.clock.wall(), self.committed)

    def committed(self, durable: bool) -> None:
        node, record = self.node, self.record
        assert record is not None
        now = node.clock.now()
        if durable:
            node.location.apply(record, (), now, node.clock.wall())
        else:
            node.location.release(record, now)


def _octets(request: Request) -> bytes:
    """Return a request as its octets, without credentials."""
    lines = [
        line
        for name, line in zip(request.names, request.lines, strict=True)
        if name not in _CREDENTIALS
    ]
    start = b"%b %b SIP/2.0" % (request.method.encode(), request.uri)
    return b"\r\n".join((start, *lines, b"", request.body))
