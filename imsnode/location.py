# SPDX-License-Identifier: Apache-2.0
"""Where the users are: bindings of every AoR, in memory, each change journalled before it counts.

One `Location` belongs to one event loop. It is the pager's `Bindings` port and the registrar's
state; the journal (storage) is read once at start and only appended to afterwards (ADR 0008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sip.flow import Flow
from sip.forward import Target, as_sip
from sip.nexthop import next_hop
from sip.ports import Transport
from sip.registrar import Binding
from sip.timers import TimerQueue
from sip.uri import Uri, parse_uri

from .storage.binding_codec import AorState

EXPIRY = 1


class Journal(Protocol):
    """What the location needs from storage; see `imsnode.storage.Locations`."""

    def append(
        self, aor: str, state: AorState, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep the whole state of one AoR; ``done(True)`` after the commit."""
        ...

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        """Keep a refresh of the only binding in the state kept last, with no other device in it."""
        ...


class AorRecord:
    """The live state of one AoR. ``absent`` maps remembered instance ids to wall seconds.

    renewable: what the journal holds is one binding and nothing else.
    """

    __slots__ = ("absent", "aor", "bindings", "busy", "checked_at", "owner", "renewable",
                 "targets", "waiting")  # fmt: skip

    def __init__(self, aor: str, owner: Location) -> None:
        self.aor = aor
        self.owner = owner
        self.bindings: tuple[Binding, ...] = ()
        self.absent: dict[str, float] | None = None
        self.targets: list[Target] | None = None
        self.checked_at = 0.0  # the expiry timer that is armed, 0.0 when none is
        self.busy = False
        self.renewable = False
        self.waiting: list[Callable[[float], None]] | None = None

    def on_timer(self, kind: int, now: float) -> None:
        self.owner.expire(self, now)


#: (AoR, bindings before, bindings now, now).
Moved = Callable[[str, tuple[Binding, ...], tuple[Binding, ...], float], None]


