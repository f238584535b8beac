# SPDX-License-Identifier: Apache-2.0
"""Devices are woken before their registrations end (RFC 8599 section 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sip.registrar import Binding
from sip.timers import TimerQueue

from .push import Push

__all__ = ["Refresher"]

_DUE = 1


class _Watch:
    """The armed timer of one user. at: when it fires."""

    __slots__ = ("aor", "at", "refresher")

    def __init__(self, refresher: Refresher, aor: str, at: float) -> None:
        self.refresher = refresher
        self.aor = aor
        self.at = at

    def on_timer(self, kind: int, now: float) -> None:
        self.refresher.due(self, now)


class Refresher:
    """Watches the registrations of devices that push notifications reach."""

    def __init__(
        self, push: Push, bindings: Callable[[str, float], Sequence[Binding]], timers: TimerQueue
    ) -> None:
        self._push = push
        self._bindings = bindings
        self._timers = timers
        self._watches: dict[str, _Watch] = {}

    def start(self, aors: Iterable[str], now: float) -> None:
        """Watch the registrations of an earlier run."""
        for aor in aors:
            self.watch(aor, now)

    def watch(self, aor: str, now: float) -> None:
        """Have the devices of a user woken in time; to be called when one has registered."""
        moments = [at for at, _ in self._moments(aor, now) if at > now]
        if moments:
            self._arm(aor, min(moments))

    def due(self, watch: _Watch, now: float) -> None:
        """Wake those whose time has come, and wait for the others."""
        if self._watches.get(watch.aor) is not watch:
            return  # an earlier one was armed after it
        del self._watches[watch.aor]
        late = [binding for at, binding in self._moments(watch.aor, now) if at <= now]
        devices = dict.fromkeys(filter(None, map(self._push.device, late)))
        self._push.wake(devices, "refresh", now)
        self.watch(watch.aor, now)

    def _moments(self, aor: str, now: float) -> list[tuple[float, Binding]]:
        before = self._push.settings.refresh_s
        return [
            (binding.expires_at - before, binding)
            for binding in self._bindings(aor, now)
            if self._push.device(binding) is not None
        ]

    def _arm(self, aor: str, at: float) -> None:
        armed = self._watches.get(aor)
        if armed is not None and armed.at <= at:
            return
        watch = self._watches[aor] = _Watch(self, aor, at)
        self._timers.schedule(at, watch, _DUE)
