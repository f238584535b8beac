# SPDX-License-Identifier: Apache-2.0
"""What the devices of one fork have answered so far, read in the terms of the policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sip.proxy import Branch, Fork

from . import policy, rules
from .ports import Bindings
from .values import Step

_MERGED: Final = 482  # the request is there already (RFC 3261 8.2.2.2)


class Outcomes:
    """Instance ids by what became of the message there; devices without one are not listed.

    takers: took it. waiting: failed for the moment. running: have not answered. taken: somebody
    took it, with or without an instance id.
    """

    __slots__ = ("running", "taken", "takers", "waiting")

    def __init__(self, bindings: Bindings, fork: Fork, carried: bool) -> None:
        """Read a fork; ``carried``: an earlier run may have forwarded the same message."""
        self.takers: list[str] = []
        self.waiting: list[str] = []
        self.running: list[str] = []
        self.taken = False
        for branch in fork.branches:
            device = bindings.device_of(branch.target)
            if not branch.status:
                devices = self.running
            else:
                answer = policy.answer_from_store(branch.status, carried)
                if answer == policy.ACCEPTED:
                    self.taken = True
                    devices = self.takers
                elif answer == policy.MOMENT:
                    devices = self.waiting
                else:
                    continue
            if device:
                devices.append(device)

    def missing(self, others: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the devices that should still get what somebody has taken."""
        return unique(d for d in (*others, *self.waiting) if d and d not in self.takers)


def answer_step(bindings: Bindings, branch: Branch, carried: bool, wall: float) -> Step:
    """Return the ledger step for a device that has answered."""
    status = branch.status
    rule = policy.device_rule(status)
    if carried and status == _MERGED:
        rule = rules.DEVICE_REPEATED
    return (wall, rules.ANSWERED, bindings.device_of(branch.target), status, rule)


def unique(devices: Iterable[str]) -> tuple[str, ...]:
    """Return each device once, in the order given."""
    return tuple(dict.fromkeys(devices))