class Location:
    """Bindings by AoR, and the targets a message can be sent to.

    Args:
        transport: finds flows for contacts that are reached by address.
        timers: the node's timer queue; expiry is exact to its resolution.
        journal: where a change is committed before it takes effect.
        device_memory_s: how long a device without a binding is remembered, seconds.
        max_devices: so many of one AoR; those seen longest ago are forgotten first (D11).
    """

    def __init__(
        self,
        transport: Transport,
        timers: TimerQueue,
        journal: Journal,
        device_memory_s: float,
        wall: Callable[[], float],
        max_devices: int = 16,
    ) -> None:
        self.transport = transport
        self.timers = timers
        self.journal = journal
        self.device_memory_s = device_memory_s
        self.wall = wall
        self.max_devices = max_devices
        # Finds the way to users of other domains, who have no bindings here.
        self.elsewhere: Callable[[str, float], Sequence[Target]] | None = None
        # Told (AoR, bindings before, bindings now, now) of every change; `also` before `moved`.
        self.moved: Moved | None = None
        self.also: Moved | None = None
        # Says whether a binding's device has to be woken before anything is sent to it (RFC 8599).
        self.asleep: Callable[[Binding, float], bool] | None = None
        self.records: dict[str, AorRecord] = {}
        self.binding_count = 0
        self.hosts: dict[str, int] = {}  # where bindings came from, and how many from each

    def heed(self, moved: Moved) -> None:
        """Tell somebody else of every change too, before `moved` is told."""
        earlier = self.also
        if earlier is None:
            self.also = moved
            return

        def both(aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float) -> None:
            earlier(aor, old, new, now)
            moved(aor, old, new, now)

        self.also = both

    # ------------------------------------------------------------------ start

    def restore(self, states: Iterable[tuple[str, AorState]], now: float, wall: float) -> list[str]:
        """Take over what the journal holds; returns the AoRs that have a live binding."""
        bound: list[str] = []
        for aor, state in states:
            instances = {binding.instance for binding in state.bindings if binding.instance}
            absent = {
                device: seen
                for device, seen in state.devices.items()
                if device not in instances and seen + self.device_memory_s > wall
            }
            if not state.bindings and not absent:
                self.journal.append(aor, AorState((), {}), now, wall, _nobody_waits)
                continue
            record = self.records[aor] = AorRecord(aor, self)
            record.absent = _newest(absent, self.max_devices)
            self._place(record, tuple(state.bindings), now)
            if state.bindings:
                bound.append(aor)
        return bound

    # ----------------------------------------------------------------- lookup

    def bindings(self, aor: str, now: float) -> tuple[Binding, ...]:
        """Return the live bindings of an AoR, reachable or not."""
        record = self.records.get(aor)
        if record is None:
            return ()
        return tuple(binding for binding in record.bindings if binding.expires_at > now)

    def targets(self, aor: str, now: float) -> Sequence[Target]:
        """Return the live bindings that can be sent to now, best first, one per device."""
        record = self.records.get(aor)
        if record is None or not record.bindings:
            return () if self.elsewhere is None else self.elsewhere(aor, now)
        targets = record.targets
        if targets is not None:
            for target in targets:
                binding: Binding = target.binding  # type: ignore[assignment]  # here it is one
                if target.flow.closed or binding.expires_at <= now:
                    break
            else:
                return targets
        targets = self._build_targets(record, now)
        # A contact that has no path now may have one at the next message: only a full list is kept.
        whole = len(targets) == len(record.bindings)
        record.targets = targets if whole and not self._may_sleep(record) else None
        return targets

    def _may_sleep(self, record: AorRecord) -> bool:
        """Say whether a device may fall asleep without a word, so that its targets do not last."""
        return self.asleep is not None and any(b";pn-" in b.contact for b in record.bindings)

    def device_of(self, target: Target) -> str:
        """Return the instance id behind a target, "" when it gave none."""
        binding = target.binding
        return binding.instance if isinstance(binding, Binding) else ""

    def absent_devices(self, aor: str, now: float) -> tuple[str, ...]:
        """Return remembered instance ids that cannot be sent to now."""
        record = self.records.get(aor)
        if record is None:
            return ()
        if record.targets is not None and record.absent is None:
            return ()
        return self._find_absent(record, aor, now)

    def _find_absent(self, record: AorRecord, aor: str, now: float) -> tuple[str, ...]:
        reachable = {self.device_of(target) for target in self.targets(aor, now)}
        oldest = self.wall() - self.device_memory_s
        devices = [b.instance for b in record.bindings if b.instance]
        devices += [d for d, seen in (record.absent or {}).items() if seen > oldest]
        return tuple(dict.fromkeys(d for d in devices if d not in reachable))

    def reaches(self, host: str) -> bool:
        """Tell whether some binding was made from this address."""
        return host in self.hosts

    def forget(self, aor: str, now: float, wall: float) -> None:
        """Forget the devices of an account that is gone; its bindings were removed before."""
        record = self.records.get(aor)
        if record is not None and not record.busy and not record.bindings:
            self.records.pop(aor)
            self.journal.append(aor, AorState((), {}), now, wall, _nobody_waits)

    def __iter__(self) -> Iterable[tuple[str, tuple[Binding, ...]]]:
        return ((record.aor, record.bindings) for record in self.records.values())

    # ----------------------------------------------------------------- change

    def claim(self, aor: str, again: Callable[[float], None]) -> AorRecord | None:
        """Take the AoR for one change; None when another is being committed.

        ``again(now)`` is then called when that commit has ended (D1: one order per AoR).
        """
        record = self.records.get(aor)
        if record is None:
            record = self.records[aor] = AorRecord(aor, self)
        if not record.busy:
            record.busy = True
            return record
        if record.waiting is None:
            record.waiting = []
        record.waiting.append(again)
        return None

    def waiting(self, aor: str) -> int:
        """Return how many changes wait for the one being committed."""
        record = self.records.get(aor)
        return len(record.waiting) if record is not None and record.waiting else 0

    def commit(
        self,
        record: AorRecord,
        bindings: tuple[Binding, ...],
        now: float,
        wall: float,
        done: Callable[[bool], None],
    ) -> None:
        """Journal the new bindings of a claimed AoR; then call `apply` (or `release`)."""
        if record.renewable and _is_refresh(record.bindings, bindings):
            self.journal.renew(record.aor, bindings[0], now, wall, done)
            return
        record.renewable = False  # until it is known what the journal holds
        devices: dict[str, float] = dict(record.absent) if record.absent else {}
        for binding in record.bindings:
            if binding.instance:
                devices[binding.instance] = wall
        for binding in bindings:
            if binding.instance:
                devices[binding.instance] = wall
        self.journal.append(record.aor, AorState(bindings, devices), now, wall, done)

    def apply(
        self, record: AorRecord, bindings: tuple[Binding, ...], now: float, wall: float
    ) -> None:
        """Make committed bindings the current ones and remember the devices that left."""
        if record.absent or not _same_device(record.bindings, bindings):
            left = {b.instance for b in record.bindings if b.instance}
            here = {b.instance for b in bindings if b.instance}
            absent = {d: seen for d, seen in (record.absent or {}).items() if d not in here}
            absent.update(dict.fromkeys(left - here, wall))
            record.absent = _newest(absent, self.max_devices)
        record.renewable = len(bindings) == 1 and record.absent is None
        self._place(record, bindings, now)
        self.release(record, now)

    def release(self, record: AorRecord, now: float) -> None:
        """End a claim; the next change of the same AoR goes on."""
        record.busy = False
        if record.waiting:
            again = record.waiting.pop(0)
            if not record.waiting:
                record.waiting = None
            again(now)
        elif not record.bindings and record.absent is None:
            self.records.pop(record.aor, None)

    def expire(self, record: AorRecord, now: float) -> None:
        """Drop bindings whose time has come; their devices are remembered."""
        record.checked_at = 0.0
        live = tuple(binding for binding in record.bindings if binding.expires_at > now)
        gone = [b for b in record.bindings if b.expires_at <= now and b.instance]
        if gone:
            absent = dict(record.absent or {})
            absent.update((binding.instance, self.wall()) for binding in gone)
            record.absent = _newest(absent, self.max_devices)
        self._place(record, live, now)
        if not record.busy and not live and record.absent is None:
            self.records.pop(record.aor, None)

    # --------------------------------------------------------------- internal

    def _place(self, record: AorRecord, bindings: tuple[Binding, ...], now: float) -> None:
        old = record.bindings
        if not (len(old) == 1 == len(bindings) and old[0].received is bindings[0].received):
            self.binding_count += len(bindings) - len(old)
            self._count_hosts(old, bindings)
        record.bindings = bindings
        record.targets = None
        if bindings:
            # One armed timer per AoR: a later one is armed when this one fires.
            first = bindings[0].expires_at
            for binding in bindings:
                first = min(first, binding.expires_at)
            if not record.checked_at or first < record.checked_at or record.checked_at < now:
                record.checked_at = first
                self.timers.schedule(first, record, EXPIRY)
        if self.also is not None:
            self.also(record.aor, old, bindings, now)
        if self.moved is not None:
            self.moved(record.aor, old, bindings, now)

    def _count_hosts(self, old: tuple[Binding, ...], new: tuple[Binding, ...]) -> None:
        hosts = self.hosts
        for binding in new:
            hosts[binding.received[1]] = hosts.get(binding.received[1], 0) + 1
        for binding in old:
            left = hosts[binding.received[1]] - 1
            if left:
                hosts[binding.received[1]] = left
            else:
                del hosts[binding.received[1]]

    def _build_targets(self, record: AorRecord, now: float) -> list[Target]:
        """One target per device, best q first, newest registration first among equals.

        Behind it, by `Target.instead`, stand the other ways to the same device (RFC 5626 7).
        """
        targets: list[Target] = []
        last: dict[str, Target] = {}
        for binding in sorted(record.bindings, key=_preference):
            if binding.expires_at <= now:
                continue
            if self.asleep is not None and self.asleep(binding, now):
                continue
            target = self._target(binding, now)
            if target is None:
                continue
            if binding.instance in last:
                last[binding.instance].instead = target
            else:
                targets.append(target)
            if binding.instance:
                last[binding.instance] = target
        return targets

    def _target(self, binding: Binding, now: float) -> Target | None:
        """Find the path to a binding: its Path, its own flow, or its contact's address.

        A connection-bound or NATed client is reached over its flow, never by dialling its
        Contact (RFC 5626 5.3, design D7). Only a contact whose address is the one that the
        registration itself came from is dialled.
        """
        uri = parse_uri(binding.contact)
        if binding.path:
            return self._path_target(binding, now)
        transport, host, port = binding.received
        flow = binding.flow
        alive = flow is not None and not flow.closed
        if transport != "UDP":
            if alive and flow is not None:
                return Target(as_sip(binding.contact), flow, None, binding.q, binding, True)
            return self._dial(binding, uri, host, now)
        if uri.host == host:
            return self._dial(binding, uri, host, now)
        if not alive:
            flow = self.transport.flow_to("UDP", host, port, now)
        if flow is None:
            return None
        return Target(as_sip(binding.contact), flow, None, binding.q, binding, True)

    def _dial(self, binding: Binding, uri: Uri, source: str, now: float) -> Target | None:
        # A client that registered over TLS is never reached in the clear (threats.md H4).
        hop = next_hop(uri, binding.secure or binding.received[0] in ("TLS", "WSS"))
        if hop is None or hop.host != source:
            return None
        flow = binding.flow
        if (
            flow is None
            or flow.closed
            or flow.remote != (hop.host, hop.port)
            or flow.transport != hop.transport
        ):
            flow = self.transport.flow_to(hop.transport, hop.host, hop.port, now)
        if flow is None:
            return None
        return Target(as_sip(binding.contact), flow, None, binding.q, binding, False)

    def _path_target(self, binding: Binding, now: float) -> Target | None:
        """Reach a binding through the proxies of its Path, top first (RFC 3327 5.3)."""
        top = binding.path[0].strip().removeprefix(b"<").partition(b">")[0]
        hop = next_hop(parse_uri(top), binding.secure)
        if hop is None:
            return None
        flow: Flow | None = binding.flow
        if flow is None or flow.closed or flow.remote != (hop.host, hop.port):
            flow = self.transport.flow_to(hop.transport, hop.host, hop.port, now)
        if flow is None:
            return None
        return Target(as_sip(binding.contact), flow, binding.path, binding.q, binding, False)


