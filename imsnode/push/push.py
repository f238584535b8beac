# SPDX-License-Identifier: Apache-2.0
"""Which devices sleep, and what wakes them (RFC 8599 sections 5.5 and 5.6).

A device that push notifications reach counts as asleep once its connection is gone, or, where
there is none, some time after its last REGISTER. Messages for it are stored as for one that is
away; other requests wait in the bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sip.flow import Flow
from sip.forward import Target
from sip.proxy import Fork
from sip.registrar import Binding
from sip.routing import Refusal

from .bucket import Bucket
from .device import Device, device_behind
from .sender import Notification, Reason

__all__ = ["Push", "PushSettings", "PushStats"]

_WORTH_S = 60.0  # for how long a push that wakes for a message may be late

#: What tells the devices of a user apart: user, and instance id or what the service knows it by.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PushSettings:
    """providers: push services whose devices are woken. awake_s: after a REGISTER, where there is
    no connection. interval_s: least time between two notifications to one device. refresh_s: so
    long before its registration ends a device is woken to refresh it."""

    providers: frozenset[str]
    awake_s: float
    interval_s: float
    refresh_s: float


class PushStats:
    """Counts since the start; they only grow."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.joined = 0  # not sent: one to the same device is under way
        self.dropped = 0  # not sent: too many under way
        self.woken = 0  # devices that registered after one


class Dispatch(Protocol):
    """Sends notifications; see `imsnode.push.dispatcher.Dispatcher`."""

    def send(self, notification: Notification, done: Callable[[str], None]) -> bool: ...


class Push:
    """The devices that can be woken, and what is under way to them.

    Args:
        bindings: the live bindings of a user.
        number: makes the id of a notification.
        now: monotonic seconds, for what a sender says later.
    """

    def __init__(
        self,
        bindings: Callable[[str, float], Sequence[Binding]],
        dispatch: Dispatch,
        bucket: Bucket,
        settings: PushSettings,
        number: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.bucket = bucket
        self.stats = PushStats()
        self._bindings = bindings
        self._dispatch = dispatch
        self._number = number
        self._now = now
        self._awake: dict[Key, float] = {}
        self._pushed: dict[Key, float] = {}
        # Devices that a proxy on their way here wakes (RFC 8599 5.6.1.1).
        self._elsewhere: set[Key] = set()

    # ------------------------------------------------------------- who sleeps

    def device(self, binding: Binding) -> Device | None:
        """Return the device of a binding when this node may wake it."""
        device = device_behind(binding)
        if device is None or device.provider not in self.settings.providers:
            return None
        return None if _key(device) in self._elsewhere else device

    def asleep(self, binding: Binding, now: float) -> bool:
        """Say whether a binding is that of a device which has to be woken first."""
        device = self.device(binding)
        return device is not None and not self._reachable(binding, device, now)

    def sleepers(self, aor: str, now: float, only: str = "") -> dict[Key, Device]:
        """Return the devices of a user that have to be woken. Args: only: one, by instance id."""
        found: dict[Key, Device] = {}
        up: set[Key] = set()
        for binding in self._bindings(aor, now):
            device = self.device(binding)
            if device is None or (only and device.instance != only):
                continue
            if self._reachable(binding, device, now):
                up.add(_key(device))
            else:
                found[_key(device)] = device
        return {key: device for key, device in found.items() if key not in up}

    def _reachable(self, binding: Binding, device: Device, now: float) -> bool:
        flow: Flow | None = binding.flow
        if binding.received[0] != "UDP" and not binding.path:
            return flow is not None and not flow.closed
        return now < self._awake.get(_key(device), 0.0)

    # ------------------------------------------------------------------ waking

    def wake(self, devices: Iterable[Device], reason: Reason, now: float) -> list[Device]:
        """Send notifications; returns the devices that are being woken now."""
        return [device for device in devices if self._send(device, reason, now)]

    def start(
        self, fork: Fork, targets: Sequence[Target], aor: str, device: str, now: float
    ) -> Refusal | None:
        """Start the fork of a request, as `Fork.start`, that waits for sleeping devices too."""
        self.expect(fork, aor, "call" if fork.invite else "request", now, device)
        refusal = fork.start(targets, now)
        self.bucket.hold(fork, aor, device, now)
        return refusal

    def expect(self, fork: Fork, aor: str, reason: Reason, now: float, only: str = "") -> int:
        """Wake the sleeping devices of a user and let a fork that starts next expect them.

        Returns: how many; the caller starts the fork and hands it to `bucket.hold`.
        """
        if self.bucket.is_full(aor):
            return 0
        fork.expected = len(self.wake(self.sleepers(aor, now, only).values(), reason, now))
        return fork.expected

    def _send(self, device: Device, reason: Reason, now: float) -> bool:
        key = _key(device)
        before = self._pushed.get(key)
        if before is not None and now - before < self.settings.interval_s:
            self.stats.joined += 1
            return True
        notification = Notification(self._number(), device, reason, _WORTH_S)
        if not self._dispatch.send(notification, lambda failure: self._sent(device, failure)):
            self.stats.dropped += 1
            return False
        self._pushed[key] = now
        self.stats.sent += 1
        return True

    def _sent(self, device: Device, failure: str) -> None:
        if not failure:
            return
        self.stats.failed += 1
        self._pushed.pop(_key(device), None)
        self.bucket.failed(device.aor, device.instance, self._now())

    # ----------------------------------------------------------- registrations

    def moved(
        self, aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float
    ) -> None:
        """Take note of who has registered, and of who is not there any more."""
        kept = set()
        for binding in new:
            device = device_behind(binding)
            if device is None:
                continue
            key = _key(device)
            kept.add(key)
            if binding not in old:
                self._awake[key] = now + self.settings.awake_s
                if self._pushed.pop(key, None) is not None:
                    self.stats.woken += 1
        for binding in old:
            device = device_behind(binding)
            if device is not None and _key(device) not in kept:
                self._forget(_key(device))

    def woken_elsewhere(self, binding: Binding, elsewhere: bool) -> None:
        """Note whether a proxy between a device and this node wakes it."""
        device = device_behind(binding)
        if device is None:
            return
        if elsewhere:
            self._elsewhere.add(_key(device))
        else:
            self._elsewhere.discard(_key(device))

    def _forget(self, key: Key) -> None:
        self._awake.pop(key, None)
        self._pushed.pop(key, None)
        self._elsewhere.discard(key)


def _key(device: Device) -> Key:
    return device.aor, device.instance or device.prid
