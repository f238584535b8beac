# SPDX-License-Identifier: Apache-2.0
"""Every decision, for every combination of facts."""

from __future__ import annotations

from itertools import product

import pytest

from pager import StoreMode, policy, rules
from pager.policy import Act, Standing, Storable

ALL_FACTS = [
    Storable(mode, composing, expired, full)
    for mode, composing, expired, full in product(StoreMode, *[(False, True)] * 3)
]
MOMENT = {408, 430, 480, 486, 487, 491, *range(500, 600)} - {501, 505, 513}


def test_class_of_every_status() -> None:
    for status in range(200, 700):
        if status < 300:
            expected = policy.ACCEPTED
        elif status >= 600:
            expected = policy.DECLINED
        elif status in MOMENT:
            expected = policy.MOMENT
        else:
            expected = policy.REFUSED
        assert policy.class_of(status) == expected
        assert policy.device_rule(status) in rules.RULES


@pytest.mark.parametrize("status", [413, 415, 488])
def test_what_is_final_for_the_content_is_no_matter_of_the_moment(status: int) -> None:
    assert policy.class_of(status) == policy.REFUSED


def wanted_refusal(facts: Storable) -> policy.Decision | None:
    """The table of D3, PM-06, PM-09 and PM-18 in order of precedence; None: may be stored."""
    if facts.mode is StoreMode.OFF:
        return policy.OFF
    if facts.composing:
        return policy.COMPOSING
    if facts.expired:
        return policy.LATE
    if facts.full:
        return policy.FULL
    return None


@pytest.mark.parametrize("facts", ALL_FACTS)
def test_keep(facts: Storable) -> None:
    for rule in (rules.NO_BINDING, rules.OTHER_DEVICES, rules.PATIENCE_OVER):
        decision = policy.keep(facts, rule)
        refusal = wanted_refusal(facts)
        if refusal is None:
            assert (decision.act, decision.rule) == (Act.STORE, rule)
        else:
            assert decision is refusal
            assert decision.status == 480


@pytest.mark.parametrize("facts", ALL_FACTS)
@pytest.mark.parametrize(("bound", "free"), [(0, 0), (1, 0), (1, 1), (3, 0), (3, 1), (3, 3)])
def test_on_arrival(facts: Storable, bound: int, free: int) -> None:
    decision = policy.on_arrival(facts, bound, free)
    refusal = wanted_refusal(facts)
    if facts.mode is StoreMode.FIRST and not facts.composing:
        assert decision.rule == (refusal.rule if refusal else rules.STORE_FIRST)
    elif bound and (facts.composing or facts.mode is StoreMode.OFF or free):
        assert decision is policy.FORWARD
    elif refusal is not None:
        assert decision is refusal
    else:
        wanted = rules.QUEUED_BEHIND if bound else rules.NO_BINDING
        assert (decision.act, decision.rule) == (Act.STORE, wanted)


@pytest.mark.parametrize("facts", ALL_FACTS)
@pytest.mark.parametrize("real", [False, True])
def test_on_final(facts: Storable, real: bool) -> None:
    for status in range(300, 700):
        decision = policy.on_final(facts, status, real)
        refusal = wanted_refusal(facts)
        if status not in MOMENT:
            assert decision is policy.PASS_ON
        elif refusal is None:
            assert (decision.act, decision.rule) == (Act.STORE, rules.NOBODY_ANSWERED)
        elif refusal is policy.FULL or not real or status == 408:
            assert decision is refusal
        else:
            assert decision is policy.PASS_ON


@pytest.mark.parametrize("facts", ALL_FACTS)
def test_on_patience(facts: Storable) -> None:
    decision = policy.on_patience(facts)
    refusal = wanted_refusal(facts)
    if refusal is None:
        assert (decision.act, decision.rule) == (Act.STORE, rules.PATIENCE_OVER)
    elif refusal is policy.COMPOSING:
        assert decision is policy.COMPOSING
    else:
        assert (decision.act, decision.rule, decision.status) == (Act.WAIT, refusal.rule, 0)


DEVICES: list[tuple[str, ...]] = [(), ("a",), ("a", "b")]
SETTLED = [frozenset(s) for s in ((), ("a",), ("b",), ("a", "b"), ("c",))]
STANDINGS = [
    Standing(devices, settled, accepted, others)
    for devices, settled, accepted, others in product(DEVICES, SETTLED, *[(False, True)] * 2)
]


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("device", ["", "a", "b", "c"])
def test_concerns(standing: Standing, device: str) -> None:
    wanted = device not in standing.settled and (
        not standing.accepted or device in standing.devices
    )
    assert policy.concerns(standing, device) is wanted


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("device", ["", "a", "c"])
def test_settles(standing: Standing, device: str) -> None:
    left = set(standing.devices) - standing.settled - {device}
    assert policy.settles(standing, device, policy.DECLINED)
    assert policy.settles(standing, device, policy.ACCEPTED) is not bool(left)
    refusal = policy.settles(standing, device, policy.REFUSED)
    assert refusal is (not left and (standing.accepted or not standing.others))


@pytest.mark.parametrize("repeated", [False, True])
def test_merged_request_counts_only_as_a_repeat(repeated: bool) -> None:
    wanted = policy.ACCEPTED if repeated else policy.REFUSED
    assert policy.answer_from_store(482, repeated) == wanted
    for status in (200, 415, 480, 603):
        assert policy.answer_from_store(status, repeated) == policy.class_of(status)


def test_back_off() -> None:
    delays = [0.0]
    for _ in range(8):
        delays.append(policy.next_delay(delays[-1], 5.0, 300.0))
    assert delays[1:] == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