def _same_device(old: tuple[Binding, ...], new: tuple[Binding, ...]) -> bool:
    """Tell the usual refresh: one binding for one, of the same device."""
    if not len(old) == 1 == len(new):
        return False
    a, b = old[0], new[0]
    return a.instance == b.instance


def _is_refresh(old: tuple[Binding, ...], new: tuple[Binding, ...]) -> bool:
    """Tell whether the only binding has got another lifetime and nothing else (CSeq apart)."""
    if not len(old) == 1 == len(new):
        return False
    a, b = old[0], new[0]
    return (
        a.contact == b.contact
        and a.params == b.params
        and a.q == b.q
        and a.call_id == b.call_id
        and a.instance == b.instance
        and a.reg_id == b.reg_id
        and a.path == b.path
        and a.received == b.received
        and a.user_agent == b.user_agent
        and a.secure == b.secure
    )


def _newest(devices: dict[str, float], most: int) -> dict[str, float] | None:
    """Keep the devices seen last, so that made-up instance ids cannot pile up (D11)."""
    if len(devices) > most:
        kept = sorted(devices, key=devices.__getitem__)[-most:]
        devices = {device: devices[device] for device in kept}
    return devices or None


def _preference(binding: Binding) -> tuple[int, float]:
    return (-binding.q, -binding.expires_at)


def _nobody_waits(_committed: bool) -> None:
    """A clean-up row: when it is lost the next start writes it again."""
