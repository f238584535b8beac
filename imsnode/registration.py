# SPDX-License-Identifier: Apache-2.0
"""REGISTER, from the authenticated request to the 200 after the commit (RFC 3261 10.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sip.endpoint import Endpoint
from sip.flow import Flow
from sip.gruu import Gruus
from sip.message import Request
from sip.registrar import (
    RegisterRefused,
    RegistrarLimits,
    Registration,
    plan_register,
    register_response_lines,
    supports,
)
from sip.transaction.server import ServerTransaction
from sip.uri import Uri

from .location import AorRecord, Location

CHANGES_WAITING = 16  # REGISTER requests of one AoR behind the one being committed


class Associated(Protocol):
    """Knows the public identities of users (`imsnode.identity.identities.Identities`)."""

    public: dict[str, str]

    def associated(self, aor: str) -> bytes:
        """Return the P-Associated-URI line of a user, b"" for none."""
        ...


class Words:
    """What a 200 says besides the bindings.

    service_route: URIs in their order (RFC 3608), each in brackets. flow_timer: seconds between a
    device's keep-alives (RFC 5626 5.4), 0 to say nothing. gruus: gives devices theirs, where set.
    """

    def __init__(
        self, service_route: Sequence[bytes] = (), flow_timer: int = 0, gruus: Gruus | None = None
    ) -> None:
        self.gruus = gruus
        self.identities: Associated | None = None
        self._route = b"Service-Route: " + b", ".join(service_route) if service_route else b""
        self._timer = b"Flow-Timer: %d" % flow_timer if flow_timer else b""

    def lines(self, request: Request, plan: Registration, now: float, wall: float) -> list[bytes]:
        """Return the header lines of a 200."""
        lines = register_response_lines(plan, now, wall)
        identities = self.identities
        if identities is not None and identities.public:
            associated = identities.associated(plan.aor)
            if associated:
                lines.append(associated)
        if self._timer and plan.outbound and request.via_count == 1:
            lines.append(self._timer)
        if self._route and plan.bindings:
            lines.append(self._route)
        gruus = self.gruus
        if gruus is not None and _has_device(plan) and supports(request, b"gruu"):
            for at, binding in enumerate(plan.bindings):  # their lines are the first
                lines[at] += gruus.params(binding)
        return lines


def _has_device(plan: Registration) -> bool:
    """Say whether a binding is of a device with an instance id."""
    for binding in plan.bindings:  # noqa: SIM110 - compiled, a loop costs less than `any`
        if binding.instance:
            return True
    return False


class Capability(Protocol):
    """What a REGISTER asks for push notifications (`imsnode.push.capability`)."""

    def check(self, request: Request, plan: Registration, now: float) -> None:
        """Raises: RegisterRefused for what cannot be kept."""
        ...

    def lines(self, request: Request, plan: Registration) -> list[bytes]:
        """Return what the 200 says of them."""
        ...


class Clock(Protocol):
    """Time for work that a commit sets off."""

    def now(self) -> float: ...
    def wall(self) -> float: ...


class Registrar:
    """Applies REGISTER requests to the location, one at a time for each AoR.

    Args:
        registered: called with (aor, now) after the 200 that left a live binding.
        retry_after: header lines for a 503 (Retry-After).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        location: Location,
        clock: Clock,
        limits: RegistrarLimits,
        contact_allowed: Callable[[Uri, str], bool],
        registered: Callable[[str, float], None],
        retry_after: Callable[[], tuple[bytes, ...]],
    ) -> None:
        self.endpoint = endpoint
        self.location = location
        self.clock = clock
        self.limits = limits
        self.contact_allowed = contact_allowed
        self.registered = registered
        self.retry_after = retry_after
        self.words = Words()
        # Set while devices are woken by push notifications.
        self.push: Capability | None = None
        self.accepted = 0
        self.refused = 0
        self.failed = 0

    def register(
        self, request: Request, flow: Flow, aor: str, trusted: bool, now: float, wall: float
    ) -> None:
        """Answer one authenticated REGISTER for `aor`; `trusted` when a peer handed it in."""
        transaction = self.endpoint.accept(request, flow, now)
        if self.location.waiting(aor) >= CHANGES_WAITING:
            self.refused += 1
            self.endpoint.respond(
                transaction,
                503,
                now,
                b"Too many registrations of this user wait",
                self.retry_after(),
            )
            return
        Change(self, transaction, request, flow, aor, trusted).begin(now, wall)


class Change:
    """One REGISTER on its way through the commit."""

    __slots__ = (
        "aor",
        "at",
        "flow",
        "plan",
        "record",
        "registrar",
        "request",
        "transaction",
        "trusted",
    )

    def __init__(
        self,
        registrar: Registrar,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        aor: str,
        trusted: bool,
    ) -> None:
        self.registrar = registrar
        self.transaction = transaction
        self.request = request
        self.flow = flow
        self.aor = aor
        self.trusted = trusted
        self.record: AorRecord | None = None
        self.plan: Registration | None = None
        self.at = 0.0

    def resume(self, now: float) -> None:
        """Begin after the change before this one has ended."""
        self.begin(now, self.registrar.clock.wall())

    def begin(self, now: float, wall: float) -> None:
        """Plan on the current bindings and hand the outcome to the journal."""
        registrar = self.registrar
        location = registrar.location
        record = location.claim(self.aor, self.resume)
        if record is None:
            return
        try:
            plan = plan_register(
                self.request,
                self.aor,
                record.bindings,
                self.flow,
                now,
                registrar.limits,
                registrar.contact_allowed,
                self.trusted,
            )
            if registrar.push is not None:
                registrar.push.check(self.request, plan, now)
        except RegisterRefused as refused:
            registrar.refused += 1
            location.release(record, now)
            registrar.endpoint.respond(
                self.transaction, refused.status, now, refused.reason, refused.lines
            )
            return
        except Exception:
            location.release(record, now)  # a fault of ours must not lock the user out
            raise
        if not plan.changed:
            location.release(record, now)
            self.answer(plan, now, now, wall)
            return
        self.record = record
        self.plan = plan
        self.at = now
        try:
            location.commit(record, plan.bindings, now, wall, self.committed)
        except Exception:
            location.release(record, now)
            raise

    def committed(self, durable: bool) -> None:
        """Make the change effective and answer; or keep the old bindings and say 503."""
        registrar = self.registrar
        record, plan = self.record, self.plan
        if record is None or plan is None:
            return
        now = registrar.clock.now()
        wall = registrar.clock.wall()
        if not durable:
            registrar.failed += 1
            registrar.location.release(record, now)
            registrar.endpoint.respond(
                self.transaction,
                503,
                now,
                b"Registration cannot be kept now",
                registrar.retry_after(),
            )
            return
        registrar.location.apply(record, plan.bindings, now, wall)
        self.answer(plan, self.at, now, wall)
        if plan.bindings:
            registrar.registered(self.aor, now)

    def answer(self, plan: Registration, planned_at: float, now: float, wall: float) -> None:
        """Send the 200 with every binding, its lifetime counted from the REGISTER's arrival."""
        registrar = self.registrar
        registrar.accepted += 1
        lines = registrar.words.lines(self.request, plan, planned_at, wall)
        if registrar.push is not None:
            lines += registrar.push.lines(self.request, plan)
        registrar.endpoint.answer(self.transaction, 200, now, None, lines)
