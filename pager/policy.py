# SPDX-License-Identifier: Apache-2.0
"""Every decision of the pager service, as pure functions from facts to a decision.

What the RFCs leave to local policy stands here and nowhere else: when to forward, when to
store, which answer of a device means never, which means later.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from . import rules
from .settings import StoreMode

# What a final status of one device means. Module-level ints: looked at for every message.
ACCEPTED: Final = 1  # 2xx
MOMENT: Final = 2  # not now: worth another try
REFUSED: Final = 3  # never at this device
DECLINED: Final = 4  # never at any device of this user

# 408 no answer, 430 flow gone (RFC 5626), 480 away, 486 busy, 487 stopped, 491 pending: all of
# them say something about the moment. A 5xx does too, except where it speaks of the request
# itself: 501 method, 505 version, 513 size.
_MOMENT_4XX: Final = frozenset((408, 430, 480, 486, 487, 491))
_REFUSING_5XX: Final = frozenset((501, 505, 513))

UNWANTED: Final = 607  # a device's word for spam (RFC 8197)


def class_of(status: int) -> int:
    """Say what a final status of a device means for the message.

    Redirections are refusals: the service does not recurse on a 3xx to another address.
    """
    if status < 300:
        return ACCEPTED
    if status >= 600:
        return DECLINED
    if status >= 500:
        return REFUSED if status in _REFUSING_5XX else MOMENT
    return MOMENT if status in _MOMENT_4XX else REFUSED


def device_rule(status: int) -> str:
    """Name the rule that a final status of a device sets off."""
    return _DEVICE_RULES[class_of(status)]


_DEVICE_RULES: Final = {
    ACCEPTED: rules.DEVICE_ACCEPTED,
    MOMENT: rules.TRY_AGAIN,
    REFUSED: rules.DEVICE_REFUSED,
    DECLINED: rules.USER_DECLINED,
}


class Act(Enum):
    """What to do with a message now."""

    FORWARD = auto()  # to the devices that have no backlog
    STORE = auto()  # commit it, then 202
    REFUSE = auto()  # answer `status` on our own
    RELAY = auto()  # pass the recipient's own answer back
    WAIT = auto()  # leave the attempts running
    DROP = auto()  # answer 200, pass it on to nobody
    IGNORE = auto()  # answer as if nobody were there, and forget it
    TAKE = auto()  # somebody else keeps it and answers
    HOLD = auto()  # commit it, then 202; it is sent when the recipient wants it


@dataclass(frozen=True, slots=True)
class Decision:
    """An act with the rule behind it; status is the answer of REFUSE, else 0."""

    act: Act
    rule: str
    status: int = 0


FORWARD: Final = Decision(Act.FORWARD, rules.FORWARDED)
TOO_LARGE: Final = Decision(Act.REFUSE, rules.BODY_TOO_LARGE, 413)
OFF: Final = Decision(Act.REFUSE, rules.STORE_OFF, 480)
AWAY: Final = Decision(Act.REFUSE, rules.ONE_DEVICE, 480)
COMPOSING: Final = Decision(Act.REFUSE, rules.NOT_STORABLE, 480)
LATE: Final = Decision(Act.REFUSE, rules.ALREADY_EXPIRED, 480)
# 480 and not 486 or 503: the recipient is what is unavailable, and only for a while; a proxy
# upstream may not take it for a failure of this node.
FULL: Final = Decision(Act.REFUSE, rules.MAILBOX_FULL, 480)
MALFORMED: Final = Decision(Act.REFUSE, rules.MALFORMED, 400)
NOT_THE_SENDER: Final = Decision(Act.REFUSE, rules.NOT_THE_SENDER, 403)
UNKNOWN_RECEIPT: Final = Decision(Act.DROP, rules.UNKNOWN_RECEIPT)
GATHERED: Final = Decision(Act.TAKE, rules.GATHERED)
PASS_ON: Final = Decision(Act.RELAY, rules.FINAL_ANSWER)
# An enumeration looks a member up by a call; these are compared with for every message.
_FIRST: Final = StoreMode.FIRST
_OFF: Final = StoreMode.OFF
_STORE: Final = {
    rule: Decision(Act.STORE, rule)
    for rule in (
        rules.STORE_FIRST,
        rules.NO_BINDING,
        rules.QUEUED_BEHIND,
        rules.NOBODY_ANSWERED,
        rules.PATIENCE_OVER,
        rules.OTHER_DEVICES,
        rules.MUTED,
    )
}
_WAIT: Final = {
    refusal.rule: Decision(Act.WAIT, refusal.rule) for refusal in (AWAY, OFF, LATE, FULL)
}


@dataclass
class Storable:
    """The facts that decide whether a message may be stored. Made for every message, not changed.

    composing: an is-composing notice (RFC 3994). expired: its deadline has passed.
    full: the recipient's mailbox has no room. aimed: it is for one device alone (RFC 5627).
    """

    mode: StoreMode
    composing: bool
    expired: bool
    full: bool
    aimed: bool = False


def keep(facts: Storable, rule: str) -> Decision:
    """Decide whether a message may be stored for the reason ``rule``: STORE or REFUSE."""
    if facts.aimed:
        return AWAY
    if facts.mode is _OFF:
        return OFF
    if facts.composing:
        return COMPOSING
    if facts.expired:
        return LATE
    if facts.full:
        return FULL
    return _STORE[rule]


def on_arrival(facts: Storable, bound: int, free: int) -> Decision:
    """Decide what happens first.

    Args:
        bound: devices that can be reached. free: those of them without a backlog in the store.
    Returns: FORWARD, STORE or REFUSE. A notice that may never be stored does not wait behind
        stored messages: it would come too late to mean anything.
    """
    if facts.mode is _FIRST and not facts.composing:
        return keep(facts, rules.STORE_FIRST)
    if bound and (free or facts.composing or facts.mode is _OFF):
        return FORWARD
    return keep(facts, rules.QUEUED_BEHIND if bound else rules.NO_BINDING)


def on_final(facts: Storable, status: int, real: bool) -> Decision:
    """Decide about the best final status of all devices, none of which has taken the message.

    Args:
        real: a device sent this status; False when the fork made it up (no answer, no path).
    Returns: RELAY, STORE or REFUSE. What cannot be stored ends with the device's own answer,
        except that a full mailbox is said plainly, and that a 408 never goes to the sender of a
        non-INVITE (RFC 4320 4.2).
    """
    if class_of(status) != MOMENT:
        return PASS_ON
    decision = keep(facts, rules.NOBODY_ANSWERED)
    if decision.act is Act.STORE or decision is FULL or not real or status == 408:
        return decision
    return PASS_ON


def on_patience(facts: Storable) -> Decision:
    """Decide what happens when ``defer_after_s`` passed without a final answer.

    Returns: STORE; WAIT when it may not be stored, since an answer may still come; REFUSE for a
        notice, which is worth nothing by now and holds up the sender's next message.
    """
    decision = keep(facts, rules.PATIENCE_OVER)
    if decision.act is Act.STORE or decision is COMPOSING:
        return decision
    return _WAIT[decision.rule]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stored message stands before a device's answer.

    devices: those it is meant for. settled: those whose fate is decided. accepted: by any.
    others: further devices are bound now that have not answered for it.
    """

    devices: Sequence[str]
    settled: Set[str]
    accepted: bool
    others: bool


