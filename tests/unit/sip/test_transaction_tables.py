from __future__ import annotations

import dataclasses

import pytest

from sip.transaction.tables import (
    ICT,
    INPUTS,
    IST,
    MACHINES,
    NICT,
    NIST,
    Action,
    Input,
    Machine,
    State,
    check_total,
    compile_table,
)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
class TestEveryTable:
    def test_is_total(self, machine: Machine) -> None:
        assert check_total(machine) == []

    def test_every_pair_decided_exactly_once(self, machine: Machine) -> None:
        pairs = [(state, item) for state in machine.states for item in machine.inputs]
        assert len(machine.rows) + len(machine.ignored) == len(pairs)

    def test_nothing_has_an_effect_after_the_end(self, machine: Machine) -> None:
        assert not [pair for pair in machine.rows if pair[0] is State.TERMINATED]

    def test_every_row_does_something(self, machine: Machine) -> None:
        assert all(actions for _, actions in machine.rows.values())

    def test_every_state_can_be_left_and_reached(self, machine: Machine) -> None:
        targets = {target for target, _ in machine.rows.values()}
        sources = {state for state, _ in machine.rows}
        assert targets | {machine.states[0]} == set(machine.states)
        assert sources == set(machine.states) - {State.TERMINATED}

    def test_leaving_for_the_end_destroys(self, machine: Machine) -> None:
        for (state, _), (target, actions) in machine.rows.items():
            assert (target is State.TERMINATED and state is not target) == (
                Action.DESTROY in actions
            )

    def test_compiled_form_says_the_same(self, machine: Machine) -> None:
        compiled = compile_table(machine)
        for state in State:
            for item in Input:
                index = int(state) * INPUTS + int(item)
                target, actions = machine.rows.get((state, item), (state, ()))
                assert compiled.next[index] == target
                assert list(compiled.actions[index]) == list(actions)


class TestCheckTotal:
    def test_names_a_pair_that_nobody_decided(self) -> None:
        hole = (State.TRYING, Input.TIMER_K)
        machine = dataclasses.replace(NICT, ignored=NICT.ignored - {hole})
        assert check_total(machine) == ["NICT TRYING TIMER_K: neither"]

    def test_names_a_pair_decided_twice(self) -> None:
        twice = (State.TRYING, Input.TIMER_E)
        machine = dataclasses.replace(NICT, ignored=NICT.ignored | {twice})
        assert check_total(machine) == ["NICT TRYING TIMER_E: both"]

    def test_names_a_pair_outside_the_figure(self) -> None:
        machine = dataclasses.replace(NIST, ignored=NIST.ignored | {(State.CALLING, Input.ACK)})
        assert check_total(machine) == ["NIST CALLING ACK: outside the figure"]

    def test_names_a_row_that_leads_out_of_the_figure(self) -> None:
        rows = dict(ICT.rows)
        rows[State.CALLING, Input.TIMER_B] = (State.TRYING, (Action.DESTROY,))
        assert check_total(dataclasses.replace(ICT, rows=rows)) == [
            "ICT CALLING TIMER_B: leads to TRYING"
        ]


def test_rules_of_rfc_4320_stand_in_the_table() -> None:
    for state in (State.TRYING, State.PROCEEDING):
        assert (state, Input.TU_101_199) in NIST.ignored
        assert (state, Input.TU_408) in NIST.ignored


def test_rules_of_rfc_6026_stand_in_the_table() -> None:
    assert ICT.rows[State.CALLING, Input.RESPONSE_2XX][0] is State.ACCEPTED
    assert IST.rows[State.PROCEEDING, Input.TU_2XX][0] is State.ACCEPTED
    assert (State.ACCEPTED, Input.REQUEST) in IST.ignored
    assert all((s, Input.TRANSPORT_ERROR) in IST.ignored for s in IST.states)
