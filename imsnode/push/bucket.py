# SPDX-License-Identifier: Apache-2.0
"""Requests that wait until a device is awake (the bucket of RFC 8599 section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sip.forward import Target
from sip.proxy import Fork
from sip.timers import TimerQueue

__all__ = ["Bucket"]

_BUCKET_TIMER = 1
_SHARE = 4  # the part of all places that is for one user's devices

#: The devices of a user that can be sent to now, as `Location.targets`.
Targets = Callable[[str, float], Sequence[Target]]


class Held:
    """A request whose fork expects devices. device: the only one it is for, "" for any."""

    __slots__ = ("aor", "bucket", "device", "fork")

    def __init__(self, bucket: Bucket, fork: Fork, aor: str, device: str) -> None:
        self.bucket = bucket
        self.fork = fork
        self.aor = aor
        self.device = device

    def on_timer(self, kind: int, now: float) -> None:
        """Wait no longer."""
        self.bucket.over(self, now)


class Bucket:
    """The requests that wait, by the user whose devices are being woken.

    Args: device_of: the instance id behind a target. most: requests that may wait.
    """

    def __init__(
        self,
        targets: Targets,
        device_of: Callable[[Target], str],
        timers: TimerQueue,
        wait_s: float,
        most: int,
    ) -> None:
        self.wait_s = wait_s
        self.most = most
        self.count = 0
        self.released = 0
        self.given_up = 0
        self._targets = targets
        self._device_of = device_of
        self._timers = timers
        self._held: dict[str, list[Held]] = {}

    def hold(self, fork: Fork, aor: str, device: str, now: float) -> None:
        """Keep a request whose fork was started with devices that it expects."""
        if not fork.expected:
            return
        held = Held(self, fork, aor, device)
        self._held.setdefault(aor, []).append(held)
        self.count += 1
        self._timers.schedule(now + self.wait_s, held, _BUCKET_TIMER)

    def is_full(self, aor: str) -> bool:
        """Say whether no further request may wait, at all or for one user's devices."""
        return self.count >= self.most or len(self._held.get(aor, ())) * _SHARE >= self.most

    def arrived(self, aor: str, now: float) -> None:
        """Send what waits for a user's devices to those that have registered."""
        waiting = self._held.get(aor)
        if not waiting:
            return
        targets = self._targets(aor, now)
        for held in list(waiting):
            self._join(held, targets, now)

    def failed(self, aor: str, device: str, now: float) -> None:
        """Expect one device of a user less, by its instance id: it could not be woken."""
        for held in list(self._held.get(aor, ())):
            if held.device in ("", device):
                held.fork.join(1, (), now)
                self._settle(held)

    def over(self, held: Held, now: float) -> None:
        """Wait no longer for the devices of one request: the others decide, or nobody (480)."""
        if held in self._held.get(held.aor, ()):
            self.given_up += held.fork.expected
            held.fork.join(held.fork.expected, (), now)
            self._settle(held)

    def _join(self, held: Held, targets: Sequence[Target], now: float) -> None:
        fork = held.fork
        known = {self._key(branch.target) for branch in fork.branches}
        for target in targets:
            if held.device and self._device_of(target) != held.device:
                continue
            if fork.expected and self._key(target) not in known:
                self.released += 1
                fork.join(1, (target,), now)
        self._settle(held)

    def _key(self, target: Target) -> str | bytes:
        return self._device_of(target) or target.uri

    def _settle(self, held: Held) -> None:
        """Forget a request that expects nobody any more; its timer finds nothing then."""
        waiting = self._held.get(held.aor, [])
        if held.fork.expected or held not in waiting:
            return
        waiting.remove(held)
        self.count -= 1
        if not waiting:
            del self._held[held.aor]