def concerns(standing: Standing, device: str) -> bool:
    """Say whether a device should get the message.

    Until somebody has taken it, everybody may; after that only the devices it was meant for.
    """
    if device in standing.settled:
        return False
    return not standing.accepted or device in standing.devices


def settles(standing: Standing, device: str, answer: int) -> bool:
    """Say whether a device's final answer ends the waiting of the message for everybody.

    Args:
        answer: ACCEPTED, REFUSED or DECLINED.
    """
    if answer == DECLINED:
        return True
    waiting = [d for d in standing.devices if d != device and d not in standing.settled]
    if waiting:
        return False
    return answer == ACCEPTED or standing.accepted or not standing.others


def answer_from_store(status: int, repeated: bool) -> int:
    """Say what a device's answer to a delivery from the store means.

    Args:
        repeated: an earlier attempt under the same identity may have reached the device.
    Spec: RFC 3261 8.2.2.2: 482 is the answer to a request that is there already.
    """
    if status == 482 and repeated:
        return ACCEPTED
    return class_of(status)


def next_delay(delay_s: float, minimum_s: float, maximum_s: float) -> float:
    """Return the pause after one more failure; ``delay_s`` is the pause before it, 0 at first."""
    return minimum_s if delay_s <= 0.0 else min(delay_s * 2.0, maximum_s)
